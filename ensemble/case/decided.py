"""What decisions on discs are worth, as functions of how often each disc counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ensemble.decisions.decide import decide
from ensemble.results.decisions import Decisions
from spine.metrics.rates import ratio

__all__ = ["shares_of"]

Share = Callable[[np.ndarray], Any]  # of weights (..., U)


def shares_of(
    decisions: Decisions, probabilities: np.ndarray, truth: np.ndarray, patients: Sequence[str]
) -> dict[str, Share]:
    """Measures by name, of probabilities (U, C), classes (U,) and patients of U discs; only of what is decided.

    In the coverage of the sets every patient counts the same, as it was fitted.
    """
    made = decide(probabilities, decisions)
    shares = {}
    if (called := made.get("decision")) is not None:
        positive = truth == probabilities.shape[1] - 1
        shares["sensitivity, as decided"] = _share(called, positive)
        shares["specificity, as decided"] = _share(~called, ~positive)
    if (sets := made.get("prediction_set")) is not None:
        _, patient_of, counts = np.unique(patients, return_inverse=True, return_counts=True)
        shares["coverage of the sets"] = _share(sets[np.arange(len(truth)), truth], 1 / counts[patient_of])
        shares["share undecided"] = _share(sets.sum(axis=1) != 1, np.ones(len(truth)))
    return shares


def _share(what: np.ndarray, among: np.ndarray) -> Share:
    """How often it is so, among those that count; NaN where none does."""
    return lambda weights: ratio(weights @ (among * what), weights @ among.astype(np.float64))
