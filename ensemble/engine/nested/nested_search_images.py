"""The nested estimate of class weights on images: all weights chosen again on the drawn images of each resample.

Pixels are reduced once, grouped by image and true class. A resample counts those of the images it drew, each as often
as it drew them, and of those it left out; nothing is read again. The work is bounded by a count, not by a clock: where
a resample drew too many pixels, class weights are chosen on an even sample of them, and judged on all left out.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ensemble.engine.grid.choice import first_choice
from ensemble.engine.line.per_class import search_per_class
from ensemble.engine.nested.scorers import ImageScorer
from ensemble.engine.scoring.confusion_metric import ConfusionMetric
from ensemble.engine.scoring.objectives import Objective
from ensemble.engine.scoring.presolve import FreeRows, Presolved
from spine import metrics

__all__ = ["nested_search_images"]

MOST_SWEPT = 8e9  # numbers that line searches read, of all resamples together: a few minutes
ROUNDS = 5  # that a climb goes through all of its lines, as measured


def nested_search_images(
    plain: Presolved, by_class: Presolved, metric: str, draws: np.ndarray, weights: np.ndarray
) -> Iterator[float]:
    """Scores on the images that each of `draws` (R, N) left out, how often each image counts, NaN where undefined.

    One of the `weights` (V, M) is chosen on the drawn images, then a weight a class; `plain` are the pixels that those
    weights can change, `by_class` those that class weights can, both by image and true class.
    """
    classes = plain.fixed.shape[1]
    for counts, chosen in zip(draws.astype(np.int64), _chosen(plain, metric, draws, weights), strict=True):
        left_out = (counts == 0).astype(np.int64)
        if chosen is None or not left_out.any():
            yield np.nan
            continue
        kept = np.flatnonzero(chosen)
        numbers = (kept[:, None] * classes + np.arange(classes)).ravel()
        every = _thinned(by_class, metric, counts, len(kept), MOST_SWEPT / len(draws))
        drawn = _counted_in(by_class, metric, counts, numbers, every)
        class_weights = search_per_class(_objective(metric, drawn), chosen[kept], classes)
        yield float(_counted_in(by_class, metric, left_out, numbers)(class_weights.reshape(1, -1))[0])


def _chosen(plain: Presolved, metric: str, draws: np.ndarray, weights: np.ndarray) -> Iterator[np.ndarray | None]:
    """The best of the weights on each draw, None where the metric is not defined on it."""
    scores = np.stack(list(ImageScorer(plain, metric)(weights, draws)))
    gains = scores if metrics.segmentation.METRICS.named(metric).higher_is_better else -scores
    return (weights[first_choice(weights, one)] if np.isfinite(one).all() else None for one in gains.T)


def _objective(metric: str, confusion_metric: ConfusionMetric) -> Objective:
    def reference(weights: np.ndarray) -> float:
        return float(confusion_metric(weights[None])[0])

    higher_is_better = metrics.segmentation.METRICS.named(metric).higher_is_better
    return Objective(metric, higher_is_better, confusion_metric, reference, inputs_hash="")


def _thinned(by_class: Presolved, metric: str, counts: np.ndarray, members: int, most: float) -> int:
    """Of how many drawn pixels one is looked at, so that a climb reads about that many numbers."""
    classes = by_class.fixed.shape[1]
    cells = by_class.fixed.size if metric.endswith("_per_image") else classes * classes
    rows = [np.diff(part.offsets) @ (counts[_images(part, classes)] > 0) for part in by_class.free]
    read = sum(
        n * (part.scores.shape[1] * members * classes + cells) for n, part in zip(rows, by_class.free, strict=True)
    )
    lines = classes * (1 + members * (members - 1) // 2)
    return max(1, int(np.ceil(ROUNDS * lines * read / most)))


def _counted_in(
    by_class: Presolved, metric: str, counts: np.ndarray, numbers: np.ndarray, every: int = 1
) -> ConfusionMetric:
    """The metric of some class weights, by their numbers, on images that count so often (N,).

    Of the pixels that class weights can change, one in `every` is looked at, and stands for all of them.
    """
    function, classes = metrics.segmentation.METRICS.named(metric).function, by_class.fixed.shape[1]
    per_image = metric.endswith("_per_image")
    images = np.repeat(np.arange(len(counts)), counts)

    def score(confusions: np.ndarray) -> np.ndarray:
        by_image = confusions.reshape(len(confusions), -1, classes, classes)
        return function(metrics.segmentation.counts_of(by_image[:, images] if per_image else by_image))

    fixed = by_class.fixed.reshape(len(counts), classes, classes) * counts[:, None, None]
    fixed = fixed.reshape(-1, classes) if per_image else fixed.sum(axis=0)
    parts = [_rows(part, counts, numbers, every, fixed) for part in by_class.free]
    return ConfusionMetric(Presolved(tuple(part for part in parts if len(part.multiplicity)), fixed), score)


def _rows(part: FreeRows, counts: np.ndarray, numbers: np.ndarray, every: int, fixed: np.ndarray) -> FreeRows:
    """Those of the images that count, in the cells of `fixed`."""
    segment = np.repeat(np.arange(len(part.cells)), np.diff(part.offsets))
    multiplicity = counts[_images(part, fixed.shape[1])][segment]
    rows = np.flatnonzero(multiplicity)[::every]  # sorted by probabilities, so an even sample of them
    segments, first = np.unique(segment[rows], return_index=True)
    return FreeRows(
        part.scores[np.ix_(numbers, np.arange(part.scores.shape[1]), rows)].astype(np.float64),  # else at every sweep
        part.multiplicity[rows] * multiplicity[rows] * every,
        np.append(first, len(rows)),
        part.cells[segments] % fixed.size,
    )


def _images(part: FreeRows, classes: int) -> np.ndarray:
    """The image (S,) of each segment."""
    return part.cells[:, 0] // classes**2
