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
    sentence = _identical(whom) if found["identical"] else _sentence(whom, differences, p_values, confidence)
    return {**found, "verdict": sentence}


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


def _identical(whom: str) -> str:
    return f"The ensemble is {whom} itself, prediction for prediction: there is nothing to compare."


def _sentence(whom: str, differences: dict[str, Interval], p_values: dict[str, str], confidence: float) -> str:
    headline, first = next(iter(differences.items()))
    told = [_told(name, found, p_values.get(name), confidence) for name, found in differences.items()]
    if not np.isfinite(first.low):
        return f"Whether the ensemble is better than {whom} cannot be told on so few patients: {', '.join(told)}."
    if not first.excludes_zero:
        return f"No evidence that the ensemble is better than {whom}: {', '.join(told)}."
    higher_is_better = metrics.METRICS[headline].higher_is_better
    better = "better" if (first.value > 0) == higher_is_better else "worse"
    return f"The ensemble is {better} than {whom}: {', '.join(told)}."


def _told(name: str, found: Interval, p: str | None, confidence: float) -> str:
    bounds = f"{confidence * 100:g} % interval {found.low:+.3f} to {found.high:+.3f}"
    inside = bounds if np.isfinite(found.low) else "no interval"
    return f"{LABELS[name]} {found.value:+.3f} ({'; '.join(filter(None, (inside, p)))})"
