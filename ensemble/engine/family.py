"""The objectives of one search: one where weights are all there is to choose, one a setting where fusion has others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from ensemble.engine.objectives import Objective

__all__ = ["Family", "Setting"]

Setting = Mapping[str, float]  # what is chosen beside the weights, by name: of boxes the thresholds of their fusion


@dataclass(frozen=True)
class Family:
    """`at` gives the objective of one setting, whose names and values to try are `values`.

    `alone` gives the score of a member, by its number, without fusion; the same metric as the objectives'.
    """

    at: Callable[[Setting], Objective]
    alone: Callable[[int], float]
    values: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    @classmethod
    def of_one(cls, objective: Objective, members: int) -> Family:
        """Of a fusion that has no settings: the weighted mean."""
        return cls(lambda setting: objective, lambda member: objective.reference(np.eye(members)[member]))

    @property
    def settings(self) -> list[Setting]:
        """Every combination of the values, the first name changing slowest; a single empty one where there is none."""
        return [dict(zip(self.values, values, strict=True)) for values in product(*self.values.values())]

    @property
    def first(self) -> Objective:
        """The objective of the first setting: all share metric, direction and inputs."""
        return self.at(self.settings[0])
