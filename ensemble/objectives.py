"""Metrics of many weight vectors at once: the same numbers as `spine.metrics` on the weighted mean, found faster.

Metrics of the predicted class are ratios of confusion counts; ROC AUC and log loss need the fused probabilities. Every
other metric of `spine.metrics` works too, one vector at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ensemble.fuse import weighted_mean
from ensemble.stack import Stack
from ensemble.undecided import Undecided
from spine import metrics
from spine.problems import SpineError

__all__ = ["Objective"]

Scores = Callable[[np.ndarray], np.ndarray]  # weights (V, M) -> scores (V,)
BLOCK = 65_536  # numbers in one intermediate array, so that it stays in the cache


@dataclass(frozen=True)
class Objective:
    """One metric of a stack of members. `scores` takes weights (V, M); `gains` are scores where higher is better."""

    metric: str
    higher_is_better: bool
    scores: Scores

    @classmethod
    def of(cls, metric: str, stack: Stack) -> Objective:
        """The objective of that name; SpineError where it is unknown or undefined on this truth."""
        reference = metrics.metric(metric)
        if np.isnan(reference.function(stack.truth, stack.probabilities[0])):
            raise SpineError(
                f"{metric} is not defined on a truth that holds only the classes {np.unique(stack.truth).tolist()}; "
                "choose accuracy or log_loss, or search on a split that holds every class"
            )
        build = _BUILDERS.get(metric)
        scores = build(stack) if build else _one_by_one(stack, reference.function)
        return cls(metric, reference.higher_is_better, scores)

    def gains(self, weights: np.ndarray) -> np.ndarray:
        """Scores (V,) of weights (V, M), negated where lower is better."""
        return self.score_of(self.scores(weights))

    def score_of(self, gain: np.ndarray) -> np.ndarray:
        """Turn gains into scores, or scores into gains."""
        return gain if self.higher_is_better else -gain


def accuracies(confusions: np.ndarray) -> np.ndarray:
    """Share of the diagonal in each of (V, C, C)."""
    return _hits(confusions).sum(axis=1) / confusions.sum(axis=(1, 2))


def balanced_accuracies(confusions: np.ndarray) -> np.ndarray:
    """Mean recall over the classes that occur in the truth, for each of (V, C, C)."""
    actual = confusions.sum(axis=2)
    present = actual[0] > 0
    return (_hits(confusions)[:, present] / actual[:, present]).mean(axis=1)


def macro_f1s(confusions: np.ndarray) -> np.ndarray:
    """Mean F1 over the classes that occur in the truth, for each of (V, C, C)."""
    actual, called = confusions.sum(axis=2), confusions.sum(axis=1)
    present = actual[0] > 0
    return (2 * _hits(confusions)[:, present] / (actual + called)[:, present]).mean(axis=1)


def _hits(confusions: np.ndarray) -> np.ndarray:
    return np.diagonal(confusions, axis1=1, axis2=2)


def _counted(ratio: Scores) -> Callable[[Stack], Scores]:
    def build(stack: Stack) -> Scores:
        undecided = Undecided.from_probabilities(stack.probabilities, stack.truth)
        return lambda weights: ratio(undecided.confusions(weights))

    return build


def _log_loss(stack: Stack) -> Scores:
    right = np.take_along_axis(stack.probabilities, stack.truth[None, :, None], axis=2)[:, :, 0]

    def losses(weights: np.ndarray) -> np.ndarray:
        return -np.log(np.clip(_fused(weights, right), metrics.CLIP, 1 - metrics.CLIP)).mean(axis=1)

    return lambda weights: np.concatenate([losses(block) for block in _blocks(weights, right.shape[1])])


def _roc_auc(stack: Stack) -> Scores:
    classes = stack.probabilities.shape[2]
    chosen = [1] if classes == 2 else np.unique(stack.truth)
    against_rest = [_area(stack.probabilities[:, :, label], stack.truth == label) for label in chosen]
    return lambda weights: np.mean([area(weights) for area in against_rest], axis=0)


def _area(scores: np.ndarray, positive: np.ndarray) -> Scores:
    above, below = scores[:, positive], scores[:, ~positive]

    def areas(weights: np.ndarray) -> np.ndarray:
        blocks = _blocks(weights, scores.shape[1])
        counts = [_twice_won(_fused(block, above), _fused(block, below)) for block in blocks]
        return np.concatenate(counts) / (2 * above.shape[1] * below.shape[1])

    return areas


def _twice_won(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Twice the number of pairs that (V, P) wins against (V, Q), row by row; a tie is half a win, so whole numbers."""
    above.sort(axis=1)
    below.sort(axis=1)
    return np.array(
        [
            np.searchsorted(low, high, side="left").sum() + np.searchsorted(low, high, side="right").sum()
            for high, low in zip(above, below, strict=True)
        ]
    )


def _blocks(weights: np.ndarray, samples: int) -> Iterator[np.ndarray]:
    rows = max(1, BLOCK // samples)
    return (weights[start : start + rows] for start in range(0, len(weights), rows))


def _fused(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Weighted means (V, N) of `values` (M, N), by the fusion rule."""
    return weighted_mean(list(values), list(weights.T[:, :, None]))


def _one_by_one(stack: Stack, function: Callable[[np.ndarray, np.ndarray], float]) -> Scores:
    members = list(stack.probabilities)
    return lambda weights: np.array([function(stack.truth, weighted_mean(members, row)) for row in weights])


_BUILDERS: dict[str, Callable[[Stack], Scores]] = {
    "accuracy": _counted(accuracies),
    "balanced_accuracy": _counted(balanced_accuracies),
    "macro_f1": _counted(macro_f1s),
    "roc_auc": _roc_auc,
    "log_loss": _log_loss,
}
