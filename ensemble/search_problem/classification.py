"""The search's problem of classification: every unit's probabilities in one array."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ensemble.decisions.temperature import supported_temperature
from ensemble.engine.line.per_class import per_class_objective
from ensemble.engine.nested.nested_search import nested_search
from ensemble.engine.nested.resampled_gains import MOST_VECTORS
from ensemble.engine.nested.scorers import SampleScorer
from ensemble.engine.scoring.objective_by_threshold import ObjectiveByThreshold
from ensemble.engine.scoring.objectives import Objective
from ensemble.engine.scoring.stack import Stack
from ensemble.search_problem.base import SearchProblem
from ensemble.search_problem.context import Repeat, SearchContext
from spine import metrics
from spine.experiment.stages import SearchSettings

__all__ = ["ClassificationProblem"]

UNITS_SCORED = 2e9  # units times resamples times weights: a limit by a count, so that any machine does the same work


@dataclass(frozen=True)
class ClassificationProblem(SearchProblem):
    """Members give probabilities (N, C), the truth N class indices."""

    TASK = "classification"

    @cached_property
    def unscaled(self) -> Stack:
        """The members' own probabilities."""
        return Stack.from_members(self.members, self.truth)

    @cached_property
    def stack(self) -> Stack:
        """The probabilities that are averaged."""
        return self.unscaled.tempered(self.temperatures) if self.temperatures else self.unscaled

    def _fit_temperatures(self) -> tuple[float, ...]:
        return tuple(supported_temperature(member, self.unscaled.truth) for member in self.unscaled.probabilities)

    def _objectives(self, settings: SearchSettings, vectors: int) -> ObjectiveByThreshold:
        return ObjectiveByThreshold.of_one(Objective.of(self.metric, self.stack, vectors), len(self.members))

    def class_objective(self, kept: Sequence[str]) -> tuple[Objective, int]:
        """Of the kept members' rows of the stack."""
        few = self.stack.members(np.array([self.names.index(name) for name in kept]))
        return per_class_objective(self.metric, few), few.probabilities.shape[2]

    def context(self, settings: SearchSettings, fusion: Mapping[str, float]) -> SearchContext:
        """Whole searches are repeated, temperatures included."""
        assert self.patients is not None
        units, classes = self.stack.probabilities.shape[1:]
        uniform = metrics.classification.METRICS.named(self.metric).function(
            self.stack.truth, np.full((units, classes), 1 / classes)
        )
        return SearchContext(
            Objective.of(self.metric, self.stack, MOST_VECTORS),
            len(self.members),
            (SampleScorer(self.stack, self.metric, self.patients),),
            self.patients,
            nothing=float(np.nan_to_num(uniform)),
            most=int(UNITS_SCORED / (2 * max(settings.resamples, 1) * units)),
            repeat=self._repeat(settings.per_class) if settings.temperature or settings.per_class else None,
            scorers_fitted_on=self._scorers_fitted_on if self.temperature else None,
        )

    def _scorers_fitted_on(self, units: np.ndarray) -> tuple[SampleScorer, ...]:
        some = self.unscaled.rows(units)
        temperatures = [supported_temperature(member, some.truth) for member in some.probabilities]
        return (SampleScorer(self.unscaled.tempered(temperatures), self.metric, self.patients),)

    def _repeat(self, per_class: bool) -> Repeat:
        fit = supported_temperature if self.temperature else None

        def repeat(draws: np.ndarray, steps: int, allowed: Any) -> Iterator[float]:
            return nested_search(
                self.unscaled, self.metric, draws, steps, fit=fit, per_class=per_class, allowed=allowed
            )

        return repeat
