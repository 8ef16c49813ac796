"""A budget that weights must keep: an ensemble costs the sum of the members it runs, those of weight above 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ensemble.engine.scoring.objectives import Objective
from spine.core.problems import SpineError

__all__ = ["Budget"]

ROUNDING = 1e-9  # relative: a sum of costs that meets its limit on paper keeps it


@dataclass(frozen=True)
class Budget:
    """`limits` by name of what is limited, such as "ms an image", and the `costs` of every member, in order, by it."""

    limits: Mapping[str, float]
    costs: Mapping[str, Sequence[float]]

    def allows(self, weights: np.ndarray) -> np.ndarray:
        """Which (V,) of the weights (V, M) keep every limit."""
        runs = np.asarray(weights) > 0
        kept = [runs @ np.asarray(self.costs[name]) <= limit * (1 + ROUNDING) for name, limit in self.limits.items()]
        return np.logical_and.reduce(kept) if kept else np.ones(len(runs), dtype=bool)

    def require(self, weights: np.ndarray, names: Sequence[str]) -> None:
        """SpineError with every limit and cost unless one of the weights (V, M) keeps it."""
        if self.allows(weights).any():
            return
        limits = [
            f"at most {limit:g} {name}, where "
            + ", ".join(f"{member} takes {cost:.4g}" for member, cost in zip(names, self.costs[name], strict=True))
            for name, limit in self.limits.items()
        ]
        raise SpineError(
            f"no weight vector fits the budget: {'; '.join(limits)}. An ensemble costs the sum of its members of "
            "weight above 0; raise the limit, or add a smaller member"
        )

    def named(self, names: Sequence[str]) -> dict[str, dict[str, float]]:
        """What each member costs, by what is limited and by name."""
        return {limited: dict(zip(names, costs, strict=True)) for limited, costs in self.costs.items()}

    def within(self, objective: Objective) -> Objective:
        """The same objective, in which weights that cost too much are worse than any other."""
        worst = objective.score_of(np.array([-np.inf]))[0]

        def scores(weights: np.ndarray) -> np.ndarray:
            allowed, values = self.allows(weights), np.full(len(weights), worst)
            if allowed.any():
                values[allowed] = objective.scores(weights[allowed])
            return values

        return replace(objective, scores=scores)
