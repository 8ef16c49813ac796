"""What a visitor of the page meets, without a page: answers, files of them, and sentences where there is none."""

import json
import zipfile
from dataclasses import replace

import cv2
import numpy as np
import pytest
import tensorflow as tf

from pipeline.client import LocalModel
from pipeline.demo import uploads
from pipeline.demo.examples import example_of
from pipeline.demo.shown_run import ShownRun
from pipeline.demo.tables import findings_table, legend, measurements_table
from pipeline.demo.visit import STANDS, Visit
from spine.answers.description import Description
from spine.core.problems import SpineError
from spine.images.pictures import read_picture, write_png16
from spine.training.network_input import NetworkInput
from spine.training.served import Served
from spine.training.view import View
from tests.pipeline.demo.conftest import PICTURE


@pytest.fixture
def visit(run, tmp_path):
    visit = Visit.begin(run, tmp_path)
    yield visit
    visit.forget()
    assert not visit.folder.exists()


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    return example_of(tmp_path_factory.mktemp("example"), Description.of_task("any", "detection", ("disc",), "")).path


def test_a_picture_is_answered_drawn_and_written(visit, picture):
    visit.open(picture)
    assert [(one.label, one.level) for one in visit.answer.findings] == [("region", 0), ("disc", 2), ("disc", 1)]
    assert visit.subjects == ["degeneration", "narrowing"]
    told = json.loads((visit.written[0]).read_text())
    assert told["picture"] == "scan.png"
    assert "not for diagnosis" in told["note"]
    assert [path.name for path in visit.written] == ["answer.json", "overlay.png"]
    drawn = visit.drawn()
    assert drawn.dtype == np.uint8
    np.testing.assert_array_equal(cv2.imread(str(visit.written[1]))[..., ::-1], drawn)
    assert (visit.drawn(boxes=False) != drawn).any()


def test_of_a_model_that_sees_neighbouring_slices_it_is_told_that_the_picture_stands_for_them(
    visit, picture, monkeypatch
):
    visit.open(picture)
    assert visit.remarks == ()
    monkeypatch.setattr(LocalModel, "sees_slices", True)
    visit.open(picture)
    assert visit.remarks == (STANDS,)


def test_of_a_dicom_file_there_are_dicom_results(visit, example):
    visit.open(example)
    assert {path.name for path in visit.written} == {
        *("answer.json", "overlay.png"),
        *("segmentation.dcm", "report.dcm", "overlay.dcm"),
    }


def test_of_an_archive_pictures_are_chosen_and_the_next_upload_forgets_them(visit, picture, tmp_path):
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.write(picture, "a/first.png")
        archive.write(picture, "b/second.png")
        archive.writestr("a/notes.png", "no picture")
    visit.open(tmp_path / "two.zip")
    assert [one.name for one in visit.pictures] == ["a/first.png", "b/second.png"]
    assert len(visit.remarks) == 1
    assert "a/notes.png" in visit.remarks[0]
    assert str(tmp_path) not in visit.remarks[0]
    visit.choose(1)
    assert visit.picture.name == "b/second.png"
    visit.close()
    assert not list(visit.folder.iterdir())


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("notes.dcm", b"not a picture at all", "notes.dcm"),
        ("half.png", b"\x89PNG\r\n\x1a\n\0\0", "half.png"),
        ("empty.jpg", b"", "empty.jpg"),
        ("up.zip", None, "leads out of its folder"),
        ("table.csv", b"a,b\n1,2\n", "no picture"),
    ],
)
def test_a_wrong_file_gets_a_sentence_without_a_path(visit, tmp_path, name, content, message):
    path = tmp_path / name
    if content is None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("../../climbs.png", "x")
    else:
        path.write_bytes(content)
    with pytest.raises(SpineError, match=message) as told:
        visit.open(path)
    assert str(tmp_path) not in str(told.value)
    assert str(told.value).endswith(".")
    assert visit.answer is None


def test_pictures_that_are_too_large_and_those_beyond_the_most_are_told(visit, picture, tmp_path, monkeypatch):
    monkeypatch.setattr(uploads, "MOST_PIXELS", PICTURE.size - 1)
    with pytest.raises(SpineError, match=r"scan.png has 80 x 100 pixels, and 7,999 are shown at most"):
        visit.open(picture)
    monkeypatch.undo()
    monkeypatch.setattr(uploads, "MOST_PICTURES", 1)
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.write(picture, "a.png")
        archive.write(picture, "b.png")
    visit.open(tmp_path / "two.zip")
    assert visit.remarks == ("Only the first 1 pictures are shown; send fewer series at a time.",)


def test_where_nothing_is_found_the_page_says_so(visit, tmp_path):
    write_png16(np.zeros_like(PICTURE), tmp_path / "black.png")
    visit.open(tmp_path / "black.png")
    assert visit.subjects == []
    assert "No boxes" in findings_table(visit.answer)
    assert "Nothing was measured" in measurements_table(visit.answer)


def test_tables_name_discs_from_the_top_with_their_units(visit, picture):
    visit.open(picture)
    grades = findings_table(visit.answer)
    assert grades.index("disc 2") < grades.index("disc 1 (lowest)") < grades.index("narrowing")
    assert "degeneration: normal / degenerated" in grades
    assert "region" in grades
    measured = measurements_table(visit.answer)
    assert "width (px)" in measured
    assert "spacing is not known" in measured
    assert all(label in legend(visit.answer) for label in ("vertebra", "disc", "canal"))


def test_where_boxes_and_mask_count_discs_differently_the_page_warns(visit, picture):
    visit.open(picture)  # the mask has the upper disc only: the lower one is as bright as a canal
    assert "disc 2 of the findings is level 1 here" in measurements_table(visit.answer)
    upper = replace(visit.answer.findings[1], level=1)
    assert "same discs" not in measurements_table(replace(visit.answer, findings=(upper,)))


def test_names_of_a_model_are_shown_not_run(visit, picture):
    visit.open(picture)
    finding = visit.answer.findings[1]
    hostile = replace(finding.grades[0], target="<script>", labels=("<b>", "</td>"), members={"<i>": np.array([1, 0])})
    answer = replace(visit.answer, findings=(replace(finding, label="<u>", grades=(hostile,)),))
    shown = findings_table(answer)
    for name in ("<script>", "<i>", "<u>"):
        assert name not in shown


@pytest.fixture
def wide(tmp_path):
    """A visit to a classifier whose probability is the mean grey of a disc with as much around it on each side."""

    def answer(inputs, sizes):
        mean = tf.reduce_mean(inputs, axis=[1, 2, 3])
        return {"probabilities": tf.stack([1 - mean, mean], axis=1)}

    module = Served("viewer", [], NetworkInput(16, 32, "none", View(grow=2.0, aspect="stretch")), answer)

    class InMemory:
        signatures = {  # noqa: RUF012
            "serving_default": lambda image_bytes: module.serving_default(image_bytes),
            "regions": lambda image_bytes, boxes: module.regions(image_bytes, boxes),
        }

    description = Description.of_task("viewer", "classification", ("normal", "bright"), target="brightness")
    return Visit.begin(ShownRun(LocalModel(InMemory(), description, "1")), tmp_path)


def test_the_example_of_a_classifier_that_sees_boxes_has_its_surroundings(wide, tmp_path):
    path, box = example_of(tmp_path, wide.run.model.description, sees_boxes=wide.run.model.sees_boxes)
    pixels = read_picture(path, "example").pixels
    assert max(pixels.shape) > 200
    wide.open(path, box)
    (finding,) = wide.answer.findings
    assert (finding.label, finding.box) == ("disc", box)
    x0, y0, x1, y1 = box
    width, height = x1 - x0, y1 - y0
    top, bottom = max(0, int(y0 - height)), min(pixels.shape[0], round(y1 + height))
    around = pixels[top:bottom, int(x0 - width) : round(x1 + width)].mean() / 65535
    assert finding.grades[0].probabilities[1] == pytest.approx(around, abs=0.02)
    inside = pixels[int(y0) : round(y1), int(x0) : round(x1)].mean() / 65535
    assert abs(inside - around) > 0.05  # so the surroundings are what is told apart here
    assert wide.subjects == ["brightness"]
    assert wide.explain("brightness", "bright", lambda share: None).how.startswith("Occlusion")
    assert "disc" in findings_table(wide.answer)
    wide.open(path)  # the same file, dropped: all of the picture is the disc
    assert wide.answer.findings[0].box is None


def test_the_example_of_another_classifier_is_one_disc_cut_out(wide, tmp_path):
    picture = cv2.imread(str(example_of(tmp_path, wide.run.model.description).path), cv2.IMREAD_UNCHANGED)
    assert picture.dtype == np.uint16
    assert max(picture.shape) < 80
