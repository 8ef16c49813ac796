"""Is the ensemble better? Paired differences, tests, and one plain sentence for or against."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from ensemble.contenders import Contender, Contenders
from spine import metrics
from spine.statistics import Interval, interval

__all__ = ["Score", "compare", "difference", "p_value", "remembered"]

Score = Callable[[Any, str, Any], Any]  # row, metric, weights (..., U) -> (...)


def compare(
    contenders: Contenders,
    other: Contender,
    role: str,
    draws: np.ndarray,
    confidence: float,
    headline: str,
    score: Score | None = None,
) -> dict[str, Any]:
    """The ensemble against `other` (`role` says who that is) on the same units and the same resamples of patients.

    `score` stands in for the contenders' own, where it remembers some. The verdict tells of a few `differences`;
    `all_differences` are those of every metric that is reported.
    """
    score = score or contenders.score
    every = {
        name: difference(contenders, other, name, draws, confidence, score)
        for name in dict.fromkeys((headline, *contenders.COMPARED, *contenders.reported))
    }
    differences = {name: every[name] for name in dict.fromkeys((headline, *contenders.COMPARED))}
    tests = contenders.tests(other)
    found = {
        "against": other.name,
        "role": role,
        "identical": contenders.identical(other),
        "differences": {name: asdict(one) for name, one in differences.items()},
        "all_differences": {name: asdict(one) for name, one in every.items()},
        **{test.key: test.found for test in tests},
    }
    p_values = {test.metric: test.found["p"] for test in tests if test.found}
    labels = {test.metric: f"{test.label} {p_value(test.found['p'])}" for test in tests if test.found}
    whom = f"{role} ({other.name})" if other.kind == "member" else other.name
    told = ", ".join(
        _told(contenders.names[name], one, labels.get(name), confidence) for name, one in differences.items()
    )
    higher_is_better = metrics.metric(headline, contenders.TASK).higher_is_better
    worse = [contenders.names[name] for name, one in differences.items() if _is_worse(one, name, contenders.TASK)]
    claim = _claim(whom, found, headline, higher_is_better, p_values.get(headline), confidence, worse)
    if found["identical"]:
        return {**found, "verdict": f"{claim}{': that member has all the weight' if other.weight == 1 else ''}."}
    return {**found, "verdict": f"{claim}; {told}."}


def remembered(contenders: Contenders, draws: np.ndarray) -> Score:
    """`contenders.score`, which scores no row by a metric on these draws twice."""
    known: dict[tuple[str, ...], Any] = {}

    def score(row: Contender, metric: str, weights: Any) -> Any:
        if weights is not draws:
            return contenders.score(row, metric, weights)
        key = (row.kind, row.name, metric)
        if key not in known:
            known[key] = contenders.score(row, metric, draws)
        return known[key]

    return score


def p_value(p: float) -> str:
    """`p = 0.031`, `p < 0.001`, or `p undefined`."""
    if np.isnan(p):
        return "p undefined"
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def difference(
    contenders: Contenders, other: Contender, name: str, draws: np.ndarray, confidence: float, score: Score
) -> Interval:
    """What the ensemble has of a metric above `other`, on the same resamples."""

    def ahead(weights: np.ndarray) -> Any:
        return score(contenders.ensemble, name, weights) - score(other, name, weights)

    return interval(ahead, draws, confidence)


def _claim(
    whom: str,
    found: dict[str, Any],
    headline: str,
    higher_is_better: bool,
    p: float | None,
    confidence: float,
    worse: Sequence[str] = (),
) -> str:
    """A claim needs the interval over patients to leave out 0 and, where the headline has a test, its p to be small.

    DeLong takes units for independent, the percentile interval is narrow on few patients: neither is enough alone.
    Where the headline tells nothing, what is `worse` by another metric is said all the same.
    """
    ahead = Interval(**found["differences"][headline])
    if found["identical"]:
        return f"The ensemble and {whom} predict the same"
    if not np.isfinite(ahead.low):
        return f"Whether the ensemble is better than {whom} cannot be told on these patients"
    better = "better" if (ahead.value > 0) == higher_is_better else "worse"
    if not ahead.excludes_zero:
        return f"No evidence that the ensemble is better than {whom}{_worse_by(worse)}"
    if p is not None and not p < 1 - confidence:
        return f"Weak evidence that the ensemble is {better} than {whom}: the interval leaves out 0, but p is not small"
    return f"The ensemble is {better} than {whom}"


def _is_worse(ahead: Interval, name: str, task: str) -> bool:
    """Whether the interval leaves out 0 on the wrong side."""
    return ahead.excludes_zero and (ahead.value > 0) != metrics.metric(name, task).higher_is_better


def _worse_by(names: Sequence[str]) -> str:
    return f", and by {' and '.join(names)} it is worse" if names else ""


def _told(name: str, found: Interval, p: str | None, confidence: float) -> str:
    if np.isnan(found.value):
        return f"{name} undefined"
    bounds = f"{confidence * 100:g} % interval {found.low:+.3f} to {found.high:+.3f}"
    inside = bounds if np.isfinite(found.low) else "no interval"
    return f"{name} {found.value:+.3f} ({'; '.join(filter(None, (inside, p)))})"
