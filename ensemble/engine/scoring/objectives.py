"""Metrics of many weight vectors at once: the same numbers as `spine.metrics` on the weighted mean, found faster.

Metrics of the predicted class are ratios of confusion counts; ROC AUC, log loss and Brier score need the fused
probabilities. Any other metric of the table is its own function of them, weight vector by weight vector.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ensemble.engine.scoring.confusion_metric import ConfusionMetric
from ensemble.engine.scoring.presolve import Presolved
from ensemble.engine.scoring.roc_auc import RocAuc
from ensemble.engine.scoring.stack import Stack, fused_blocks
from spine import metrics
from spine.core.problems import SpineError
from spine.metrics.classification import ORDINAL

__all__ = ["BUILDERS", "OF_THE_CLASS", "Objective", "is_defined", "of_the_class"]

Scores = Callable[[np.ndarray], np.ndarray]  # weights (V, M) -> scores (V,)


@dataclass(frozen=True)
class Objective:
    """One metric of some members. `scores` takes weights (V, M); `gains` are scores where higher is better.

    `reference` gives one vector (M,) the score that `spine.metrics` has for the weighted mean. `inputs_hash` names the
    predictions and the truth. `has_lines` tells whether the best point of a line through the weights can be found.
    """

    metric: str
    higher_is_better: bool
    scores: Scores
    reference: Callable[[np.ndarray], float]
    inputs_hash: str
    has_lines: bool = True

    @classmethod
    def of(cls, metric: str, stack: Stack, vectors: int = 1) -> Objective:
        """The objective of that name; SpineError where it is unknown or undefined on this truth.

        `vectors`, how many are going to be scored, decides whether compiling pays.
        """
        reference = metrics.classification.METRICS.named(metric)
        if not is_defined(metric, stack):
            raise SpineError(
                f"{metric} is undefined: the truth has only the classes {np.unique(stack.truth).tolist()}; use "
                "accuracy or log_loss, or search on a split that has every class"
            )

        def score(weights: np.ndarray) -> float:
            return float(reference.function(stack.truth, stack.fused(weights)))

        if metric in BUILDERS:
            return cls(metric, reference.higher_is_better, BUILDERS[metric](metric, stack, vectors), score, stack.hash)
        scores = _one_by_one(score, -np.inf if reference.higher_is_better else np.inf)
        return cls(metric, reference.higher_is_better, scores, score, stack.hash, has_lines=False)

    @classmethod
    def of_images(cls, metric: str, presolved: Presolved, vectors: int = 1) -> Objective:
        """The same for segmentation, where pixels are grouped as `metric` wants them; SpineError where undefined."""
        reference = metrics.segmentation.METRICS.named(metric)
        classes = presolved.fixed.shape[1]

        def function(confusions: np.ndarray) -> np.ndarray:
            by_image = confusions.reshape(len(confusions), -1, classes, confusions.shape[2])
            return reference.function(_counts_of(by_image))

        sizes = presolved.group_sizes
        perfect = np.eye(classes, dtype=np.int64)[np.arange(len(sizes)) % classes] * sizes[:, None]
        if np.isnan(function(perfect[None])[0]):
            raise SpineError(
                f"{metric} is undefined: the masks have background only; search on a split with a foreground class, "
                "or use pixel_accuracy"
            )
        scores = ConfusionMetric(presolved, function, vectors, upper_bound=function if reference.rises else None)
        return cls(
            metric,
            reference.higher_is_better,
            scores,
            lambda weights: float(scores(weights[None])[0]),
            presolved.hash,
        )

    def gains(self, weights: np.ndarray) -> np.ndarray:
        """Scores (V,) of weights (V, M), negated where lower is better."""
        return self.score_of(self.scores(weights))

    def score_of(self, gain: np.ndarray) -> np.ndarray:
        """Turn gains into scores, or scores into gains."""
        return gain if self.higher_is_better else -gain


def _one_by_one(score: Callable[[np.ndarray], float], worst: float) -> Scores:
    """One vector after the other; weights without a value are never chosen."""

    def scores(weights: np.ndarray) -> np.ndarray:
        values = np.fromiter(map(score, weights), np.float64, len(weights))
        return np.where(np.isnan(values), worst, values)

    return scores


def is_defined(metric: str, stack: Stack) -> bool:
    """Whether a metric of classification tells weights apart on this truth: of one class, Matthews is always 0."""
    if metric == "matthews" and np.ptp(stack.truth) == 0:
        return False
    return not np.isnan(metrics.classification.METRICS.named(metric).function(stack.truth, stack.probabilities[0]))


def _counts_of(confusions: np.ndarray) -> np.ndarray:
    """Counts (..., C, 3) of (..., C, C), or of (..., C, C + 1) whose last column has pixels that no class claims."""
    classes, columns = confusions.shape[-2:]
    missing = np.zeros((*confusions.shape[:-2], columns - classes, columns), confusions.dtype)
    return metrics.segmentation.counts_of(np.concatenate([confusions, missing], axis=-2))[..., :classes, :]


def of_the_class(metric: str, stack: Stack, vectors: int) -> ConfusionMetric:
    """Metrics of the predicted class: each cell of a confusion matrix is one row, counted as often as it says."""
    classes = stack.probabilities.shape[2]

    def function(confusions: np.ndarray) -> np.ndarray:
        columns = confusions.shape[2]  # a class of its own for errors of which nothing else is known
        true, predicted = np.divmod(np.arange(classes * columns), columns)
        return metrics.classification.METRICS.named(metric).function(
            true, np.eye(columns)[predicted], confusions.reshape(len(confusions), -1)
        )

    def upper_bound(optimistic: np.ndarray) -> np.ndarray:
        return function(optimistic[:, :, :classes] if classes == 2 else optimistic)  # of two, one can always be right

    presolved = Presolved.from_probabilities(stack.probabilities, stack.truth, classes)
    rises = metric not in ORDINAL and (metric != "matthews" or classes == 2)
    return ConfusionMetric(presolved, function, vectors, upper_bound if rises else None)


def _log_loss(metric: str, stack: Stack, vectors: int) -> Scores:
    right = np.take_along_axis(stack.probabilities, stack.truth[None, :, None], axis=2)[:, :, 0]

    def losses(fused: np.ndarray) -> np.ndarray:
        return -np.log(np.clip(fused, metrics.classification.CLIP, 1 - metrics.classification.CLIP)).mean(axis=1)

    return lambda weights: np.concatenate([losses(fused) for fused in fused_blocks(weights, right)])


def _brier(metric: str, stack: Stack, vectors: int) -> Scores:
    """The mean square of the weighted mean of the members' errors, which is w' G w of their mean products G (M, M)."""
    errors = stack.probabilities - np.eye(stack.probabilities.shape[2])[stack.truth]
    if errors.shape[2] == 2:
        errors = errors[:, :, 1:]
    products = np.einsum("inc,jnc->ij", errors, errors) / len(stack.truth)
    return lambda weights: np.einsum("vi,ij,vj->v", weights, products, weights)


OF_THE_CLASS = (
    *("accuracy", "balanced_accuracy", "macro_f1", "sensitivity", "recall"),
    *("specificity", "precision", "f1", "matthews", "quadratic_kappa", "mean_absolute_error"),
)
BUILDERS: dict[str, Callable[[str, Stack, int], Scores]] = {
    **dict.fromkeys(OF_THE_CLASS, of_the_class),
    "roc_auc": lambda metric, stack, vectors: RocAuc.of(stack, vectors),
    "log_loss": _log_loss,
    "brier": _brier,
}
