"""The cervical phantom: boxes as large as what is drawn, in files that the intake reads, and signs that can be seen."""

import numpy as np
import pandas as pd
import pydicom
import pytest

from spine.annotations import read_annotations
from spine.core.files import hash_directory
from spine.core.strict import validate
from spine.dataset.manifest import Manifest
from spine.intake.build import build
from spine.intake.config import DataConfig
from spine.phantom import CervicalSettings, generate
from spine.phantom.canvas import Plane
from spine.phantom.cervical.paint import BODY, CANAL, CORD, DISC, LESION, paint_sagittal
from spine.phantom.cervical.patient import LEVELS, draw_patient
from spine.phantom.sequences import SEQUENCES

SMALL = CervicalSettings(
    kind="cervical", patients=6, seed=5, size=(128, 160), slices=(3,), disc=0.6, injury=0.6, t1=0.5, difficulty=0.5
)
PLANE = Plane((256, 220), 0.9, (110.0, 255.0))


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    return generate(SMALL, tmp_path_factory.mktemp("cervical") / "small")


def patient_with(seed: int = 0, **settings):
    known = {"kind": "cervical", "difficulty": 0.0, "disc": 0.0, "injury": 0.0} | settings
    return draw_patient("p", np.random.default_rng(seed), CervicalSettings.model_validate(known))


def test_equal_settings_give_equal_bytes_and_fewer_patients_the_same_ones(phantom, tmp_path):
    fewer = generate(SMALL.model_copy(update={"patients": 2}), tmp_path / "fewer")
    for patient in ("ph001", "ph002"):
        assert hash_directory(fewer / "images" / patient) == hash_directory(phantom / "images" / patient)
    again = generate(SMALL.model_copy(update={"patients": 2}), tmp_path / "again")
    assert hash_directory(again) == hash_directory(fewer)


def test_boxes_are_of_what_the_patients_have(phantom):
    patients = pd.read_csv(phantom / "patients.csv", dtype=str, keep_default_na=False).set_index("patient_id")
    voc = read_annotations("voc", phantom / "boxes")
    cord = read_annotations("labelme", phantom / "cord")
    assert voc.problems == cord.problems == ()
    assert voc.annotations
    assert cord.annotations
    for annotation in voc.annotations:
        truth = patients.loc[annotation.image.split("/")[0]]
        for box in annotation.boxes:
            told = {"disc": box.level, "injury": box.values.get("type")}[box.label]
            assert told == truth[{"disc": "disc", "injury": "cord"}[box.label]]
    injuries = {
        (one.image, box.values["type"], box.x0, box.y0, box.x1, box.y1)
        for one in voc.annotations
        for box in one.boxes
        if box.label == "injury"
    }
    assert injuries == {
        (one.image, box.label, box.x0, box.y0, box.x1, box.y1) for one in cord.annotations for box in one.boxes
    }


def test_the_headers_tell_a_sagittal_neck(phantom):
    files = sorted(phantom.glob("images/*/*/*.dcm"))
    for file in files:
        header = pydicom.dcmread(file, stop_before_pixels=True)
        normal = np.cross(header.ImageOrientationPatient[:3], header.ImageOrientationPatient[3:])
        assert (header.BodyPartExamined, np.argmax(np.abs(normal))) == ("CSPINE", 0)
    assert {file.parent.name for file in files} == {"t1", "t2"}


def test_every_level_from_c2_is_seen_and_the_cord_lies_in_the_canal():
    _, instances = paint_sagittal(patient_with(), PLANE, 0.0, SEQUENCES["t2"])
    assert {BODY + i for i, name in enumerate(LEVELS) if name.startswith("C")} <= set(np.unique(instances))
    rows = np.arange(90, 200)
    for row in rows:
        canal, cord = (np.flatnonzero(instances[row] == value) for value in (CANAL, CORD))
        assert canal.min() < cord.min() <= cord.max() < canal.max()
    neck = [i for i, name in enumerate(LEVELS) if name.startswith("C")]
    tops = [np.flatnonzero((instances == BODY + i).any(axis=1)).min() for i in neck]
    assert (np.diff(tops) < 0).all()  # lowest first


@pytest.mark.parametrize(("sequence", "sign"), [("t2", -1), ("t1", 1)])
def test_blood_is_dark_on_t2w_and_bright_on_t1w(sequence, sign):
    seeds = (seed for seed in range(40) if patient_with(seed, injury=1.0).lesion.kind == "hemorrhagic")
    signal, instances = paint_sagittal(patient_with(next(seeds), injury=1.0), PLANE, 0.0, SEQUENCES[sequence])
    cord = np.median(signal[instances == CORD])
    darkest, brightest = np.percentile(signal[instances == LESION], (10, 90))
    assert (brightest if sign > 0 else -darkest) > sign * cord + 0.2


def test_edema_is_bright_on_t2w_in_the_middle_and_gone_beside_it():
    seeds = (seed for seed in range(40) if patient_with(seed, injury=1.0).lesion.kind == "edematous")
    patient = patient_with(next(seeds), injury=1.0)
    signal, instances = paint_sagittal(patient, PLANE, 0.0, SEQUENCES["t2"])
    assert np.median(signal[instances == LESION]) > 1.2 * np.median(signal[instances == CORD])
    _, beside = paint_sagittal(patient, PLANE, 9.0, SEQUENCES["t2"])
    assert not (beside == LESION).any()


def test_an_injured_disc_reaches_further_back_than_the_same_disc_whole():
    patient = patient_with(3, disc=1.0)
    (injured,) = (i for i, disc in enumerate(patient.discs) if disc.injured)
    whole = patient_with(3)
    depth = [
        np.ptp(np.flatnonzero((paint_sagittal(one, PLANE, 0.0, SEQUENCES["t2"])[1] == DISC + injured).any(axis=0)))
        for one in (patient, whole)
    ]
    assert depth[0] > depth[1] + 1


@pytest.mark.parametrize(("form", "folder"), [("voc", "boxes"), ("labelme", "cord")])
def test_the_ordinary_intake_reads_it(phantom, tmp_path, form, folder):
    source = {
        "name": "neck",
        "images": str(phantom / "images"),
        "read": "dicom",
        "slices": None,
        "annotations": [{"format": form, "path": str(phantom / folder)}],
        "unnamed": "background",
    }
    splits = {"train": 0.5, "validation": 0.25, "test": 0.25}
    raw = {"name": "neck", "output": str(tmp_path / "built"), "sources": [source], "splits": splits}
    built = build(validate(DataConfig, raw, "config"))
    assert built.problems == []
    manifest = Manifest.read(built.root)
    assert len(manifest.images) == len(list(phantom.glob("images/*/*/*.dcm")))
    assert len(manifest.boxes) == sum(len(one.boxes) for one in read_annotations(form, phantom / folder).annotations)
