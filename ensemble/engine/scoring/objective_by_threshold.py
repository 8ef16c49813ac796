"""The objectives of one search: a single one where only weights are chosen, else one for each pair of thresholds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from ensemble.engine.scoring.objectives import Objective

__all__ = ["FusionThresholds", "ObjectiveByThreshold"]

FusionThresholds = Mapping[str, float]  # by name, chosen beside the weights: those of weighted boxes fusion, or none


@dataclass(frozen=True)
class ObjectiveByThreshold:
    """`at` gives the objective under some thresholds of the fusion; `values` are their names and the values to try.

    `alone` gives the score of a member, by its number, without fusion; the same metric as the objectives'.
    """

    at: Callable[[FusionThresholds], Objective]
    alone: Callable[[int], float]
    values: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    @classmethod
    def of_one(cls, objective: Objective, members: int) -> ObjectiveByThreshold:
        """Of a fusion that has no thresholds: the weighted mean."""
        return cls(lambda thresholds: objective, lambda member: objective.reference(np.eye(members)[member]))

    @property
    def thresholds(self) -> list[FusionThresholds]:
        """Every combination of the values, the first name changing slowest; a single empty one where there is none."""
        return [dict(zip(self.values, values, strict=True)) for values in product(*self.values.values())]

    @property
    def first(self) -> Objective:
        """The objective under the first thresholds: all share metric, direction and inputs."""
        return self.at(self.thresholds[0])
