"""Is the ensemble better? Paired differences, tests, and one plain sentence for or against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ensemble.evaluators.resampled_scores import ResampledScores
from ensemble.evaluators.rows import EvaluatedRow, PairedTest
from ensemble.results.evaluation import Comparison
from spine.core.words import enumerated, signed
from spine.metrics.statistics import Interval
from spine.tasks import TASKS

__all__ = ["compare", "p_value"]


def compare(scores: ResampledScores, other: EvaluatedRow, role: str) -> Comparison:
    """The ensemble against `other` (`role` says who that is) on the same units and the same resamples of patients.

    The verdict tells of a few `differences`; `all_differences` are those of every metric that is reported.
    """
    rows = scores.rows
    every = {name: scores.ahead_of(other, name) for name in dict.fromkeys((*rows.compared, *rows.reported))}
    written = {name: scores.estimate(ahead, name) for name, ahead in every.items()}
    tests = rows.tests(other)
    results: Any = {test.key: test.result for test in tests}
    told = {name: every[name] for name in rows.compared}
    verdict = _Verdict(scores, other, role, rows.identical(other), told, _applying(tests))
    return Comparison(
        against=other.name,
        role=role,
        identical=verdict.identical,
        differences={name: written[name] for name in rows.compared},
        all_differences=written,
        verdict=verdict.sentence,
        **results,
    )


def p_value(p: float) -> str:
    """`p = 0.031`, `p < 0.001`, or `p undefined`."""
    if np.isnan(p):
        return "p undefined"
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def _applying(tests: tuple[PairedTest, ...]) -> dict[str, PairedTest]:
    return {test.metric: test for test in tests if test.result}


@dataclass(frozen=True)
class _Verdict:
    """What the sentence is made of; `tests` by the metric that they are about."""

    scores: ResampledScores
    other: EvaluatedRow
    role: str
    identical: bool
    differences: Mapping[str, Interval]
    tests: Mapping[str, PairedTest]

    @property
    def sentence(self) -> str:
        """A claim for or against the ensemble, and the numbers it stands on."""
        if self.identical:
            return f"{self._claim}{': that member has all the weight' if self.other.weight == 1 else ''}."
        return f"{self._claim}; {', '.join(map(self._number, self.differences))}."

    @property
    def _claim(self) -> str:
        """A claim needs the interval over patients to leave out 0 and, where the headline has a test, its p to be
        small.

        DeLong takes units for independent, the percentile interval is narrow on few patients: neither is enough alone.
        """
        headline, whom = self.scores.headline, self._whom
        ahead = self.differences[headline]
        if self.identical:
            return f"The ensemble and {whom} predict the same"
        if not np.isfinite(ahead.low) or ahead.low == ahead.high != 0:  # each resample that has a value has the same
            return f"Whether the ensemble is better than {whom} cannot be told on these patients"
        if not ahead.excludes_zero:
            return f"No evidence that the ensemble is better than {whom}{self._worse_by}"
        better = "better" if (ahead.value > 0) == self._higher_is_better(headline) else "worse"
        if not self._is_small(headline):
            claim = f"Weak evidence that the ensemble is {better} than {whom}"
            return f"{claim}: the interval leaves out 0, but p is not small"
        return f"The ensemble is {better} than {whom}"

    @property
    def _whom(self) -> str:
        return self.other.name if self.other.kind == "equal" else f"{self.role} ({self.other.name})"

    @property
    def _worse_by(self) -> str:
        """Where the headline tells nothing, what is surely worse by another metric is said all the same."""
        names = [
            self.scores.rows.names[metric]
            for metric, ahead in self.differences.items()
            if ahead.excludes_zero and (ahead.value > 0) != self._higher_is_better(metric) and self._is_small(metric)
        ]
        return f", and by {enumerated(names)} it is worse" if names else ""

    def _is_small(self, metric: str) -> bool:
        """Whether the p of the metric's own test is small; of a metric without a test nothing else is asked."""
        test = self.tests.get(metric)
        return test is None or test.p < 1 - self.scores.confidence

    def _number(self, metric: str) -> str:
        """Such as `AUC +0.020 (95 % interval +0.010 to +0.030; DeLong p = 0.01)`."""
        name, ahead, test = self.scores.rows.names[metric], self.differences[metric], self.tests.get(metric)
        if np.isnan(ahead.value):
            return f"{name} undefined"
        bounds = f"{self.scores.confidence * 100:g} % interval {signed(ahead.low)} to {signed(ahead.high)}"
        inside = bounds if np.isfinite(ahead.low) else "no interval"
        return f"{name} {signed(ahead.value)} ({inside}{f'; {test.label} {p_value(test.p)}' if test else ''})"

    def _higher_is_better(self, metric: str) -> bool:
        return TASKS[self.scores.rows.TASK].metrics.named(metric).higher_is_better
