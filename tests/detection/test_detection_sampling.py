"""Anchors and regions drawn by seed: how many of which kind, and the same ones again."""

import numpy as np
import tensorflow as tf
from official.vision.ops.anchor import Anchor, RpnAnchorLabeler

from detection.config import Parser
from detection.sampling import SeededAnchorLabeler, SeededBoxSampler, balanced

POSITIVE = np.array([True, True, True, False, False, False, False, False])
NEGATIVE = np.array([False, False, False, True, True, True, True, False])  # the last is neither
NOISE = np.array([0.5, 0.1, 0.9, 0.3, 0.2, 0.8, 0.4, 0.0], np.float32)


def drawn(count, fraction):
    return np.flatnonzero(balanced(POSITIVE, NEGATIVE, NOISE, count, fraction)).tolist()


def test_the_candidates_of_the_lowest_noise_are_drawn_and_negatives_fill_up():
    assert drawn(4, 0.5) == [0, 1, 3, 4]  # 2 of the positives, 2 of the negatives
    assert drawn(6, 0.25) == [1, 3, 4, 5, 6]  # int(6 * 0.25) = 1 positive; only 4 negatives are there
    assert drawn(100, 1.0) == [0, 1, 2, 3, 4, 5, 6]  # the ignored one never


def test_rows_of_a_batch_are_drawn_apart():
    both = balanced(np.stack([POSITIVE, ~POSITIVE]), np.stack([NEGATIVE, POSITIVE]), np.stack([NOISE, NOISE]), 2, 0.5)
    assert [np.flatnonzero(row).tolist() for row in both.numpy()] == [[1, 4], [1, 7]]


def labels(labeler, boxes):
    anchors = Anchor(3, 4, 1, [1.0], 3.0, (64, 64)).multilevel_boxes
    boxes = tf.constant(boxes, tf.float32)
    return labeler.label_anchors(anchors, boxes, tf.ones_like(boxes[:, :1]))


def test_where_all_anchors_are_drawn_the_labels_are_model_garden_s():
    parser = Parser(rpn_batch_size_per_im=10_000, rpn_fg_fraction=1.0)
    boxes = [[4.0, 4, 30, 30], [40, 10, 62, 40]]
    ours = labels(SeededAnchorLabeler(tf.constant([1, 2]), parser), boxes)
    theirs = labels(RpnAnchorLabeler(rpn_batch_size_per_im=10_000, rpn_fg_fraction=1.0), boxes)
    for own, other in zip(tf.nest.flatten(ours), tf.nest.flatten(theirs), strict=True):
        np.testing.assert_array_equal(own, other)


def test_few_anchors_are_drawn_and_without_a_box_all_of_them_are_background():
    parser = Parser(rpn_batch_size_per_im=8, rpn_fg_fraction=0.5)
    for boxes, positives in (([[4.0, 4, 30, 30]], 1), (np.zeros((0, 4)), 0)):
        scores, _ = labels(SeededAnchorLabeler(tf.constant([1, 2]), parser), boxes)
        flat = np.concatenate([level.numpy().ravel() for level in scores.values()])
        assert (flat >= 0).sum() == 8
        assert (flat == 1).sum() >= positives
        assert ((flat == 1).sum() == 0) == (positives == 0)


def test_each_step_draws_other_regions_and_the_same_again():
    step = tf.Variable(0, dtype=tf.int64)
    sampler = SeededBoxSampler(3, 0.5, seed=7, step=step)
    matches = (
        tf.constant([[True] * 6 + [False] * 20]),
        tf.constant([[False] * 6 + [True] * 20]),
        tf.zeros([1, 26], bool),
    )
    first = sampler(*matches).numpy()
    step.assign(1)
    second = sampler(*matches).numpy()
    step.assign(0)
    np.testing.assert_array_equal(sampler(*matches), first)
    assert first.shape == (1, 3)
    assert not np.array_equal(first, second)
    assert (first < 6).sum() == int(3 * 0.5)
    assert not sampler.weights  # the step is counted elsewhere
