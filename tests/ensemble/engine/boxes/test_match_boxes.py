"""The compiled matching against `match_images`, and so against pycocotools."""

import numpy as np
import pytest

from ensemble.engine.boxes.box_rows import BoxRows
from ensemble.engine.boxes.match_boxes import Matcher
from spine.dataset.truth import BoxTruth
from spine.metrics.detection import METRICS
from spine.metrics.matches import AREAS, IOUS, match_images
from tests.ensemble.engine.boxes.test_box_rows import detections_of
from tests.ensemble.test_fuse_boxes import NOTHING, random_detections


def random_truth(random, images: int, classes: int = 2) -> BoxTruth:
    """True boxes of images of 60 x 90 pixels, some small; every fourth image is background."""
    boxes, labels = [], []
    for number in range(images):
        found = NOTHING if number % 4 == 3 else random_detections(random, most=8, classes=classes)
        boxes.append(found.in_pixels(60, 90).round().astype(np.float32))
        labels.append(found.classes)
    names = tuple(f"image{number}" for number in range(images))
    sizes = ((60, 90),) * images
    return BoxTruth(("disc", "canal")[:classes], names, names, (), sizes, tuple(boxes), tuple(labels))


@pytest.mark.parametrize("seed", range(12))
def test_matches_are_those_of_pycocotools(seed):
    random = np.random.default_rng(seed)
    truth = random_truth(random, 8)
    members = {name: [random_detections(random, most=20, coarse=seed % 2 == 1) for _ in range(8)] for name in "ab"}
    found = BoxRows.from_members(members, 8).fused(np.array([0.6, 0.4]), 0.55)
    fast = Matcher.of_truth(truth, IOUS, tuple(AREAS)).match(found)
    slow = match_images(truth, detections_of(found))
    assert (fast.size, fast.areas, fast.ious) == (slow.size, slow.areas, slow.ious)
    np.testing.assert_array_equal(fast.truths, slow.truths)
    for label in (0, 1):
        mine, theirs = np.flatnonzero(fast.classes == label), np.flatnonzero(slow.classes == label)
        for name in ("images", "ranks", "scores", "right", "wrong"):
            np.testing.assert_array_equal(getattr(fast, name)[..., mine], getattr(slow, name)[..., theirs])
    for name, metric in METRICS.items():
        np.testing.assert_array_equal(metric.function(fast), metric.function(slow), err_msg=name)


def test_of_more_than_a_hundred_boxes_of_a_class_the_best_count():
    random = np.random.default_rng(0)
    truth = random_truth(random, 1, classes=1)
    corners = random.uniform(0, 0.5, (150, 2))
    many = np.concatenate([corners, corners + random.uniform(0.1, 0.4, (150, 2))], axis=1)
    crowd = type(NOTHING).from_arrays(many, random.uniform(0.1, 1, 150), np.ones(150))
    found = BoxRows.from_members({"a": [crowd]}, 1).fused(np.array([1.0]), 0.95)
    fast = Matcher.of_truth(truth, IOUS, ("all",)).match(found)
    slow = match_images(truth, detections_of(found), areas=("all",))
    assert len(fast.scores) == len(slow.scores) == 100
    np.testing.assert_array_equal(fast.right, slow.right)
