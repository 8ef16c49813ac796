"""A weight for each class of the members that a search chose, which may raise its score, and never lowers it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ensemble.engine.line.per_class import per_class_objective, search_per_class
from ensemble.engine.scoring.images import reduce_images
from ensemble.engine.scoring.objectives import Objective
from ensemble.engine.scoring.stack import Stack
from ensemble.fuse import without_zeros
from spine.problems import SpineError

__all__ = ["find_class_weights"]


def find_class_weights(
    members: Mapping[str, Any],
    truth: Any,
    task: str,
    metric: str,
    weights: Mapping[str, float],
    temperatures: Mapping[str, float],
) -> tuple[dict[str, tuple[float, ...]], float]:
    """Class weights by member, all 0 where the weight is 0, and their score; `members` as `search_weights` takes them.

    SpineError where no line search is exact, or the pixels do not fit into memory.
    """
    kept = without_zeros(weights)
    chosen = {name: members[name] for name in kept}
    scales = tuple(temperatures[name] for name in kept if temperatures)
    objective, classes = _objective(chosen, truth, task, metric, scales)
    found = search_per_class(objective, np.array(list(kept.values())), classes)
    nothing = dict.fromkeys(weights, (0.0,) * classes)
    by_name = {name: tuple(row) for name, row in zip(kept, found.tolist(), strict=True)}
    return {**nothing, **by_name}, objective.reference(found.ravel())


def _objective(
    members: Mapping[str, Any], truth: Any, task: str, metric: str, temperatures: tuple[float, ...]
) -> tuple[Objective, int]:
    """The objective of class weights, and the number of classes."""
    if task == "detection":
        raise SpineError("per_class weights class probabilities, which detection does not have; leave it out")
    if task == "segmentation":
        presolved = reduce_images(members, truth, metric.endswith("_per_image"), temperatures, per_class=True)
        return Objective.of_images(metric, presolved), presolved.fixed.shape[1]
    stack = Stack.from_members(members, truth)
    stack = stack.tempered(temperatures) if temperatures else stack
    return per_class_objective(metric, stack), stack.probabilities.shape[2]
