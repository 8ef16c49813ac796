"""Metrics of many weight vectors at once: the same numbers as `spine.metrics` on the weighted mean, found faster.

Metrics of the predicted class are ratios of confusion counts; ROC AUC and log loss need the fused probabilities. Every
other metric of `spine.metrics` works too, one vector at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ensemble.engine.compiled import compiled
from ensemble.engine.stack import Stack
from ensemble.engine.undecided import Undecided
from ensemble.fuse import weighted_mean
from spine import metrics
from spine.problems import SpineError

__all__ = ["Objective"]

Scores = Callable[[np.ndarray], np.ndarray]  # weights (V, M) -> scores (V,)
WORTH_COMPILING = 100_000_000  # samples that are ranked; below it NumPy is done before numba is imported
BLOCK = 16_384  # numbers in one intermediate array, so that it stays in the cache
LARGEST = 2_000_000  # counts held at a time: 16 MB a thread


@dataclass(frozen=True)
class Objective:
    """One metric of some members. `scores` takes weights (V, M); `gains` are scores where higher is better.

    `reference` gives one vector (M,) the score that `spine.metrics` has for the weighted mean. `inputs_hash` names the
    predictions and the truth.
    """

    metric: str
    higher_is_better: bool
    scores: Scores
    reference: Callable[[np.ndarray], float]
    inputs_hash: str

    @classmethod
    def of(cls, metric: str, stack: Stack, vectors: int = 1) -> Objective:
        """The objective of that name; SpineError where it is unknown or undefined on this truth.

        `vectors`, how many are going to be scored, decides whether compiling pays.
        """
        reference = metrics.metric(metric)
        if np.isnan(reference.function(stack.truth, stack.probabilities[0])):
            raise SpineError(
                f"{metric} is not defined on a truth that holds only the classes {np.unique(stack.truth).tolist()}; "
                "choose accuracy or log_loss, or search on a split that holds every class"
            )
        scores = _BUILDERS.get(metric, _one_by_one)(metric, stack, vectors)
        return cls(
            metric,
            reference.higher_is_better,
            scores,
            lambda weights: float(reference.function(stack.truth, stack.fused(weights))),
            stack.hash,
        )

    @classmethod
    def of_images(cls, metric: str, undecided: Undecided, vectors: int = 1) -> Objective:
        """The same for segmentation, where pixels are grouped as `metric` wants them; SpineError where undefined."""
        reference = metrics.metric(metric, "segmentation")
        classes = undecided.settled.shape[1]
        if not undecided.group_sizes.reshape(-1, classes)[:, 1:].any():
            raise SpineError("the masks hold background only; search on a split where a foreground class occurs")
        rows = max(1, LARGEST // undecided.settled.size)

        def scores_of(weights: np.ndarray) -> np.ndarray:
            confusions = undecided.confusions(weights, vectors)
            confusions = confusions.reshape(len(weights), -1, classes, classes)
            return reference.function(metrics.segmentation.counts_of(confusions))

        def scores(weights: np.ndarray) -> np.ndarray:
            return np.concatenate([scores_of(weights[at : at + rows]) for at in range(0, len(weights), rows)])

        def score(weights: np.ndarray) -> float:
            return float(scores(weights[None])[0])

        return cls(metric, reference.higher_is_better, scores, score, undecided.hash)

    def gains(self, weights: np.ndarray) -> np.ndarray:
        """Scores (V,) of weights (V, M), negated where lower is better."""
        return self.score_of(self.scores(weights))

    def score_of(self, gain: np.ndarray) -> np.ndarray:
        """Turn gains into scores, or scores into gains."""
        return gain if self.higher_is_better else -gain


def _of_the_class(metric: str, stack: Stack, vectors: int) -> Scores:
    """Metrics of the predicted class: each cell of a confusion matrix is one row, counted as often as it says."""
    classes = stack.probabilities.shape[2]
    true, called = np.divmod(np.arange(classes * classes), classes)
    certain = np.eye(classes)[called]
    undecided = Undecided.from_probabilities(stack.probabilities, stack.truth)

    def scores(weights: np.ndarray) -> np.ndarray:
        cells = undecided.confusions(weights, vectors).reshape(len(weights), -1)
        return metrics.metric(metric).function(true, certain, cells)

    return scores


def _log_loss(metric: str, stack: Stack, vectors: int) -> Scores:
    right = np.take_along_axis(stack.probabilities, stack.truth[None, :, None], axis=2)[:, :, 0]

    def losses(weights: np.ndarray) -> np.ndarray:
        return -np.log(np.clip(_fused(weights, right), metrics.CLIP, 1 - metrics.CLIP)).mean(axis=1)

    return lambda weights: np.concatenate([losses(block) for block in _blocks(weights, right.shape[1])])


def _roc_auc(metric: str, stack: Stack, vectors: int) -> Scores:
    classes = stack.probabilities.shape[2]
    chosen = [1] if classes == 2 else np.unique(stack.truth)
    count = compiled(twice_won_by_merging) if vectors * len(stack.truth) > WORTH_COMPILING else twice_won
    against_rest = [_area(stack.probabilities[:, :, label], stack.truth == label, count) for label in chosen]
    return lambda weights: np.mean([area(weights) for area in against_rest], axis=0)


def _area(scores: np.ndarray, positive: np.ndarray, count: Callable[..., np.ndarray]) -> Scores:
    above, below = scores[:, positive], scores[:, ~positive]

    def areas(weights: np.ndarray) -> np.ndarray:
        blocks = _blocks(weights, scores.shape[1])
        won = [count(_sorted(_fused(block, above)), _sorted(_fused(block, below))) for block in blocks]
        return np.concatenate(won) / (2 * above.shape[1] * below.shape[1])

    return areas


def twice_won(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Twice the pairs that (V, P) wins against (V, Q), a tie being half a win: whole numbers (V,). Rows are sorted."""
    return np.array(
        [
            np.searchsorted(low, high, side="left").sum() + np.searchsorted(low, high, side="right").sum()
            for high, low in zip(above, below, strict=True)
        ]
    )


def twice_won_by_merging(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """The same for numba."""
    out = np.empty(len(above), np.int64)
    for v in range(len(above)):
        less, not_more, won = 0, 0, 0  # how many of below[v] are less than, and not more than, the value at hand
        for value in above[v]:
            while less < below.shape[1] and below[v, less] < value:
                less += 1
            not_more = max(not_more, less)
            while not_more < below.shape[1] and below[v, not_more] <= value:
                not_more += 1
            won += less + not_more
        out[v] = won
    return out


def _sorted(values: np.ndarray) -> np.ndarray:
    values.sort(axis=1)
    return values


def _blocks(weights: np.ndarray, samples: int) -> Iterator[np.ndarray]:
    rows = max(1, BLOCK // samples)
    return (weights[start : start + rows] for start in range(0, len(weights), rows))


def _fused(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Weighted means (V, N) of `values` (M, N), by the fusion rule."""
    return weighted_mean(list(values), list(weights.T[:, :, None]))


def _one_by_one(metric: str, stack: Stack, vectors: int) -> Scores:
    members, function = list(stack.probabilities), metrics.metric(metric).function
    return lambda weights: np.array([function(stack.truth, weighted_mean(members, row)) for row in weights])


_OF_THE_CLASS = (
    *("accuracy", "balanced_accuracy", "macro_f1", "sensitivity", "recall"),
    *("specificity", "precision", "f1", "matthews"),
)
_BUILDERS: dict[str, Callable[[str, Stack, int], Scores]] = {
    **dict.fromkeys(_OF_THE_CLASS, _of_the_class),
    "roc_auc": _roc_auc,
    "log_loss": _log_loss,
}
