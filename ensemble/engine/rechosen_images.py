"""What class weights are worth on images: weights and class weights chosen again on the drawn images of each resample.

Pixels are reduced once, grouped by image and true class. A resample counts those of the images it drew, each as often
as it drew them, and of those it left out; nothing is read again. The work is bounded by a count, not by a clock: the
same predictions give as many resamples on any machine.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ensemble.engine.choice import first_choice
from ensemble.engine.counted import Counted
from ensemble.engine.objectives import Objective
from ensemble.engine.per_class import search_per_class
from ensemble.engine.resampling import scores_of_images
from ensemble.engine.undecided import Open, Undecided
from spine import metrics

__all__ = ["rechosen_images"]

MOST_SWEPT = 1.2e10  # numbers that line searches read, of all resamples together: minutes
ROUNDS = 5  # that a climb goes through all of its lines, as measured


def rechosen_images(
    plain: Undecided, by_class: Undecided, metric: str, draws: np.ndarray, weights: np.ndarray
) -> Iterator[float]:
    """Scores on the images that each of `draws` (R, N) left out, how often each image counts, NaN where undefined.

    One of the `weights` (V, M) is chosen on the drawn images, then a weight a class; `plain` are the pixels that those
    weights can change, `by_class` those that class weights can, both by image and true class. At least one, and of the
    others as many as MOST_SWEPT allows.
    """
    classes, swept = plain.settled.shape[1], 0
    for counts, chosen in zip(draws.astype(np.int64), _chosen(plain, metric, draws, weights), strict=True):
        if swept > MOST_SWEPT:
            return
        left_out = (counts == 0).astype(np.int64)
        if chosen is None or not left_out.any():
            yield np.nan
            continue
        kept = np.flatnonzero(chosen)
        numbers = (kept[:, None] * classes + np.arange(classes)).ravel()
        drawn, others = (_counted_in(by_class, metric, one, numbers) for one in (counts, left_out))
        found = search_per_class(_objective(metric, drawn), chosen[kept], classes)
        swept += _swept(drawn.undecided, len(kept))
        yield float(others(found.reshape(1, -1))[0])


def _chosen(plain: Undecided, metric: str, draws: np.ndarray, weights: np.ndarray) -> Iterator[np.ndarray | None]:
    """The best of the weights on each draw, None where the metric is not defined on it."""
    scores = np.stack(list(scores_of_images(plain, metric)(weights, draws)))
    gains = scores if metrics.metric(metric, "segmentation").higher_is_better else -scores
    return (weights[first_choice(weights, one)] if np.isfinite(one).all() else None for one in gains.T)


def _objective(metric: str, counted: Counted) -> Objective:
    def reference(weights: np.ndarray) -> float:
        return float(counted(weights[None])[0])

    higher_is_better = metrics.metric(metric, "segmentation").higher_is_better
    return Objective(metric, higher_is_better, counted, reference, inputs_hash="")


def _swept(undecided: Undecided, members: int) -> int:
    """How many numbers a climb over class weights of so many members reads, all told."""
    rows, cells = sum(len(part.times) for part in undecided.open), undecided.settled.size
    lines = undecided.settled.shape[1] * (1 + members * (members - 1) // 2)
    return ROUNDS * lines * (sum(part.scores.size for part in undecided.open) + rows * cells)


def _counted_in(by_class: Undecided, metric: str, counts: np.ndarray, numbers: np.ndarray) -> Counted:
    """The metric of some class weights, by their numbers, on images that count so often (N,)."""
    function, classes = metrics.metric(metric, "segmentation").function, by_class.settled.shape[1]
    per_image = metric.endswith("_per_image")
    images = np.repeat(np.arange(len(counts)), counts)

    def score(confusions: np.ndarray) -> np.ndarray:
        by_image = confusions.reshape(len(confusions), -1, classes, classes)
        return function(metrics.segmentation.counts_of(by_image[:, images] if per_image else by_image))

    return Counted(_counted(by_class, counts, numbers, pooled=not per_image), score)


def _counted(by_class: Undecided, counts: np.ndarray, numbers: np.ndarray, *, pooled: bool) -> Undecided:
    """The pixels of images that count so often, said by some of the members; `pooled` over the images, or image by
    image.
    """
    classes = by_class.settled.shape[1]
    settled = by_class.settled.reshape(len(counts), classes, classes) * counts[:, None, None]
    settled = settled.sum(axis=0) if pooled else settled.reshape(-1, classes)
    parts = (_rows(part, counts, numbers, classes * classes, settled.size) for part in by_class.open)
    return Undecided(tuple(part for part in parts if len(part.times)), settled)


def _rows(part: Open, counts: np.ndarray, numbers: np.ndarray, of_image: int, cells: int) -> Open:
    """Those of the images that count. An image has `of_image` cells; `cells` are told apart from here on."""
    times, sizes = counts[part.cells[:, 0] // of_image], np.diff(part.bounds)  # a segment is of one image
    of_row = np.repeat(times, sizes)
    rows, segments = np.flatnonzero(of_row), times > 0
    return Open(
        part.scores[np.ix_(numbers, np.arange(part.scores.shape[1]), rows)].astype(np.float64),  # else at every sweep
        part.times[rows] * of_row[rows],
        np.append(0, sizes[segments].cumsum()),
        part.cells[segments] % cells,
    )
