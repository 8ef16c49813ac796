"""A weight for every member and class, found by exact line search from the best ordinary weights.

To the search each member becomes one pseudo-member a class, which has the member's probability of that class and 0 of
the others: weights of classes are weights of pseudo-members, and every score is as linear in them as ever. They are
many, so they overfit where ordinary weights would not.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from ensemble.engine.line.line_search import Line, climb, ends_between
from ensemble.engine.scoring.class_members import SUM_LIMIT, one_class_each
from ensemble.engine.scoring.objectives import BUILDERS, OF_THE_CLASS, Objective, of_the_class
from ensemble.engine.scoring.stack import Stack
from ensemble.fusion.fuse import normalised, weighted_mean
from spine import metrics
from spine.core.problems import SpineError

__all__ = ["per_class_objective", "search_per_class"]


def per_class_objective(metric: str, stack: Stack) -> Objective:
    """The objective of class weights (V, M * C) of classification; SpineError where no line can be followed."""
    if metric == "roc_auc":
        raise SpineError(
            "per_class does not support roc_auc: class weights are normalised, so no line search is exact for it; "
            "use log_loss or a metric of the predicted class, or leave per_class out"
        )
    metrics.classification.METRICS.named(metric)
    if metric not in BUILDERS:
        raise SpineError(
            f"per_class does not support {metric}: no line of its scores can be followed; use log_loss or a metric of "
            "the predicted class, or leave per_class out"
        )
    reference, classes = metrics.classification.METRICS.named(metric), stack.probabilities.shape[2]

    def score(weights: np.ndarray) -> float:
        fused = weighted_mean(list(stack.probabilities), list(weights.reshape(-1, classes)))
        return float(reference.function(stack.truth, normalised(fused)))

    split = Stack(stack.names, one_class_each(stack.probabilities), stack.truth)
    counted = of_the_class(metric, split, 1) if metric in OF_THE_CLASS else None

    def scores(weights: np.ndarray) -> np.ndarray:
        return np.array([score(row) for row in weights])

    return Objective(metric, reference.higher_is_better, counted or scores, score, stack.hash)


def search_per_class(objective: Objective, weights: np.ndarray, classes: int) -> np.ndarray:
    """Weights (M, C), never worse than ordinary `weights` (M,), all above 0, from which they climb."""
    numbers = np.arange(len(weights) * classes).reshape(-1, classes)
    found = climb(objective, np.repeat(weights, classes), list(_lines(numbers)), _without_traces)
    return found.reshape(numbers.shape)


def _lines(numbers: np.ndarray) -> Iterator[Line]:
    """Within a class from one member to another, and all of a class against the others; `numbers` (M, C) of weights."""
    for column in numbers.T:
        yield from (partial(ends_between, to=to, source=source) for k, to in enumerate(column) for source in column[:k])
        yield partial(_louder_or_quieter, column=column)


def _louder_or_quieter(weights: np.ndarray, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    start, stop = weights.copy(), weights.copy()
    start[column] /= SUM_LIMIT * weights[column].sum()
    stop[column] *= SUM_LIMIT / weights[column].sum()
    return start, stop


def _without_traces(weights: np.ndarray) -> np.ndarray:
    return np.where(weights < 1e-9, 0, weights)
