"""Crops of a detector's boxes, and what imperfect detection costs."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from spine.core.privacy import patient_hash, salt_id
from spine.core.problems import SpineError
from spine.dataset.detections import Detections
from spine.dataset.manifest import Manifest
from spine.images.pictures import read_mask, read_picture
from spine.intake import DataConfig, build, detection_counts, detection_table
from spine.intake.crop import CropSettings
from spine.intake.detected import COUNTS, Detected, detect_boxes
from spine.member.member import Member, Patients
from tests.bright_detector import write_detector
from tests.spine.dataset_on_disk import write_dataset

LOWER, UPPER, EXTRA = 60000, 40000, 20000  # the greys of what the detectors find
DISC = {LOWER: (0.8, 1.1, 0.9, 1), UPPER: (0.5, 0.8, 0.6, 1), EXTRA: (0.2, 0.5, 0.3, 1)}


def picture(*things):
    pixels = np.full((40, 60), 1000, np.uint16)
    for grey, (x0, y0, x1, y1) in things:
        pixels[y0:y1, x0:x1] = grey
    return pixels


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Patient p: both discs where the truth has them, and something else; q: the upper disc is too dark to be found."""
    low, high = (10, 25, 30, 35), (10, 5, 30, 15)
    mask = np.zeros((40, 60), np.uint8)
    mask[27:33, 12:28] = 1
    return write_dataset(
        tmp_path_factory.mktemp("data") / "whole",
        {
            "a": picture((LOWER, low), (UPPER, high), (EXTRA, (45, 20, 55, 24))),
            "b": picture((LOWER, (10, 25, 30, 33))),
        },
        masks={"a": mask},
        mask_labels=["disc"],
        boxes=[
            ("a", "0", "disc", *map(float, low), "1"),
            ("a", "1", "disc", *map(float, high), "2"),
            ("b", "0", "disc", *map(float, low), "1"),
            ("b", "1", "disc", *map(float, high), "2"),
        ],
        labels=[("a", "0", "grade", "4"), ("a", "1", "grade", "1"), ("b", "0", "grade", "2"), ("b", "1", "grade", "3")],
        splits=[("a", "train", ""), ("b", "test", "")],
        patient={"a": "p", "b": "q"},
    )


@pytest.fixture(scope="module")
def member(tmp_path_factory):
    return write_detector(tmp_path_factory.mktemp("runs") / "d", ["disc"], *DISC.values())


@pytest.fixture
def detector(member):
    seen = Patients(salt=salt_id(), trained=(patient_hash("q"),))  # a test has a salt of its own
    return Member.publish(member.path, member.card.model_copy(update={"patients": seen})).path


def crop(dataset, output, detector, **changes):
    settings = {"label": "disc", "grow": 0, "detector": detector, **changes}
    return DataConfig.model_validate({"name": "crops", "output": output, "dataset": dataset.root, "crop": settings})


def test_levels_are_counted_from_below_class_by_class():
    boxes = np.array([[0.1, 0, 0.2, 1], [0.7, 0, 0.9, 1], [0.4, 0, 0.6, 1], [0.8, 0, 0.9, 1]], np.float32)
    found = Detections(boxes, np.array([0.9, 0.8, 0.7, 0.6], np.float32), np.array([1, 1, 1, 2]))
    assert found.levels().tolist() == [3, 1, 2, 1]
    assert found.take(slice(0)).levels().tolist() == []


def test_each_detected_box_is_the_true_one_that_it_overlaps(dataset, detector):
    detected, _ = detect_boxes(dataset, CropSettings(label="disc", detector=detector))
    found = detected.boxes
    assert found["sample"].tolist() == ["a", "a", "a", "b"]
    assert found["box"].tolist() == ["0", "1", "", "0"]
    assert found["level"].tolist() == ["1", "2", "2", "1"]
    assert found["number"].tolist() == [1, 3, 2, 1]  # the extra box lies between the discs: the upper is counted third
    assert found[["x0", "y0", "x1", "y1"]].to_numpy()[0].tolist() == pytest.approx([10, 25, 30, 35], abs=1e-4)
    assert found["iou"].tolist() == pytest.approx([1, 1, np.nan, 8 / 10], abs=1e-5, nan_ok=True)


def test_the_cost_is_counted_split_by_split(dataset, detector):
    detected, problems = detect_boxes(dataset, CropSettings(label="disc", detector=detector))
    expected = {
        #        pictures true detected matched missed unmatched right_level mean_iou
        "train": [1, 2, 3, 2, 0, 1, 1, 1.0],
        "test": [1, 2, 1, 1, 1, 0, 1, 8 / 10],
        "all": [2, 4, 4, 3, 1, 1, 2, (1 + 1 + 0.8) / 3],
    }
    summary = detected.summary()
    assert list(summary.index) == list(expected)
    np.testing.assert_allclose(summary.to_numpy(), list(expected.values()), atol=1e-4)
    assert [problem.reason.partition(":")[0] for problem in problems[:1]] == [
        f"was trained on 1 of the 1 patients of {dataset.root}'s split test"
    ]
    assert [problem.reason for problem in problems[1:]] == [
        "disc: 1 of 4 true boxes were missed, in 1 pictures, such as b",
        "disc: 1 of 4 detected boxes match no true one, in 1 pictures, such as a",
    ]
    assert detected.missed[["sample", "box"]].to_numpy().tolist() == [["b", "1"]]
    assert {problem.severity for problem in problems} == {"warning"}


def test_no_level_is_right_where_none_is_true(dataset, detector):
    unnumbered = replace(dataset, boxes=dataset.boxes.assign(level=""))
    boxes = detect_boxes(dataset, CropSettings(label="disc", detector=detector))[0].boxes
    summary = Detected(unnumbered, "disc", boxes).summary()
    assert summary["matched"].tolist() == [2, 1, 3]
    assert summary["right_level"].tolist() == [0, 0, 0]


def test_levels_may_be_named_by_their_vertebrae(dataset, detector):
    named = replace(dataset, boxes=dataset.boxes.assign(level=dataset.boxes["level"].map({"1": "L5/S1", "2": "L4-5"})))
    boxes = detect_boxes(dataset, CropSettings(label="disc", detector=detector))[0].boxes
    assert Detected(named, "disc", boxes).summary()["right_level"].tolist() == [1, 1, 2]


def test_confidence_and_count_choose_the_best(dataset, detector):
    sure, _ = detect_boxes(dataset, CropSettings(label="disc", detector=detector, confidence=0.5))
    assert sure.boxes["score"].tolist() == pytest.approx([0.9, 0.6, 0.9])
    best, _ = detect_boxes(dataset, CropSettings(label="disc", detector=detector, count=1))
    assert best.boxes["score"].tolist() == pytest.approx([0.9, 0.9])


def test_crops_inherit_what_their_true_box_and_parent_know(dataset, detector, tmp_path):
    result = build(crop(dataset, tmp_path / "crops", detector))
    crops = Manifest.read(tmp_path / "crops")
    assert crops.values("grade") == {"a_disc0": "4", "a_disc1": "1", "b_disc0": "2"}
    assert crops.samples_in("train") == ["a_disc0", "a_disc1", "a_discn2"]
    assert crops.samples_in("test") == ["b_disc0"]
    row = crops.images.set_index("sample").loc["b_disc0"]
    assert (row["parent"], row["level"], row["patient"]) == ("b", "1", "q")
    assert [row[side] for side in ("x0", "y0", "x1", "y1")] == [10, 25, 30, 33]
    pixels = read_picture(crops.image_path("b_disc0"), "b_disc0").pixels
    np.testing.assert_array_equal(pixels, np.full((8, 20), LOWER))
    np.testing.assert_array_equal(read_mask(crops.mask_path("a_disc0")), np.pad(np.ones((6, 16)), 2))
    assert len(pd.read_csv(tmp_path / "crops" / "detections.csv")) == 4
    table = detection_table(result.root)
    assert table is not None
    assert table.row_count == len(COUNTS)
    test = {"true": 2, "detected": 1, "matched": 1, "missed": 1, "unmatched": 0}
    assert detection_counts(result.root, "test") == test
    assert detection_counts(result.root, "validation") is None
    assert pd.read_csv(tmp_path / "crops" / "missed.csv")["sample"].tolist() == ["b"]
    assert len(result.problems) == 3
    assert build(crop(dataset, tmp_path / "crops", detector)).skipped


def test_only_boxes_with_the_required_target_are_kept(dataset, detector, tmp_path):
    build(crop(dataset, tmp_path / "crops", detector, require="grade"))
    assert Manifest.read(tmp_path / "crops").images["sample"].tolist() == ["a_disc0", "a_disc1", "b_disc0"]


def test_true_boxes_are_cropped_without_a_detector(dataset, tmp_path):
    build(crop(dataset, tmp_path / "crops", None))
    crops = Manifest.read(tmp_path / "crops")
    assert crops.images["sample"].tolist() == ["a_disc0", "a_disc1", "b_disc0", "b_disc1"]
    assert crops.samples_in("test") == ["b_disc0", "b_disc1"]
    assert detection_table(crops.root) is None
    assert detection_counts(crops.root, "test") is None


def test_a_detector_that_knows_no_such_label_or_finds_nothing_is_told(dataset, detector, tmp_path):
    with pytest.raises(SpineError, match="has no label 'region'; its labels are disc"):
        detect_boxes(dataset, CropSettings(label="region", detector=detector))
    with pytest.raises(SpineError, match=r"finds no 'disc' with a score of 0.95 or more in 2 pictures"):
        detect_boxes(dataset, CropSettings(label="disc", detector=detector, confidence=0.95))
    with pytest.raises(SpineError, match="is not a member"):
        detect_boxes(dataset, CropSettings(label="disc", detector=tmp_path))


def test_a_dataset_brings_its_own_splits(dataset, tmp_path):
    given = {"name": "crops", "output": tmp_path, "dataset": dataset.root}
    with pytest.raises(ValueError, match="has a dataset and no crop"):
        DataConfig.model_validate(given)
    with pytest.raises(ValueError, match="whose own splits hold; remove splits"):
        DataConfig.model_validate({**given, "crop": {"label": "disc"}, "splits": {"seed": 2}})
    with pytest.raises(ValueError, match="has no sources"):
        DataConfig.model_validate({"name": "crops", "output": tmp_path})
    with pytest.raises(SpineError, match="is the dataset that is cropped"):
        build(crop(dataset, dataset.root, None))
