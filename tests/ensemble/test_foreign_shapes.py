"""What `write_foreign` is given: compared sample by sample before anything is published."""

import numpy as np
import pytest

from spine.core.problems import SpineError
from spine.dataset.detections import Detections
from spine.experiment.foreign import read_samples, write_foreign
from spine.member.member import Member
from tests.detection_on_disk import write_detection_experiment
from tests.ensemble.test_foreign_members import with_foreign
from tests.experiment_on_disk import write_experiment, write_segmentation_experiment

NOTHING = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))


@pytest.fixture
def classes(tmp_path):
    return with_foreign(write_experiment(tmp_path, members=("vgg",)), "theirs")


@pytest.fixture
def masks(tmp_path):
    return with_foreign(write_segmentation_experiment(tmp_path, members=("unet",)), "theirs")


@pytest.fixture
def boxes(tmp_path):
    return with_foreign(write_detection_experiment(tmp_path, members=("one",)), "theirs")


def uniform(experiment, split):
    truth = read_samples(experiment, split)
    return [np.full((*size, len(truth.labels)), 1 / len(truth.labels), np.float32) for size in truth.sizes]


def refused(experiment, said, words):
    with pytest.raises(SpineError, match=words) as caught:
        write_foreign(experiment, "theirs", said)
    assert not experiment.member_directory("theirs").exists() or not list(
        experiment.member_directory("theirs").rglob("*.npy")
    )
    return str(caught.value)


ROWS = {
    "turned": (lambda rows: rows.T, r"shape \(2, 60\) were given; the dataset asks for \(60, 2\)"),
    "a row less": (lambda rows: rows[1:], r"asks for \(60, 2\)"),
    "the positive class alone": (lambda rows: rows[:, 1], r"shape \(60,\)"),
    "an axis more": (lambda rows: rows[None], r"shape \(1, 60, 2\)"),
    "the same numbers in another shape": (lambda rows: rows.reshape(30, 4), r"shape \(30, 4\)"),
    "logits": (lambda rows: rows * 8 - 2, "no probabilities"),
    "NaN": (lambda rows: rows * np.nan, "NaN or infinity"),
    "complex": (lambda rows: rows + 0j, "complex128"),
    "text": (lambda rows: rows.astype(str), "<U"),
    "whole numbers": (lambda rows: np.eye(2, dtype=int)[np.zeros(60, int)], "int64"),
    "rows of several lengths": (lambda rows: [[0.5, 0.5], [1.0]] * 30, "no array|object"),
}


@pytest.mark.parametrize(("change", "words"), ROWS.values(), ids=ROWS)
def test_of_classification(classes, change, words):
    told = refused(classes, {"test": change(np.full((60, 2), 0.5))}, words)
    assert told.startswith("test: ")


def test_lists_and_generators_of_rows_are_arrays_too(classes):
    rows = np.full((60, 2), 0.5)
    for said in (rows.tolist(), (row for row in rows), rows.astype(np.float16)):
        assert len(write_foreign(classes, "theirs", {"test": said}).predictions("test").values) == 60


def test_a_second_split_that_does_not_hold_leaves_the_first_unpublished(classes):
    before = np.full((48, 2), 0.5)
    write_foreign(classes, "theirs", {"validation": before})
    with pytest.raises(SpineError, match="test: "):
        write_foreign(classes, "theirs", {"validation": np.tile([0.9, 0.1], (48, 1)), "test": np.zeros((60, 2))})
    kept = Member.open(classes.member_directory("theirs")).predictions("validation")
    np.testing.assert_array_equal(kept.values, before)


MAPS = {
    "width before height": (
        lambda maps: [one.transpose(1, 0, 2) for one in maps],
        r"is \(20, 24, 4\); .*\(24, 20, 4\)",
    ),
    "classes first": (lambda maps: [one.transpose(2, 0, 1) for one in maps], r"is \(4, 24, 20\)"),
    "all pixels of all pictures": (lambda maps: np.concatenate([x.reshape(-1, 4) for x in maps]), r"is \(4,\)"),
    "a map less": (lambda maps: maps[1:], r"is \(30, 26, 4\)"),
    "the last map left out": (lambda maps: maps[:-1], "11 maps were given; the dataset has 12"),
    "a map more": (lambda maps: [*maps, maps[0]], "more maps than the 12"),
    "none": (lambda maps: [], "0 maps"),
    "a class less": (lambda maps: [one[..., :3] for one in maps], r"is \(24, 20, 3\)"),
    "masks": (lambda maps: [one.argmax(axis=2) for one in maps], r"is \(24, 20\)"),
    "logits": (lambda maps: [one * 8 for one in maps], "no probabilities"),
    "NaN in the last": (lambda maps: [*maps[:-1], maps[-1] * np.nan], "test05-1 holds NaN"),
    "complex": (lambda maps: [one + 0j for one in maps], "complex"),
}


@pytest.mark.parametrize(("change", "words"), MAPS.values(), ids=MAPS)
def test_of_segmentation(masks, change, words):
    refused(masks, {"test": change(uniform(masks, "test"))}, words)


BOXES = {
    "an image less": (lambda found: found[1:], "detections of 7 images were given; the index has 8"),
    "an image more": (lambda found: [*found, NOTHING], "9 images"),
    "arrays": (lambda found: [np.zeros((0, 4))] * 8, "ndarray was given"),
    "none": (lambda found: [None] * 8, "NoneType was given"),
    "a class too high": (
        lambda found: [*found[:-1], Detections.from_arrays(np.zeros((1, 4)), np.array([0.5]), np.array([3]))],
        "test03-1 holds class 3",
    ),
}


@pytest.mark.parametrize(("change", "words"), BOXES.values(), ids=BOXES)
def test_of_detection(boxes, change, words):
    refused(boxes, {"test": change([NOTHING] * 8)}, words)


def test_a_text_is_no_list_of_patients(classes):
    with pytest.raises(SpineError, match="trained is the text 'p1'"):
        write_foreign(classes, "theirs", {"test": np.full((60, 2), 0.5)}, trained="p1")
