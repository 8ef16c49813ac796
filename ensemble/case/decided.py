"""What decisions on discs are worth, as functions of how often each disc counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ensemble.decisions.decide import decide
from ensemble.decisions.shares import Share, every_patient_alike, share
from ensemble.results.decisions import Decisions

__all__ = ["shares_of"]


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
        shares["sensitivity, as decided"] = share(called, positive)
        shares["specificity, as decided"] = share(~called, ~positive)
    if (sets := made.get("prediction_set")) is not None:
        every = np.ones(len(truth), dtype=bool)
        alike = every_patient_alike(patients, every)
        shares["coverage of the sets"] = share(sets[np.arange(len(truth)), truth], alike)
        shares["share undecided"] = share(sets.sum(axis=1) != 1, every)
    return shares
