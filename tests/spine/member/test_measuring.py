"""Measurements of boxes, kept in a folder for all who ask for them."""

import numpy as np
import pytest

from spine.dataset.truth import Region
from spine.member.measuring import keeping, measure_regions

BOXES = np.array([[0, 0, 0.5, 1], [0.5, 0, 1, 1], [0.2, 0.1, 0.4, 0.9]], np.float32)


@pytest.fixture
def pictures(tmp_path):
    paths = [tmp_path / "one.png", tmp_path / "two.png"]
    for path in paths:
        path.write_bytes(path.name.encode())
    return paths


class Counting:
    """Measures the corners of boxes, and says how many it was asked for each time."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def __call__(self, picture, boxes):
        self.asked.append((picture.name, len(boxes)))
        return np.concatenate([boxes, np.full((len(boxes), 1), np.nan, np.float32)], axis=1)


def test_a_box_is_measured_once_whoever_asks(pictures, tmp_path):
    measure = Counting()
    one = keeping(tmp_path / "kept", measure)
    expected = np.concatenate([BOXES, np.full((3, 1), np.nan, np.float32)], axis=1)
    np.testing.assert_array_equal(one(pictures[0], BOXES[:2]), expected[:2])
    other = keeping(tmp_path / "kept", measure)  # as of another process, with a box more and one that repeats
    np.testing.assert_array_equal(other(pictures[0], BOXES[[2, 0, 2]]), expected[[2, 0, 2]])
    np.testing.assert_array_equal(other(pictures[1], BOXES[:1]), expected[:1])
    one(pictures[0], BOXES)
    assert measure.asked == [("one.png", 2), ("one.png", 1), ("two.png", 1)]


def test_a_picture_that_changed_and_a_file_that_is_damaged_are_measured_again(pictures, tmp_path):
    measure = Counting()
    kept = keeping(tmp_path / "kept", measure)
    kept(pictures[0], BOXES)
    pictures[0].write_bytes(b"another")
    kept(pictures[0], BOXES)
    assert len(measure.asked) == 2
    for content in (b"", b"PK\x03\x04 half", b"no arrays"):
        for file in (tmp_path / "kept").iterdir():
            file.write_bytes(content)
        kept(pictures[0], BOXES)
    assert len(measure.asked) == 5


def test_regions_are_measured_a_picture_at_a_time_in_their_order(pictures):
    measure = Counting()
    regions = [Region(pictures[number % 2], tuple(box)) for number, box in enumerate(BOXES.tolist())]
    found = measure_regions(regions, measure)
    np.testing.assert_array_equal(found[:, :4], BOXES)
    assert measure.asked == [("one.png", 2), ("two.png", 1)]
