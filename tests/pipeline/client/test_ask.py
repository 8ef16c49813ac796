"""Files in, results out: what is written of each picture, and what is said of those that could not be answered."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from pydicom import dcmread
from typer.testing import CliRunner

from pipeline import cli
from pipeline.client import LocalModel, ServerError
from pipeline.client.ask import ask
from pipeline.client.model import introduction
from spine.answers.answer import Answer
from spine.answers.description import NOT_FOR_DIAGNOSIS
from spine.core.problems import SpineError
from spine.images.dicom.write import MRSeries, write_mr_series


@pytest.fixture(scope="module")
def model(case):
    return LocalModel.open(case)


@pytest.fixture
def folder(tmp_path, picture, picture_png):
    """A series of three slices, of which the middle one is the picture, a PNG of it, and a text called .png."""
    pixels = np.stack([np.zeros_like(picture), picture, np.zeros_like(picture)])
    series = MRSeries("Doe^Jane", "1", 3, "T2 sag", (-40.0, 12.5, 80.25), spacing=(1.5, 1.5), window=(32768.0, 65536.0))
    write_mr_series(pixels, series, tmp_path / "scans" / "mr")
    (tmp_path / "scans" / "plain.png").write_bytes(picture_png)
    (tmp_path / "scans" / "broken.png").write_text("no picture")
    return tmp_path / "scans"


def test_of_each_picture_json_overlay_and_mask_are_written(model, folder, tmp_path, picture):
    done = ask(model, [folder], tmp_path / "out")
    assert sorted(done.answered) == ["mr/IM0002.dcm", "plain.png"]
    (problem,) = [one for one in done.problems if one.severity == "error"]
    assert problem.path == str(folder / "broken.png")
    # The drawn mask has one disc where there are two boxes, so each answer's levels are in doubt.
    doubts = [one for one in done.problems if one.severity == "warning"]
    assert [Path(one.path).name for one in doubts] == ["IM0002.dcm", "plain.png"]
    assert all("boxes and mask do not have the same discs" in one.reason for one in doubts)
    told = json.loads((tmp_path / "out" / "plain.png.json").read_text())
    assert told["note"] == NOT_FOR_DIAGNOSIS
    assert told["picture"] == "plain.png"
    assert [finding["level"] for finding in told["findings"] if "level" in finding] == [2, 1]
    mask = cv2.imread(str(tmp_path / "out" / "plain.png.mask.png"), cv2.IMREAD_UNCHANGED)
    assert mask[24, 30] == 2
    overlay = cv2.imread(str(tmp_path / "out" / "mr" / "IM0002.dcm.overlay.png"))
    assert overlay.shape[0] % picture.shape[0] == 0
    assert not list((tmp_path / "out").rglob("*.dicom"))
    assert all(path.exists() for path in done.paths)


def test_tables_have_a_row_a_value_of_all_pictures(model, folder, tmp_path):
    ask(model, [folder], tmp_path / "out")
    measured = pd.read_csv(tmp_path / "out" / "measurements.csv")
    assert measured.groupby("picture")["unit"].agg(set).to_dict() == {
        "mr/IM0002.dcm": {"mm", "ratio"},
        "plain.png": {"px", "ratio"},
    }
    width = measured[(measured["structure"] == "disc") & (measured["name"] == "width")]
    by_picture = width.set_index("picture")["value"]
    assert by_picture["mr/IM0002.dcm"] == pytest.approx(1.5 * by_picture["plain.png"])
    found = pd.read_csv(tmp_path / "out" / "findings.csv")
    of_disc = found[(found["picture"] == "plain.png") & (found["level"] == 2) & (found["target"] == "degeneration")]
    assert of_disc["grade"].tolist() == ["normal", "degenerated"]
    assert of_disc["probability"].sum() == pytest.approx(1)
    assert ",disc,2," in (tmp_path / "out" / "findings.csv").read_text()
    assert of_disc["x0"].tolist() == pytest.approx([20, 20], abs=1e-3)


def test_dicom_results_refer_to_the_file_that_was_asked_about(model, folder, tmp_path):
    ask(model, [folder], tmp_path / "out", dicom=True)
    results = sorted((tmp_path / "out" / "mr" / "IM0002.dcm.dicom").iterdir())
    assert [path.name for path in results] == ["overlay.dcm", "report.dcm", "segmentation.dcm"]
    source = dcmread(folder / "mr" / "IM0002.dcm")
    assert {dcmread(path).StudyInstanceUID for path in results} == {source.StudyInstanceUID}
    assert not (tmp_path / "out" / "plain.png.dicom").exists()


def test_pictures_of_one_name_do_not_replace_each_other(model, tmp_path, picture_png):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").write_bytes(picture_png)
    ask(model, [tmp_path / "a" / "x.png", tmp_path / "b" / "x.png"], tmp_path / "out")
    assert (tmp_path / "out" / "x.png.json").exists()
    assert (tmp_path / "out" / "x.png-2.json").exists()
    assert set(pd.read_csv(tmp_path / "out" / "findings.csv")["picture"]) == {"x.png", "x.png-2"}


def test_burned_in_annotation_stays_here_unless_it_is_allowed(model, folder, tmp_path):
    for path in (folder / "mr").iterdir():
        dataset = dcmread(path)
        dataset.BurnedInAnnotation = "YES"
        dataset.save_as(path)
    done = ask(model, [folder / "mr"], tmp_path / "out")
    assert not done.answered
    assert "was not sent" in done.problems[0].reason
    assert ask(model, [folder / "mr"], tmp_path / "out", burned_in=True).answered == ["IM0002.dcm"]


class Moody:
    """A model that answers, or raises what it was told to, in turn."""

    version = "1"
    sees_boxes = False
    sees_slices = False

    def __init__(self, description, *moods):
        self.description, self._moods = description, list(moods)

    def answer(self, png, spacing=None, *, members=False, neighbours=None):
        mood = self._moods.pop(0)
        if mood:
            raise mood
        return Answer("moody", "1", 100, 80)


def test_who_asks_a_model_of_crops_reads_that_it_takes_a_picture_for_one(model):
    whole, of_crops = Moody(model.description), Moody(model.description)
    of_crops.sees_boxes = True
    assert introduction(whole) == f"{model.description.name}, version 1: {NOT_FOR_DIAGNOSIS}"
    assert introduction(of_crops).startswith(introduction(whole))
    assert "takes each picture for one: give it crops" in introduction(of_crops)


def test_a_picture_that_is_refused_is_passed_over_and_a_server_that_is_gone_ends_it(model, picture_png, tmp_path):
    for name in "abc":
        (tmp_path / f"{name}.png").write_bytes(picture_png)
    files = [tmp_path / f"{name}.png" for name in "abc"]
    refused = ServerError("http://x", "INVALID_ARGUMENT", "too large")
    done = ask(Moody(model.description, None, refused, None), files, tmp_path / "out")
    assert done.answered == ["a.png", "c.png"]
    assert (done.problems[0].path, "too large" in done.problems[0].reason) == (str(files[1]), True)
    large = ServerError("grpc://x", "RESOURCE_EXHAUSTED", "Received message larger than max", final=True)
    assert "leave the picture out" in str(large)
    assert ask(Moody(model.description, None, large, None), files, tmp_path / "large").answered == ["a.png", "c.png"]
    gone = ServerError("http://x", "UNAVAILABLE", "gone")
    with pytest.raises(SpineError, match=rf"gone.* \(1 answered before, see {re.escape(str(tmp_path / 'other'))}\)$"):
        ask(Moody(model.description, None, gone), files, tmp_path / "other")
    assert (tmp_path / "other" / "a.png.json").exists()
    with pytest.raises(SpineError, match=r"gone.* \(nothing was answered\)$"):
        ask(Moody(model.description, gone), files, tmp_path / "third")
    assert not (tmp_path / "third").exists()


def test_the_command_asks_writes_and_exits_by_what_failed(url, folder, tmp_path):
    options = ["--members", "--output", str(tmp_path / "out")]
    done = CliRunner().invoke(cli.app, ["client", url, str(folder / "plain.png"), *options])
    assert done.exit_code == 0, done.output
    assert "1 answered, 1 warning" in done.stderr
    assert NOT_FOR_DIAGNOSIS in done.stderr
    assert str(tmp_path / "out" / "plain.png.json") in done.stdout.split()
    assert "warning" in done.stdout  # its levels are in doubt, as the table tells
    done = CliRunner().invoke(cli.app, ["client", url, str(folder), str(tmp_path / "nowhere"), *options])
    assert done.exit_code == 1
    assert "2 answered, 2 errors" in done.stderr
