"""Dice, IoU and rates from counts: by hand, against scikit-learn, and under a bootstrap's weights."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, jaccard_score, precision_score, recall_score

from spine.core.problems import SpineError
from spine.metrics import segmentation
from tests.image_counts import count_images

# Two images, classes 0, 1, 2. In the first, class 1 has 2 of its 3 pixels found and 1 false one; class 2 is absent
# from both masks. In the second, class 1 is absent, class 2 has its only pixel found and 1 false one.
TRUTH = [np.array([[1, 1, 1], [0, 0, 0]]), np.array([[2, 0], [0, 0]])]
CALLED = [np.array([[1, 1, 0], [1, 0, 0]]), np.array([[2, 2], [0, 0]])]
COUNTS = count_images(TRUTH, CALLED, 3)


def score(name, counts=COUNTS, weights=None):
    return segmentation.METRICS[name].function(counts, weights)


def test_counts_are_true_positives_predicted_and_true_pixels():
    assert COUNTS.tolist() == [[[2, 3, 3], [2, 3, 3], [0, 0, 0]], [[2, 2, 3], [0, 0, 0], [1, 2, 1]]]


def test_means_by_hand():
    one, two, background = 2 * 2 / (3 + 3), 2 * 1 / (2 + 1), 2 * (2 + 2) / (5 + 6)
    assert score("dice_foreground") == pytest.approx((one + two) / 2)
    assert score("dice_all") == pytest.approx((one + two + background) / 3)
    assert score("dice_foreground_per_image") == pytest.approx((one + two) / 2)
    assert score("dice_all_per_image") == pytest.approx(((4 / 6 + one) / 2 + (4 / 5 + two) / 2) / 2)
    assert score("iou_foreground") == pytest.approx((2 / 4 + 1 / 2) / 2)
    assert score("iou_all") == pytest.approx((2 / 4 + 1 / 2 + 4 / 7) / 3)
    assert score("pixel_accuracy") == pytest.approx((4 + 3) / (6 + 4))


def test_rates_of_each_class_by_hand():
    assert segmentation.dice(COUNTS) == pytest.approx([8 / 11, 4 / 6, 2 / 3])
    assert segmentation.iou(COUNTS) == pytest.approx([4 / 7, 2 / 4, 1 / 2])
    assert segmentation.precision(COUNTS) == pytest.approx([4 / 5, 2 / 3, 1 / 2])
    assert segmentation.recall(COUNTS) == pytest.approx([4 / 6, 2 / 3, 1 / 1])


def test_a_class_that_occurs_nowhere_is_left_out_and_one_that_is_only_called_counts_as_0():
    empty, one = np.zeros((2, 2), int), np.array([[0, 0], [0, 1]])
    nothing = count_images([empty], [empty], 3)
    assert np.isnan(score("dice_foreground", nothing))
    assert np.isnan(segmentation.dice(nothing)[1:]).all()
    assert score("dice_all", nothing) == 1
    called = count_images([empty, one], [one, one], 3)
    assert score("dice_foreground", called) == pytest.approx(2 * 1 / (2 + 1))
    assert score("dice_foreground_per_image", called) == pytest.approx((0 + 1) / 2)
    assert score("dice_foreground_per_image", np.concatenate([nothing, called])) == pytest.approx((0 + 1) / 2)
    assert np.isnan(score("dice_foreground_per_image", nothing))


def test_pooled_and_per_image_differ_as_they_should():
    large, small = np.ones((1, 8), int), np.ones((1, 2), int)
    counts = count_images([large, small], [large, np.array([[1, 0]])], 2)
    assert score("dice_foreground", counts) == pytest.approx(2 * 9 / (9 + 10))
    assert score("dice_foreground_per_image", counts) == pytest.approx((1 + 2 / 3) / 2)


@pytest.mark.parametrize("seed", range(5))
def test_rates_equal_scikit_learns(seed):
    random = np.random.default_rng(seed)
    truth, called = random.integers(0, 4, (2, 3, 7, 5))
    counts = count_images(truth, called, 4)
    for ours, theirs in (
        (segmentation.dice, f1_score),
        (segmentation.iou, jaccard_score),
        (segmentation.precision, precision_score),
        (segmentation.recall, recall_score),
    ):
        assert ours(counts) == pytest.approx(theirs(truth.ravel(), called.ravel(), average=None))


@pytest.mark.parametrize("name", segmentation.METRICS)
def test_weights_count_images_as_often_as_repeating_them(name):
    random = np.random.default_rng(1)
    counts = count_images(*random.integers(0, 3, (2, 6, 4, 4)), 4)  # class 3 occurs nowhere
    often = random.integers(0, 3, (8, 6))
    repeated = [score(name, np.repeat(counts, row, axis=0)) for row in often]
    assert score(name, counts, often) == pytest.approx(repeated)
    assert score(name, counts, np.ones(6)) == pytest.approx(score(name, counts))
    assert score(name, np.stack([counts, counts[::-1]])) == pytest.approx([score(name, counts)] * 2)


def test_what_does_not_hold_is_refused():
    with pytest.raises(SpineError, match="one shape"):
        segmentation.count(np.zeros((2, 2), int), np.zeros((2, 3), int), 2)
    with pytest.raises(SpineError, match="float64"):
        segmentation.count(np.zeros((2, 2)), np.zeros((2, 2), int), 2)
    with pytest.raises(SpineError, match=r"predicted lies in 0\.\.2"):
        segmentation.count(np.zeros((1, 2), int), np.array([[0, 2]]), 2)
    with pytest.raises(SpineError, match=r"give \(N, C, 3\)"):
        segmentation.dice(np.zeros((4, 3)))
