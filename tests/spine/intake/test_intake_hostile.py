"""Names, values and moments that nobody plans for: each builds or is a listed problem."""

import multiprocessing
import os
import time
import unicodedata

import numpy as np
import pandas as pd
import pytest

from spine.annotations import Annotation, Box, write_annotations
from spine.core.problems import SpineError
from spine.dataset.manifest import Manifest
from spine.images.pictures import read_picture
from spine.intake import build, sources
from spine.intake.config import Target
from spine.intake.crop import CropSettings, crop_samples
from spine.intake.matching import Pictures, match
from tests.spine.images.dicom.dicom_samples import sample, save
from tests.spine.source_on_disk import HEIGHT, WIDTH, built, config, errors, region, write_image, write_picture

NAMES = {
    "latin-1": os.fsdecode(b"M\xfcller.png"),
    "long": f"{'x' * 250}.png",
    "long in Greek": f"{'π' * 120}.png",
    "deep": "/".join([*(f"folder{n}_" + "y" * 30 for n in range(12)), "x.png"]),
    "newline": "a\nb\rc.png",
    "comma and quotes": "a,\"b\",'c'.png",
    "formula": "=1+1.png",
    "nothing but signs": "!!!.png",
    "number sign": "x#1.png",
    "reserved": "con.png",
    "Japanese": "脊椎.png",
    "blank": " .png",
    "dots": "a..b...png",
    "escape": "\x1b[31mred.png",
    "uid": "1.2.840.113619.2.5.png",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("pseudonymise", [False, True])
def test_a_file_of_whatever_name_is_built_with_its_mask_and_box(name, pseudonymise, tmp_path):
    pixels = write_picture(tmp_path / "images" / name)
    write_picture(tmp_path / "images" / "other.png", 1)
    write_image(tmp_path / "masks" / name, region((0, 2), (0, 3), 255))
    masks = {"format": "mask", "path": tmp_path / "masks", "labels": ["disc"], "boxes": True}
    result = built(tmp_path, masks, patient="(?s)(.+)", pseudonymise=pseudonymise, unnamed="background")
    assert errors(result) == []
    manifest = Manifest.read(result.root)
    assert len(manifest.images) == 2
    (sample,) = manifest.boxes["sample"]
    np.testing.assert_array_equal(read_picture(manifest.image_path(sample), "").pixels, pixels)
    assert (manifest.images["mask_sha256"] != "").sum() == 1
    crops = crop_samples(manifest, manifest.boxes, tmp_path / "crops", CropSettings(label="disc", grow=0))
    assert crops.images[["height", "width"]].values.tolist() == [[2, 3]]


def test_names_that_become_equal_are_numbered_the_same_way_each_time(tmp_path):
    names = ["x.png", "X.png", "x!.png", "x?.png", f"{'x' * 200}a.png", f"{'x' * 200}b.png"]
    for seed, name in enumerate(names):
        write_picture(tmp_path / "images" / name, seed)
    first = Manifest.read(built(tmp_path).root).images[["sample", "sha256"]]
    assert first["sample"].str.lower().nunique() == first["sha256"].nunique() == 6
    again = Manifest.read(built(tmp_path, output=tmp_path / "again").root).images[["sample", "sha256"]]
    assert again.equals(first)


def write_dicom(path, number):
    pixels = np.full((HEIGHT, WIDTH), number)
    uid = f"1.2.1.{number}"
    save(sample(pixels, PatientID=f"p{number}", SeriesInstanceUID=uid, SOPInstanceUID=f"{uid}.1"), path)


def test_dicom_files_that_are_called_by_their_uids(tmp_path):
    for number, name in enumerate(("1.2.840.1", "1.2.840.2", "sub/CT.1.3.dcm")):
        write_dicom(tmp_path / "images" / name, number)
    boxes = {"1.2.840.1": 1, "1.2.840.2.png": 2, "CT.1.3": 3}
    rows = [f"{name},{x},1,5,4" for name, x in boxes.items()]
    (tmp_path / "t.csv").write_text("\n".join(["image,x0,y0,x1,y1", *rows]) + "\n")
    table = {"format": "table", "path": tmp_path / "t.csv", "box": ["x0", "y0", "x1", "y1"], "label": "disc"}
    for name in ("1.2.840.1", "1.2.840.2", "sub/CT.1.3"):
        write_image(tmp_path / "masks" / f"{name}.png", region((0, 1), (0, 1)))
    masks = {"format": "mask", "path": tmp_path / "masks", "labels": ["disc"]}
    result = built(tmp_path, table, masks, read="dicom", slices=None, pseudonymise=False)
    assert errors(result) == []
    manifest = Manifest.read(result.root)
    assert dict(zip(manifest.boxes["sample"], manifest.boxes["x0"], strict=True)) == {
        "s_1.2.840.1": 1,
        "s_1.2.840.2": 2,
        "s_sub_CT.1.3": 3,
    }
    assert (manifest.images["mask_sha256"] != "").all()


def test_class_folders_of_dicom_files_without_a_suffix(tmp_path):
    write_dicom(tmp_path / "images" / "normal" / "1.2.840.1", 1)
    write_dicom(tmp_path / "images" / "odd" / "IM7", 2)
    result = built(tmp_path, {"format": "folders", "path": tmp_path / "images"}, read="dicom", slices=None)
    assert errors(result) == []
    assert sorted(Manifest.read(result.root).values("class").values()) == ["normal", "odd"]


APART, TOGETHER = (unicodedata.normalize(form, "Rücken") for form in ("NFD", "NFC"))


@pytest.mark.parametrize(("stated", "there"), [(APART, TOGETHER), (TOGETHER, APART)])
def test_names_that_differ_only_in_unicode_form_match(stated, there, tmp_path):
    found = match([f"a/{stated}.png"], Pictures([f"a/{there}.png", f"b/{there}.png"]))
    assert found.pictures == {f"a/{stated}.png": f"a/{there}.png"}
    write_picture(tmp_path / "images" / there / f"{there}.png")
    write_image(tmp_path / "masks" / stated / f"{stated}_{APART}.png", region((0, 2), (0, 2)))
    write_annotations("voc", [Annotation(f"{stated}.png", (Box(stated, 1, 1, 5, 4),))], tmp_path / "voc")
    (tmp_path / "t.csv").write_text(f"image,who\n{stated}.png,{stated}\n")
    result = built(
        tmp_path,
        {"format": "mask", "path": tmp_path / "masks", "labels": ["disc"], "pattern": f"{{stem}}_{TOGETHER}"},
        {"format": "voc", "path": tmp_path / "voc", "labels": [there]},
        {"format": "table", "path": tmp_path / "t.csv", "patient": "who"},
        {"format": "folders", "path": tmp_path / "images", "labels": [stated]},
    )
    assert errors(result) == []
    manifest = Manifest.read(result.root)
    assert len(manifest.boxes) == 1
    assert manifest.images["mask_sha256"][0]
    assert manifest.images["patient"].tolist() == [TOGETHER]
    assert list(manifest.values("class").values()) == [stated]


def test_a_patient_is_one_however_his_accents_are_written(tmp_path):
    for seed, name in enumerate((APART, TOGETHER)):
        write_picture(tmp_path / "images" / name / f"{seed}.png", seed)
    assert Manifest.read(built(tmp_path, patient="(.+)/").root).images["patient"].nunique() == 1


@pytest.mark.parametrize("raw", ["nan", "NaN", "inf", "-inf", "1_0", "", "0x4", "four", "٤", "1e999"])
def test_what_is_no_number_is_below_no_threshold(raw):
    with pytest.raises(ValueError, match="not a"):
        Target(of="grade", at_least=4)(raw)


def test_a_threshold_is_finite_and_holds_for_numbers():
    grade = Target(of="grade", at_least=4)
    for others in ({}, {"values": {"1": "low"}}):
        with pytest.raises(ValueError, match="has labels, which are those below and from `at_least` on"):
            Target(of="grade", labels=("low", "high"), **others)
    assert [grade(raw) for raw in ("3.9", "4", "4e0", " 5 ", "-7")] == ["negative", *["positive"] * 3, "negative"]
    for wrong in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="finite"):
            Target(of="grade", at_least=wrong)
        with pytest.raises(ValueError):
            CropSettings(label="disc", grow=wrong)


@pytest.mark.parametrize("raw", ["nan", "NaN", "inf", "-Inf", "Infinity"])
def test_what_programs_write_for_no_number_is_no_class(raw):
    with pytest.raises(ValueError, match="no class"):
        Target(of="grade")(raw)
    assert Target(of="grade", values={raw: "unknown"})(raw) == "unknown"
    assert Target(of="grade")("nanometre") == "nanometre"


def test_grades_that_are_no_numbers_are_listed(tmp_path):
    grades = ["4", "nan", "inf", "1_0", "2"]
    for number, _ in enumerate(grades):
        write_picture(tmp_path / "images" / f"{number}.png", number)
    rows = [f"{number}.png,{grade}" for number, grade in enumerate(grades)]
    (tmp_path / "t.csv").write_text("\n".join(["image,grade", *rows]) + "\n")
    table = {"format": "table", "path": tmp_path / "t.csv", "targets": ["grade"]}
    result = built(tmp_path, table, targets={"high": {"of": "grade", "at_least": 3}})
    assert Manifest.read(result.root).values("high") == {"s_0": "positive", "s_4": "negative"}
    assert [one.path.partition(": ")[2] for one in errors(result)] == ["line 4: grade", "line 5: grade"]
    told = [one.reason for one in result.problems if one.severity == "warning" and one.path.endswith("line 3")]
    assert told == ["tells 'grade' as NaN"]  # not known, as an empty cell


def _listed(root):
    return pd.read_csv(root / "out.build" / "problems.csv", dtype=str, keep_default_na=False)


def test_problems_are_listed_however_a_build_ends(tmp_path, monkeypatch):
    write_picture(tmp_path / "images" / "x.png")
    built(tmp_path, patient="(.+)")
    assert len(_listed(tmp_path)) == 0
    (tmp_path / "images" / "bad.png").write_bytes(b"")
    for error in (KeyboardInterrupt, RuntimeError("a defect of ours"), MemoryError):
        (tmp_path / "out.build" / "problems.csv").unlink()
        monkeypatch.setattr("spine.intake.records.Records.manifest", lambda self, error=error: _raise(error))
        with pytest.raises(error if isinstance(error, type) else type(error)):
            built(tmp_path, patient="(.+)")
        assert _listed(tmp_path)["path"].tolist() == [str(tmp_path / "images" / "bad.png")]


def _raise(error):
    raise error


def test_whatever_is_met_at_one_picture_is_a_problem_of_it(tmp_path, monkeypatch):
    for name in "xy":
        write_picture(tmp_path / "images" / f"{name}.png", ord(name))
    whole = sources.merge
    odd = ZeroDivisionError("odd")
    monkeypatch.setattr(sources, "merge", lambda at, *rest: _raise(odd) if "x.png" in at else whole(at, *rest))
    result = built(tmp_path)
    assert [(problem.path, problem.reason) for problem in errors(result)] == [
        (str(tmp_path / "images" / "x.png"), "cannot be read (ZeroDivisionError: odd)")
    ]
    assert Manifest.read(result.root).images["sample"].tolist() == ["s_y"]


def _slow_build(root, ready, go):
    read = sources.merge

    def slowly(*given):
        ready.set()
        go.wait(20)
        return read(*given)

    sources.merge = slowly  # of this process alone
    build(config(root))


def test_of_two_first_builds_one_wins_and_the_other_says_so(tmp_path):
    write_picture(tmp_path / "images" / "x.png")
    spawn = multiprocessing.get_context("fork")
    ready, go = spawn.Event(), spawn.Event()
    other = spawn.Process(target=_slow_build, args=(tmp_path, ready, go))
    other.start()
    try:
        assert ready.wait(20)
        with pytest.raises(SpineError, match=r"out is being written by process \d+"):
            built(tmp_path)
    finally:
        go.set()
        other.join(20)
    assert other.exitcode == 0
    assert built(tmp_path).skipped


def test_what_a_killed_build_left_is_removed_by_the_next(tmp_path):
    write_picture(tmp_path / "images" / "x.png")
    spawn = multiprocessing.get_context("fork")
    ready, go = spawn.Event(), spawn.Event()
    other = spawn.Process(target=_slow_build, args=(tmp_path, ready, go))
    other.start()
    assert ready.wait(20)
    other.kill()
    other.join(20)
    assert list(tmp_path.glob(".out.*.tmp"))
    time.sleep(0.01)
    built(tmp_path)
    assert list(tmp_path.glob(".out.*.tmp")) == []
