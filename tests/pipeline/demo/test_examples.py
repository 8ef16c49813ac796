"""The generated picture that the page shows where none is at hand is of the kind that the model learned from."""

from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest

from pipeline.demo.examples import example_of
from pipeline.experiments import load_experiment
from spine.answers.description import Description
from spine.core.files import read_json
from spine.images.pictures import read_picture
from spine.intake.config import load_data_config

PHANTOM = Path("configs/papers/phantom")
PARTS = (
    *("tapkir_classification", "levan2020_transfer", "levan2020_detection"),
    *("ma2020_detection", "sci2024_detection", "sayed2025_classification", "sayed2025_segmentation"),
)


def described(part):
    experiment = load_experiment(PHANTOM / f"{part}.yaml")
    target = getattr(experiment, "target", None) or ""
    return Description.of_task(experiment.name, experiment.task, tuple(experiment.labels), target)


@pytest.mark.parametrize("part", PARTS)
def test_the_example_of_a_pack_is_of_the_kind_that_its_data_are(part, tmp_path):
    example_of(tmp_path, described(part))
    shown = read_json(tmp_path / "phantom" / "phantom.json", "")["settings"].get("kind", "lumbar")
    build = load_experiment(PHANTOM / f"{part}.yaml").build
    if part.startswith("sayed"):  # crops of phantom studies, which another data config generates
        build = Path("configs/data/plid_phantom_boxes.yaml")
    assert shown == load_data_config(build).phantom.settings.kind


def test_a_fracture_is_shown_as_a_whole_slice_of_ct_with_its_class(tmp_path):
    path, box = example_of(tmp_path, described("tapkir_classification"), sees_boxes=True)
    assert path.parent.name == "Abnormal"
    assert box is None
    assert cv2.imread(str(path), cv2.IMREAD_UNCHANGED).shape[0] == 256


def test_a_neck_is_shown_as_the_slice_in_which_its_lesion_is_drawn(tmp_path):
    path, _ = example_of(tmp_path, described("ma2020_detection"))
    assert pydicom.dcmread(path).BodyPartExamined == "CSPINE"
    boxes = tmp_path / "phantom" / "boxes" / path.relative_to(tmp_path / "phantom" / "images").with_suffix(".xml")
    assert "<name>injury</name>" in boxes.read_text()


def test_an_implant_is_shown_whole_to_detectors_and_as_the_spine_to_classifiers(tmp_path):
    whole, _ = example_of(tmp_path / "detection", described("levan2020_detection"))
    assert pydicom.dcmread(whole).Modality == "CR"
    transfer = described("levan2020_transfer")
    cut, _ = example_of(tmp_path / "cut", transfer)
    asked, box = example_of(tmp_path / "box", transfer, sees_boxes=True)
    picture, crop = read_picture(asked, "picture").pixels, read_picture(cut, "crop").pixels
    x0, y0, x1, y1 = box
    assert crop.shape[0] < picture.shape[0]
    assert crop.shape[1] == pytest.approx(1.1 * (x1 - x0), abs=2)  # grown by a tenth
    inside = picture[round(y0) : round(y1), round(x0) : round(x1)]
    assert inside.max() == crop.max() == np.max(picture)  # the metal


def test_a_model_whose_names_tell_nothing_is_shown_a_lumbar_study(tmp_path):
    example_of(tmp_path, Description.of_task("own", "detection", ("disc", "thing"), ""))
    assert "kind" not in read_json(tmp_path / "phantom" / "phantom.json", "")["settings"]
