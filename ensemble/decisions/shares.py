"""How often something is so among some units, as functions of how often each unit counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from spine.metrics.rates import ratio

__all__ = ["Share", "every_patient_alike", "share"]

Share = Callable[[np.ndarray], Any]  # of weights (..., U)


def share(what: np.ndarray, among: np.ndarray) -> Share:
    """The mean of `what` (U,) over units that count as much as `among` (U,) says; NaN where none does."""
    counted = among.astype(np.float64)
    return lambda weights: ratio(weights @ (counted * what), weights @ counted)


def every_patient_alike(patients: Sequence[str] | np.ndarray, among: np.ndarray) -> np.ndarray:
    """How much some units (U,) bool count where every patient who has some of them counts the same."""
    counted = among.astype(np.float64)
    _, patient_of = np.unique(patients, return_inverse=True)
    return counted / np.maximum(np.bincount(patient_of, counted)[patient_of], 1)
