"""The content of a small metrics.json, as the old and the new code write it; tests change what they are about."""

from __future__ import annotations

from typing import Any

from ensemble.results.evaluation import ClassificationEvaluation

VALUE = {"value": 0.5, "low": 0.25, "high": 0.75, "undefined": 0}
NO_BOUNDS = {"value": 0.5, "low": None, "high": None, "undefined": 2, "why": "no resample of the patients has a value"}
NO_VALUE = {"value": None, "low": None, "high": None, "undefined": 3, "why": "the truth holds one class only"}


def row(name: str, kind: str = "member", weight: float | None = 0.5, **metrics: Any) -> dict[str, Any]:
    """A row of classification."""
    known = {"roc_auc": NO_VALUE, "accuracy": VALUE, **metrics}
    return {"name": name, "kind": kind, "weight": weight, "metrics": known, "confusion": [[3, 1], [0, 4]]}


def content(**changes: Any) -> dict[str, Any]:
    """All keys in the order in which they are written."""
    whole = {
        "experiment": "small",
        "task": "classification",
        "target": "degeneration",
        "labels": ["healthy", "degenerated"],
        "split": "test",
        "dataset": "discs",
        "headline": "roc_auc",
        "verdict": "The ensemble and the best single member on validation (a) predict the same.",
        "units": "units",
        "names": {"roc_auc": "AUC", "accuracy": "accuracy"},
        "counts": {"patients": 1, "units": 8, "rows": 8, "units_per_class": {"healthy": 4, "degenerated": 4}},
        "bootstrap": {"resamples": 100, "confidence": 0.95, "seed": 1},
        "overlap": {"patients": 0, "seen": {}, "unchecked": {"b": "names no patients"}},
        "notes": ["Overlap was not checked for b: it names no patients."],
        "search": {
            "task": "classification",
            "metric": "log_loss",
            "method": "grid",
            "step": 0.5,
            "score": 0.5,
            "fusion": None,
            "split": "validation",
            "nested": {},
            "contributions": {},
            "temperatures": None,
        },
        "stopped_on_searched": ["a"],
        "validation": {"a": 0.5, "b": None, "equal weights": 0.5, "ensemble": 0.5},
        "best_on_validation": "a",
        "best_on_test": "b",
        "rows": [row("a"), row("b"), row("equal weights", "equal", None), row("ensemble", "ensemble", None)],
        "comparisons": [
            {
                "against": "a",
                "role": "the best single member on validation",
                "identical": False,
                "differences": {"roc_auc": NO_VALUE},
                "all_differences": {"roc_auc": NO_VALUE, "accuracy": NO_BOUNDS},
                "mcnemar": {"only_first": 1, "only_second": 2, "p": 1.0},
                "delong": None,
                "verdict": "No evidence.",
            }
        ],
        "without": [{"name": "a", "weight": 0.5, "score": VALUE, "difference": NO_BOUNDS}],
        "pairs": {"of": "units", "pairs": [{"members": ["a", "b"], "disagreement": VALUE, "double_fault": VALUE}]},
        "costs": {"a": {"seconds": None, "megabytes": 1.5, "summed": False}},
        "inputs_hash": "1234",
        "undefined": {"b": "the truth holds one class only"},
    }
    last = {"undefined": whole.pop("undefined")}
    named = {key: value for key, value in changes.items() if key in ClassificationEvaluation.model_fields}
    return {**whole, **named, **last, **changes}


def evaluation(**changes: Any) -> ClassificationEvaluation:
    """The same as it is read."""
    return ClassificationEvaluation.model_validate(content(**changes))
