"""Ratios of counts, NaN where there is nothing to divide by, and means of those that are defined."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Score", "Weights", "mean_of_defined", "ratio"]

Score = Any  # a float, or an array (R,) where weights are (R, N)
Weights = np.ndarray | None


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """`part / whole`; NaN where both are 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.true_divide(part, whole)


def mean_of_defined(rates: np.ndarray) -> Score:
    """Mean over the last axis of what is defined; NaN where nothing is."""
    defined = ~np.isnan(rates)
    return ratio(np.where(defined, rates, 0).sum(axis=-1), defined.sum(axis=-1))
