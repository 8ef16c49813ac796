"""A sweep finds the best stretch of a line, and a line search is never worse than where it starts."""

import itertools

import numpy as np
import pytest

from ensemble.engine.line.sweep import sweep
from ensemble.engine.scoring.confusion_metric import ConfusionMetric
from ensemble.engine.scoring.objectives import BUILDERS
from ensemble.engine.scoring.presolve import Presolved
from ensemble.search import search_weights
from spine.core.problems import SpineError
from spine.metrics.classification import METRICS


def members_of(seed, count=3, samples=60, classes=3, dtype=np.float64):
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, samples)
    logits = 2 * np.eye(classes)[truth] + random.normal(0, 1.6, (count, samples, classes))
    powers = np.exp(logits)
    return (powers / powers.sum(axis=2, keepdims=True)).astype(dtype), truth


def share_right(confusions):
    return np.trace(confusions, axis1=1, axis2=2) / confusions.sum(axis=(1, 2))


def test_two_members_and_two_rows_worked_by_hand():
    # Row 0 (truth 1): class 1 wins when 0.1 + 0.6 t > 0.5, t > 2/3. Row 1 (truth 0): class 0 wins while
    # 0.9 - 0.8 t > 0.5, t < 1/2. At no place are both right; between 1/2 and 2/3 neither is.
    probabilities = np.array([[[0.9, 0.1], [0.9, 0.1]], [[0.3, 0.7], [0.1, 0.9]]])
    counted = ConfusionMetric(Presolved.from_probabilities(probabilities, np.array([1, 0]), 2), share_right)
    best = sweep(counted, np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    assert best.score == 1 / 2
    assert (best.start, best.stop) == pytest.approx((0, 1 / 2))
    worst = sweep(counted, np.array([1.0, 0.0]), np.array([0.0, 1.0]), higher_is_better=False)
    assert worst.score == 0
    assert (worst.start, worst.stop) == pytest.approx((1 / 2, 2 / 3))
    assert worst.middle == pytest.approx(7 / 12)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("held", [9, 2_000_000])
def test_no_place_on_a_line_is_better_than_its_best_stretch(seed, held, monkeypatch):
    monkeypatch.setattr("ensemble.engine.scoring.confusion_metric.LARGEST", held)  # counts in blocks, or all at once
    classes = 2 + seed % 4
    probabilities, truth = members_of(seed, classes=classes, dtype=(np.float64, np.float32)[seed % 2])
    counted = ConfusionMetric(Presolved.from_probabilities(probabilities, truth, classes), share_right)
    start, stop = np.array([[0.2, 0.8, 0.0], [0.5, 0.1, 0.4]])
    best = sweep(counted, start, stop)
    places = np.linspace(0, 1, 3001)[:, None]
    assert best.score == counted(start + best.middle * (stop - start)[None]).item()
    assert best.score >= counted(start + places * (stop - start)).max()


@pytest.mark.parametrize("metric", BUILDERS)
def test_lines_are_never_worse_than_the_grid_and_reach_a_finer_one(metric):
    probabilities, truth = members_of(4, classes=2)
    members = {f"m{number}": said for number, said in enumerate(probabilities)}
    coarse = search_weights(members, truth, metric=metric, step=0.1)
    fine = search_weights(members, truth, metric=metric, step=0.02)
    found = search_weights(members, truth, metric=metric, method="line")
    sign = 1 if METRICS[metric].higher_is_better else -1
    assert sign * found.score >= sign * coarse.score
    assert sign * found.score >= sign * fine.score - 1e-3
    assert sum(found.weights.values()) == pytest.approx(1)
    assert min(found.weights.values()) >= 0
    assert found.evaluated == 66  # the grid of three members at step 0.1: 12 * 11 / 2
    fused = sum(weight * members[name] for name, weight in found.weights.items())
    assert found.score == pytest.approx(METRICS[metric].function(truth, fused))


@pytest.mark.parametrize("metric", ["dice_foreground", "dice_foreground_per_image", "iou_all"])
def test_images_of_masks(metric):
    random = np.random.default_rng(2)
    truth = random.integers(0, 3, (4, 6, 5))
    logits = 1.5 * np.eye(3)[truth] + random.normal(0, 1, (3, 4, 6, 5, 3))
    said = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    members = {name: values.astype(np.float16) for name, values in zip("abc", said, strict=True)}
    found = search_weights(members, truth, "segmentation", metric, method="line")
    grid = search_weights(members, truth, "segmentation", metric, step=0.02)
    assert found.score >= search_weights(members, truth, "segmentation", metric, step=0.1).score
    assert found.score >= grid.score - 0.01


def test_a_line_search_of_auc_agrees_with_pairs_looked_at_one_by_one():
    probabilities, truth = members_of(7, count=2, samples=30, classes=2)
    found = search_weights({"a": probabilities[0], "b": probabilities[1]}, truth, metric="roc_auc", method="line")
    best = 0.0
    for place in np.linspace(0, 1, 2001):
        fused = (1 - place) * probabilities[0, :, 1] + place * probabilities[1, :, 1]
        pairs = itertools.product(fused[truth == 1], fused[truth == 0])
        best = max(best, np.mean([(high > low) + (high == low) / 2 for high, low in pairs]))
    assert found.score >= best


def test_too_many_pairs_are_refused_before_the_search(monkeypatch):
    monkeypatch.setattr("ensemble.engine.scoring.roc_auc.MOST_PAIRS", 10)
    probabilities, truth = members_of(1, count=2, classes=2)
    with pytest.raises(SpineError, match="over pairs of a positive and a negative"):
        search_weights({"a": probabilities[0], "b": probabilities[1]}, truth, metric="roc_auc", method="line")
