"""The rows' metrics on the same resamples of patients, as numbers with intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from ensemble.evaluators.rows import EvaluatedRow, Evaluator
from ensemble.results.evaluation import Estimate
from spine.experiment.stages import EvaluateSettings
from spine.metrics.statistics import Interval, interval, patient_resamples

__all__ = ["ResampledScores"]


@dataclass(frozen=True)
class ResampledScores:
    """`draws` (R, U) say how often each unit of the rows counts; no row is scored by a metric on them twice."""

    rows: Evaluator[Any]
    draws: np.ndarray
    confidence: float
    _known: dict[tuple[str, ...], Any] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Evaluator[Any], settings: EvaluateSettings, seed: int) -> ResampledScores:
        """Draw the patients of these rows as the settings ask."""
        return cls(rows, patient_resamples(rows.patients, settings.resamples, seed), settings.confidence)

    @property
    def headline(self) -> str:
        """The metric that the verdict is about."""
        return self.rows.compared[0]

    def of_row(self, row: EvaluatedRow, metric: str) -> Estimate:
        """A metric of one row."""
        return self.measure(partial(self._score, row, metric), metric)

    def ahead_of(self, other: EvaluatedRow, metric: str) -> Interval:
        """What the ensemble has of a metric above `other`."""

        def ahead(weights: np.ndarray) -> Any:
            return self._score(self.rows.ensemble, metric, weights) - self._score(other, metric, weights)

        return interval(ahead, self.draws, self.confidence)

    def measure(self, statistic: Callable[[np.ndarray], Any], metric: str) -> Estimate:
        """A statistic of unit weights (..., U) -> (...); `metric` tells why it may be undefined."""
        return self.estimate(interval(statistic, self.draws, self.confidence), metric)

    def estimate(self, found: Interval, metric: str) -> Estimate:
        """An interval as it is written."""
        return Estimate.of(found, metric, self.rows.TASK, self.rows.counts.patients)

    def _score(self, row: EvaluatedRow, metric: str, weights: np.ndarray) -> Any:
        if weights is not self.draws:
            return self.rows.score(row, metric, weights)
        key = (row.kind, row.name, metric)
        if key not in self._known:
            self._known[key] = self.rows.score(row, metric, self.draws)
        return self._known[key]
