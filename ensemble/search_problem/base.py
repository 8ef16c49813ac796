"""What the problem of any task gives a search: objectives of weights and class weights, and what resampling needs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ensemble.engine.grid.budget import Budget
from ensemble.engine.grid.simplex import Simplex
from ensemble.engine.scoring.objective_by_threshold import ObjectiveByThreshold
from ensemble.engine.scoring.objectives import Objective
from ensemble.search_problem.context import SearchContext
from spine.core.problems import SpineError
from spine.experiment.given_weights import normalised_weights
from spine.experiment.stages import SearchSettings, steps_of

__all__ = ["SearchProblem"]


@dataclass(frozen=True)
class SearchProblem(ABC):
    """`members`, name -> what it predicts, beside the `truth`, of which weights are searched by a `metric`.

    Predictions are read when they are first asked for, and each kind of reduction is made once. With `temperature`,
    every member is scaled by one of its own before anything else. `patients` are those of the units that resamples
    draw, None where nothing is resampled. Weights that break the `budget` are never best.
    """

    members: Mapping[str, Any]
    truth: Any
    metric: str
    temperature: bool = False
    patients: np.ndarray | None = None
    budget: Budget | None = None

    TASK: ClassVar[str]

    @property
    def names(self) -> tuple[str, ...]:
        """The members' names, in the order of weights."""
        return tuple(self.members)

    @cached_property
    def temperatures(self) -> tuple[float, ...]:
        """The temperature of every member; none where they are not scaled."""
        return self._fit_temperatures() if self.temperature else ()

    def temperatures_of(self, names: Sequence[str]) -> tuple[float, ...]:
        """The temperatures of some members, by their names."""
        by_name = dict(zip(self.members, self.temperatures, strict=False))
        return tuple(by_name[name] for name in names if by_name)

    def objectives(self, settings: SearchSettings) -> ObjectiveByThreshold:
        """What weights score, within the budget; SpineError where nothing keeps that, or the metric has no value."""
        vectors = Simplex(len(self.members), steps_of(settings.step)).size if settings.method == "grid" else 1
        by_threshold = self._objectives(settings, vectors)
        budget = self.budget
        if budget is None:
            return by_threshold
        if settings.method == "line":
            raise SpineError("method 'line' does not support a budget; use grid, best, greedy, tpe or cmaes")
        members = len(self.members)
        tried = np.full((1, members), 1 / members) if settings.method == "equal" else np.eye(members)
        if settings.weights:
            tried = np.array([list(normalised_weights(settings.weights, self.names, "weights").values())])
        budget.require(tried, self.names)
        return replace(by_threshold, at=lambda fusion: budget.within(by_threshold.at(fusion)))

    @abstractmethod
    def _objectives(self, settings: SearchSettings, vectors: int) -> ObjectiveByThreshold:
        """The same without a budget; `vectors`, how many are going to be scored, decides whether compiling pays."""

    @abstractmethod
    def _fit_temperatures(self) -> tuple[float, ...]:
        """The temperature of least log loss of every member, 1 where the fit ran to its bound.

        SpineError where it predicts no probabilities.
        """

    @abstractmethod
    def class_objective(self, kept: Sequence[str]) -> tuple[Objective, int]:
        """The objective of the `kept` members' class weights, and the number of classes."""

    @abstractmethod
    def context(self, settings: SearchSettings, fusion: Mapping[str, float]) -> SearchContext:
        """What resampling the patients needs, under the chosen thresholds of the `fusion` where it has some."""
