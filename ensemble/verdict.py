"""Is the ensemble better? Paired differences, tests, and one plain sentence for or against."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from ensemble.contenders import Contender, Contenders
from spine import metrics
from spine.statistics import Interval, delong, interval, mcnemar

__all__ = ["LABELS", "compare", "p_value"]

LABELS = {
    "roc_auc": "AUC",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "matthews": "Matthews correlation",
    "log_loss": "log loss",
    "brier": "Brier score",
}


def compare(
    contenders: Contenders, other: Contender, role: str, draws: np.ndarray, confidence: float, headline: str
) -> dict[str, Any]:
    """The ensemble against `other` (`role` says who that is) on the same units and the same resamples of patients."""
    ensemble, truth = contenders.ensemble.probabilities, contenders.values
    differences = {
        name: _difference(name, truth, ensemble, other.probabilities, draws, confidence)
        for name in dict.fromkeys((headline, "accuracy"))
    }
    discordant = mcnemar(truth, metrics.predicted(ensemble), metrics.predicted(other.probabilities))
    areas = _delong(truth, ensemble, other.probabilities)
    found = {
        "against": other.name,
        "role": role,
        "identical": bool(np.array_equal(ensemble, other.probabilities)),
        "differences": {name: asdict(difference) for name, difference in differences.items()},
        "mcnemar": asdict(discordant),
        "delong": areas,
    }
    p_values = {"accuracy": f"exact McNemar {p_value(discordant.p)}"}
    if areas:
        p_values["roc_auc"] = f"DeLong {p_value(areas['p'])}"
    whom = f"{role} ({other.name})" if other.kind == "member" else other.name
    told = ", ".join(_told(name, one, p_values.get(name), confidence) for name, one in differences.items())
    claim = _claim(whom, found, headline, confidence)
    return {**found, "verdict": f"{claim}." if found["identical"] else f"{claim}; {told}."}


def p_value(p: float) -> str:
    """`p = 0.031`, `p < 0.001`, or `p undefined`."""
    if np.isnan(p):
        return "p undefined"
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def _difference(
    name: str, truth: np.ndarray, first: np.ndarray, second: np.ndarray, draws: np.ndarray, confidence: float
) -> Interval:
    function = metrics.METRICS[name].function
    return interval(lambda w: function(truth, first, w) - function(truth, second, w), draws, confidence)


def _delong(truth: np.ndarray, first: np.ndarray, second: np.ndarray) -> dict[str, float] | None:
    """None where it does not apply: more than two classes, or fewer than two units of either."""
    if first.shape[1] != 2 or np.bincount(truth, minlength=2).min() < 2:
        return None
    return asdict(delong(truth, first[:, 1], second[:, 1]))


def _claim(whom: str, found: dict[str, Any], headline: str, confidence: float) -> str:
    """A claim needs the interval over patients to leave out 0 and, where DeLong applies, its p to be small too.

    DeLong takes units for independent, the percentile interval is narrow on few patients: neither is enough alone.
    """
    difference = Interval(**found["differences"][headline])
    if found["identical"]:
        return f"The ensemble and {whom} predict the same"
    if not np.isfinite(difference.low):
        return f"Whether the ensemble is better than {whom} cannot be told on these patients"
    better = "better" if (difference.value > 0) == metrics.METRICS[headline].higher_is_better else "worse"
    if not difference.excludes_zero:
        return f"No evidence that the ensemble is better than {whom}"
    if found["delong"] and headline == "roc_auc" and not found["delong"]["p"] < 1 - confidence:
        return f"Weak evidence that the ensemble is {better} than {whom}: the interval leaves out 0, but p is not small"
    return f"The ensemble is {better} than {whom}"


def _told(name: str, found: Interval, p: str | None, confidence: float) -> str:
    bounds = f"{confidence * 100:g} % interval {found.low:+.3f} to {found.high:+.3f}"
    inside = bounds if np.isfinite(found.low) else "no interval"
    return f"{LABELS[name]} {found.value:+.3f} ({'; '.join(filter(None, (inside, p)))})"
