import numpy as np
import pytest

from segmentation import losses
from segmentation.metrics import DiceForeground, IoUForeground

TRUTH = np.array([[0, 1, 1, 2], [0, 0, 1, -1]])  # -1 has no truth
PREDICTED = np.array([[0, 1, 0, 2], [1, 0, 1, 1]])


def one_hot(classes):
    return (classes[None, ..., None] == np.arange(4)).astype(np.float32)


def test_dice_foreground_counts_pixels_with_truth():
    metric = DiceForeground(4)
    metric.update_state(one_hot(TRUTH), one_hot(PREDICTED))
    first = 2 * 2 / (3 + 3)
    second = 2 * 1 / (1 + 1)
    assert float(metric.result()) == pytest.approx((first + second) / 2)  # the third occurs nowhere


def test_dice_foreground_pools_batches_and_starts_anew():
    metric = DiceForeground(4)
    for row in range(2):
        metric.update_state(one_hot(TRUTH[row : row + 1]), one_hot(PREDICTED[row : row + 1]))
    whole = DiceForeground(4)
    whole.update_state(one_hot(TRUTH), one_hot(PREDICTED))
    assert float(metric.result()) == float(whole.result())
    metric.reset_state()
    assert float(metric.result()) == 0


def test_dice_foreground_counts_a_blended_pixel_as_of_its_greatest_share():
    metric = DiceForeground(4)
    metric.update_state(0.6 * one_hot(TRUTH) + 0.4 * one_hot(TRUTH[::-1]), one_hot(PREDICTED))
    metric_of_greatest = DiceForeground(4)
    metric_of_greatest.update_state(one_hot(TRUTH), one_hot(PREDICTED))
    assert float(metric.result()) == float(metric_of_greatest.result()) > 0.5


def test_iou_foreground_is_of_the_pixels_that_the_dice_has_counted():
    dice = DiceForeground(4)
    iou = IoUForeground(dice)
    for row in range(2):
        for metric in (dice, iou):
            metric.update_state(one_hot(TRUTH[row : row + 1]), one_hot(PREDICTED[row : row + 1]))
    first = 2 / (3 + 3 - 2)
    second = 1 / (1 + 1 - 1)
    assert float(iou.result()) == pytest.approx((first + second) / 2)
    assert iou.variables == []  # counted once, so it costs a few divisions
    iou.reset_state()
    assert float(dice.result()) > 0.5
    dice.reset_state()
    assert float(iou.result()) == 0


def test_both_are_of_one_count_in_a_training_of_keras():
    import keras

    network = keras.Sequential([keras.Input((2, 4, 4)), keras.layers.Rescaling(1.0)])
    dice = DiceForeground(4)
    network.compile(loss="mse", metrics=[dice, IoUForeground(dice)])
    for _ in range(2):  # the second counts from nothing
        told = network.evaluate(one_hot(PREDICTED), one_hot(TRUTH), verbose=0, return_dict=True)
        assert told["dice_foreground"] == pytest.approx((2 * 2 / (3 + 3) + 2 * 1 / (1 + 1)) / 2)
        assert told["iou_foreground"] == pytest.approx((2 / (3 + 3 - 2) + 1 / (1 + 1 - 1)) / 2)


@pytest.mark.parametrize("loss", [losses.dice, losses.focal, losses.cross_entropy, losses.paper_dice])
def test_what_is_said_of_a_pixel_without_truth_costs_nothing(loss):
    said = np.random.default_rng(0).dirichlet(np.ones(4), TRUTH.shape)[None].astype(np.float32)
    other = said.copy()
    other[0, 1, 3] = [0.97, 0.01, 0.01, 0.01]
    assert float(loss(one_hot(TRUTH), said)) == pytest.approx(float(loss(one_hot(TRUTH), other)), abs=1e-7)
    other[0, 0, 0] = [0.01, 0.97, 0.01, 0.01]
    assert float(loss(one_hot(TRUTH), said)) != pytest.approx(float(loss(one_hot(TRUTH), other)), abs=1e-4)
