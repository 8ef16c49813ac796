"""Detection metrics from `Matches`: average precision and recall as COCO has them, and rates at a confidence.

    map50       mean over the classes of the average precision at IoU 0.5     map50_95  also over IoU 0.5, 0.55 ... 0.95
    ar          mean recall of at most 100 detections an image over those IoUs
    precision, recall, f1         of boxes with a score of at least a confidence, matched at IoU 0.5
    sensitivity, specificity      of images: is a class called, by such a box anywhere, where it is there?

Average precision is COCO's: the precision at 101 recalls, each the highest that is reached from there on. Means are
over the classes that are defined: a class without a true box has no average precision, recall or sensitivity, one never
called no precision, one with neither no F1, one in every image no specificity. `_small`, `_medium` and `_large` are of
boxes below 32 x 32, up to 96 x 96 and above, in pixels of the image as stored.

The confidence is CONFIDENCE unless given. `best_confidence` is that of the highest F1, and `best_f1` the F1 there. That
is the F1 that weights are searched by, since scores mean something else with every fusion of boxes. By the other rates
none are searched: alone they are best where everything, or nothing, is called.

Every function takes `weights`, how often each image counts: (R, N) multiplicities give (R,) values, one a resample of a
bootstrap; without weights the values are those that COCOeval prints. A drawn image's detections count together, so
where scores tie within an image the value differs from that of the image listed twice.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from spine.core.problems import SpineError
from spine.metrics.matches import Matches
from spine.metrics.rates import Score, Weights, mean_of_defined, ratio
from spine.metrics.table import Metric, MetricTable

__all__ = [
    "CONFIDENCE",
    "CONFIDENCES",
    "METRICS",
    "PrecisionRecall",
    "average_precision",
    "average_recall",
    "best_confidence",
    "best_f1",
    "count_boxes",
    "f1",
    "image_rates",
    "mean_average_precision",
    "mean_average_recall",
    "precision",
    "precision_recall",
    "recall",
    "sensitivity",
    "specificity",
]

CONFIDENCE = 0.5  # the least score of a box that counts, unless given
CONFIDENCES = np.arange(1, 20) / 20  # what the best one is chosen from
RECALLS = np.linspace(0, 1, 101)
LARGEST = 4_000_000  # numbers in memory at a time


def average_precision(
    matches: Matches, weights: Weights = None, *, iou: float | None = None, area: str = "all"
) -> np.ndarray:
    """Average precision of each class (..., K) at one IoU, or its mean over all that were matched.

    NaN for a class without a true box of that area.
    """
    a, thresholds = matches.area(area), range(len(matches.ious)) if iou is None else [matches.iou(iou)]
    rows, shape = _rows(matches, weights)
    truths = rows @ matches.truths[:, a]  # (R, K)
    precisions = np.empty_like(truths)
    for k in range(truths.shape[1]):
        of_class = np.flatnonzero(matches.classes == k)
        flags = [(matches.right[a, t, of_class], matches.wrong[a, t, of_class]) for t in thresholds]
        block = max(1, LARGEST // max(1, len(of_class)))
        for start in range(0, len(rows), block):
            part = slice(start, start + block)
            seen = rows[part][:, matches.images[of_class]]
            precisions[part, k] = np.mean([_area_under(seen, *pair, truths[part, k]) for pair in flags], axis=0)
    return precisions.reshape(*shape, -1)


def _area_under(seen: np.ndarray, right: np.ndarray, wrong: np.ndarray, truths: np.ndarray) -> np.ndarray:
    """Mean of the interpolated precision at RECALLS (R,), of detections (R, D) that each count `seen` times.

    Both recall and the highest precision to come change only at a right detection, so those alone are looked at.
    """
    called = np.cumsum(seen * (right | wrong), axis=-1)[:, right]
    hits = np.cumsum(seen[:, right], axis=-1)
    precisions = hits / (called + np.spacing(1))  # COCO's guard; here it serves images drawn no times
    highest = np.maximum.accumulate(precisions[:, ::-1], axis=-1)[:, ::-1]
    passed = np.searchsorted(RECALLS, ratio(hits, truths[:, None]), side="right")
    area = (np.diff(passed, prepend=0, axis=-1) * highest).sum(axis=-1) / len(RECALLS)
    return np.where(truths > 0, area, np.nan)


def average_recall(matches: Matches, weights: Weights = None, *, most: int = 100, area: str = "all") -> np.ndarray:
    """Recall of each class (..., K) by the `most` best detections of an image, its mean over all matched IoUs."""
    a = matches.area(area)
    right = matches.right[a].mean(axis=0) * (matches.ranks < most)
    return ratio(_pooled(_by_image(matches, right), weights), _pooled(matches.truths[:, a], weights))


def mean_average_precision(
    matches: Matches, weights: Weights = None, *, iou: float | None = None, area: str = "all"
) -> Score:
    """Mean over the classes of `average_precision`."""
    return mean_of_defined(average_precision(matches, weights, iou=iou, area=area))


def mean_average_recall(matches: Matches, weights: Weights = None, *, most: int = 100, area: str = "all") -> Score:
    """Mean over the classes of `average_recall`."""
    return mean_of_defined(average_recall(matches, weights, most=most, area=area))


def count_boxes(matches: Matches, confidence: float = CONFIDENCE, iou: float = 0.5) -> np.ndarray:
    """Counts (N, K, 3) of boxes in each image: right detections, all detections, true boxes."""
    a, t = matches.area("all"), matches.iou(iou)
    called = _is_called(matches, confidence)
    right = _by_image(matches, called & matches.right[a, t])
    return np.stack([right, _by_image(matches, called), matches.truths[:, a]], axis=-1)


def precision(
    matches: Matches, weights: Weights = None, *, confidence: float = CONFIDENCE, iou: float = 0.5
) -> np.ndarray:
    """Share of each class's detections that are right (..., K); NaN for a class that is never called."""
    right, called, _ = _columns(matches, weights, confidence, iou)
    return ratio(right, called)


def recall(
    matches: Matches, weights: Weights = None, *, confidence: float = CONFIDENCE, iou: float = 0.5
) -> np.ndarray:
    """Share of each class's true boxes that are found (..., K); NaN for a class without one."""
    right, _, true = _columns(matches, weights, confidence, iou)
    return ratio(right, true)


def f1(matches: Matches, weights: Weights = None, *, confidence: float = CONFIDENCE, iou: float = 0.5) -> np.ndarray:
    """2 right / (detections + true boxes) of each class (..., K); NaN for a class that is in neither."""
    right, called, true = _columns(matches, weights, confidence, iou)
    return ratio(2 * right, called + true)


def best_confidence(matches: Matches) -> float:
    """Where the mean F1 over the classes is highest, of CONFIDENCES; of several the middle one.

    CONFIDENCE where F1 has no value at any of them.
    """
    scores = mean_of_defined(_f1_at_confidences(matches))
    if np.isnan(scores).all():
        return CONFIDENCE
    reached = np.flatnonzero(scores == np.nanmax(scores))
    return float(CONFIDENCES[reached[len(reached) // 2]])


def _f1_at_confidences(matches: Matches) -> np.ndarray:
    """`f1` (19, K) at each of CONFIDENCES, counted once."""
    a, t, classes = matches.area("all"), matches.iou(0.5), matches.size[1]
    passed = np.searchsorted(CONFIDENCES.astype(np.float32), matches.scores, side="right")  # how many confidences
    cell, cells = passed * classes + matches.classes, (len(CONFIDENCES) + 1, classes)

    def counted(values: np.ndarray | None) -> np.ndarray:
        each = np.bincount(cell, values, minlength=cells[0] * classes).reshape(cells)
        return each[::-1].cumsum(axis=0)[::-1][1:]  # a box counts at every confidence that it passes

    return ratio(2 * counted(matches.right[a, t]), counted(None) + matches.truths[:, a].sum(axis=0))


def best_f1(matches: Matches, weights: Weights = None) -> Score:
    """Mean over the classes of `f1` at the best confidence of all images, which is the same for all of the weights."""
    return mean_of_defined(f1(matches, weights, confidence=best_confidence(matches)))


def image_rates(
    matches: Matches, weights: Weights = None, *, confidence: float = CONFIDENCE
) -> tuple[np.ndarray, np.ndarray]:
    """Sensitivity and specificity of each class (..., K), an image being scored once.

    An image is called where any box of the class has that confidence, wherever it lies. NaN for a class that no image
    has, or that every image has.
    """
    called = _by_image(matches, _is_called(matches, confidence)) > 0
    true = matches.truths[:, matches.area("all")] > 0
    return (
        ratio(_pooled(called & true, weights), _pooled(true, weights)),
        ratio(_pooled(~called & ~true, weights), _pooled(~true, weights)),
    )


def sensitivity(matches: Matches, weights: Weights = None, *, confidence: float = CONFIDENCE) -> Score:
    """Mean over the classes of the share of images with a class that are called so."""
    return mean_of_defined(image_rates(matches, weights, confidence=confidence)[0])


def specificity(matches: Matches, weights: Weights = None, *, confidence: float = CONFIDENCE) -> Score:
    """Mean over the classes of the share of images without a class that are not called so."""
    return mean_of_defined(image_rates(matches, weights, confidence=confidence)[1])


class PrecisionRecall(NamedTuple):
    """A precision-recall curve (P,): what is reached when all boxes of at least `confidence` count, descending."""

    recall: np.ndarray
    precision: np.ndarray
    confidence: np.ndarray


def precision_recall(matches: Matches, number: int = 0, *, iou: float = 0.5) -> PrecisionRecall:
    """The curve of the class `labels[number]`, a point for each score that occurs; recall is NaN without a true box."""
    a, t, of_class = matches.area("all"), matches.iou(iou), matches.classes == number
    scores = matches.scores[of_class]
    last = np.flatnonzero(np.diff(scores, append=-np.inf))  # of each run of equal scores
    hits = np.cumsum(matches.right[a, t, of_class])[last]
    return PrecisionRecall(ratio(hits, matches.truths[:, a, number].sum()), hits / (last + 1), scores[last])


def _mean_over_classes(rate: str, matches: Matches, weights: Weights = None) -> Score:
    return mean_of_defined(_RATES[rate](matches, weights))


_RATES = {"precision": precision, "recall": recall}

_NO_TRUE_BOX = "there is no true box to find"
_ONE_SIDED = "is best at the highest or the lowest confidence, so that no weights can be searched by it"

METRICS = MetricTable(
    {
        "map50": Metric(partial(mean_average_precision, iou=0.5), True, "mAP at IoU 0.5"),
        "map75": Metric(partial(mean_average_precision, iou=0.75), True),
        "map50_95": Metric(mean_average_precision, True, "mAP at IoU 0.5 to 0.95"),
        **{
            f"map50_95_{area}": Metric(partial(mean_average_precision, area=area), True)
            for area in ("small", "medium", "large")
        },
        "ar": Metric(mean_average_recall, True, "average recall"),
        "ar_1": Metric(partial(mean_average_recall, most=1), True),
        "ar_10": Metric(partial(mean_average_recall, most=10), True),
        **{
            f"ar_{area}": Metric(partial(mean_average_recall, area=area), True) for area in ("small", "medium", "large")
        },
        **{rate: Metric(partial(_mean_over_classes, rate), True, rate) for rate in _RATES},
        "f1": Metric(best_f1, True, "F1"),
        "sensitivity": Metric(sensitivity, True, "sensitivity, of images"),
        "specificity": Metric(specificity, True, "specificity, of images"),
    },
    headline="map50",
    searched="map50",
    undefined={
        **dict.fromkeys(("map", "ap", "ar", "recall", "sensitivity"), _NO_TRUE_BOX),
        "precision": "no box has the score from which boxes count",
        "f1": "there is neither a true box nor one that counts",
        "specificity": "every image holds a true box of it",
        "seconds_an_image": "no SavedModel of it was timed here",
    },
    unsearched=dict.fromkeys(("precision", "recall", "sensitivity", "specificity"), _ONE_SIDED),
)


def _rows(matches: Matches, weights: Weights) -> tuple[np.ndarray, tuple[int, ...]]:
    """Weights as a matrix (R, N), and the leading axes that they had."""
    weights = np.ones(matches.size[0]) if weights is None else np.asarray(weights, np.float64)
    if weights.shape[-1] != matches.size[0]:
        raise SpineError(f"weights are {weights.shape}; give (..., {matches.size[0]}), one an image")
    return weights.reshape(-1, weights.shape[-1]), weights.shape[:-1]


def _pooled(counts: np.ndarray, weights: Weights) -> np.ndarray:
    """Counts (N, K) of images, added up as often as each counts: (..., K)."""
    return counts.sum(axis=0) if weights is None else np.asarray(weights) @ counts


def _is_called(matches: Matches, confidence: float) -> np.ndarray:
    return matches.scores >= np.float32(confidence)  # scores are float32, and one of 0.7 has a confidence of 0.7


def _by_image(matches: Matches, values: np.ndarray) -> np.ndarray:
    """The sum of a value of each detection (D,) over each image and class, (N, K)."""
    images, classes = matches.size
    cell = matches.images * classes + matches.classes
    return np.bincount(cell, values, minlength=images * classes).reshape(images, classes)


def _columns(matches: Matches, weights: Weights, confidence: float, iou: float) -> list[np.ndarray]:
    counts = count_boxes(matches, confidence, iou)
    return [_pooled(counts[..., column], weights) for column in range(3)]
