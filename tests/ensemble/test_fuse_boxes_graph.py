"""The graph's weighted boxes fusion against `fuse_boxes`, and so against the library."""

import numpy as np
import pytest
import tensorflow as tf

from ensemble.fusion.fuse_boxes import BoxFusion, fuse_boxes
from ensemble.fusion.fuse_boxes_graph import fuse_boxes_in_graph
from spine.dataset.detections import Detections
from tests.ensemble.test_fuse_boxes import NOTHING, random_detections


def as_outputs(images: list[Detections], places: int) -> dict[str, tf.Tensor]:
    """A detector's outputs for those images, padded to `places` rows."""
    outputs = {
        "detection_boxes": np.zeros((len(images), places, 4), np.float32),
        "detection_scores": np.zeros((len(images), places), np.float32),
        "detection_classes": np.zeros((len(images), places), np.float32),
        "num_detections": np.array([len(image) for image in images], np.float32),
    }
    for number, image in enumerate(images):
        for name in ("boxes", "scores", "classes"):
            outputs[f"detection_{name}"][number, : len(image)] = getattr(image, name)
    return {name: tf.constant(values) for name, values in outputs.items()}


def require_parity(members: list[list[Detections]], weights: list[float], fusion: BoxFusion, atol: float = 1e-6):
    """Both rules on `members`' detections of the same images."""
    fuse = tf.function(lambda outputs: fuse_boxes_in_graph(outputs, weights, fusion))
    fused = fuse([as_outputs(images, 3 + max(map(len, images))) for images in members])
    fused = {name: values.numpy() for name, values in fused.items()}
    for number, images in enumerate(zip(*members, strict=True)):
        expected, found = fuse_boxes(images, weights, fusion), Detections.from_outputs(fused, number)
        assert len(found) == len(expected)
        np.testing.assert_allclose(found.boxes, expected.boxes, atol=atol)
        np.testing.assert_allclose(found.scores, expected.scores, atol=atol)
        np.testing.assert_array_equal(found.classes, expected.classes)
        for name in ("detection_boxes", "detection_scores", "detection_classes"):
            assert not fused[name][number, len(found) :].any()


@pytest.mark.parametrize("seed", range(6))
def test_it_is_the_rule_s_on_batches_of_random_images(seed):
    random = np.random.default_rng(seed)
    count = 1 + seed % 4
    members = [[random_detections(random, coarse=seed % 2 == 1) for _ in range(5)] for _ in range(count)]
    weights = random.integers(1, 4, count) / 10
    require_parity(members, weights.tolist(), BoxFusion((0.3, 0.55, 0.7)[seed % 3], (0.0, 0.3)[seed % 2]))


def test_sure_detectors_whose_scores_are_all_one():
    random = np.random.default_rng(0)
    members = [[random_detections(random) for _ in range(4)] for _ in range(2)]
    sure = [[Detections(one.boxes, np.ones_like(one.scores), one.classes) for one in images] for images in members]
    require_parity(sure, [0.5, 0.5], BoxFusion())


def test_images_in_which_nobody_finds_anything():
    require_parity([[NOTHING, NOTHING], [NOTHING, NOTHING]], [0.5, 0.5], BoxFusion())
    random = np.random.default_rng(1)
    require_parity([[NOTHING, random_detections(random)], [NOTHING, NOTHING]], [0.5, 0.5], BoxFusion())


def test_its_rows_are_as_many_as_the_members_together():
    outputs = [as_outputs([NOTHING], 3), as_outputs([NOTHING], 4)]
    fused = fuse_boxes_in_graph(outputs, [0.5, 0.5], BoxFusion())
    assert fused["detection_boxes"].shape == (1, 7, 4)
    assert fused["num_detections"].dtype == tf.float32
