"""A weight for each class of the members that a search chose, which may raise its score, and never lowers it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ensemble.engine.line.per_class import search_per_class
from ensemble.fusion.fuse import without_zeros
from ensemble.search_problem.base import SearchProblem

__all__ = ["find_class_weights"]


def find_class_weights(
    problem: SearchProblem, weights: Mapping[str, float]
) -> tuple[dict[str, tuple[float, ...]], float]:
    """Class weights by member, all 0 where the weight is 0, and their score.

    SpineError where no line search is exact, or the pixels do not fit into memory.
    """
    kept = without_zeros(weights)
    objective, classes = problem.class_objective(tuple(kept))
    class_weights = search_per_class(objective, np.array(list(kept.values())), classes)
    zeros = dict.fromkeys(weights, (0.0,) * classes)
    by_name = {name: tuple(row) for name, row in zip(kept, class_weights.tolist(), strict=True)}
    return {**zeros, **by_name}, objective.reference(class_weights.ravel())
