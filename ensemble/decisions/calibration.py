"""Probabilities that are as sure as they are right: a temperature, or a rising curve for each class.

Guo et al., "On calibration of modern neural networks" (ICML 2017); Zadrozny and Elkan, "Transforming classifier scores
into accurate multiclass probability estimates" (KDD 2002), one class against the rest, then normalised.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from ensemble.decisions.temperature import fit_temperature
from ensemble.results.decisions import Calibration, Knots

__all__ = ["fit_calibration"]

APART = 4  # decimals: knots closer than that would be a step, which the float32 of the served graph blurs


def fit_calibration(
    method: Literal["temperature", "isotonic"], probabilities: np.ndarray, truth: np.ndarray
) -> Calibration:
    """What calibrates probabilities (U, C), fitted on the true classes (U,), of which there are several."""
    if method == "temperature":
        return Calibration(method=method, temperature=fit_temperature(probabilities, truth))
    classes = range(probabilities.shape[1])
    if len(classes) > 2:
        return Calibration(method=method, knots=[_fitted(probabilities[:, c], truth == c) for c in classes])
    positive = _fitted(probabilities[:, 1], truth == 1)
    return Calibration(method=method, knots=[[(1 - x, 1 - y) for x, y in reversed(positive)], positive])


def _fitted(score: np.ndarray, positive: np.ndarray) -> Knots:
    from sklearn.isotonic import IsotonicRegression

    curve = IsotonicRegression(y_min=0, y_max=1).fit(np.round(score, APART), positive.astype(np.float64))
    return list(zip(curve.X_thresholds_.tolist(), curve.y_thresholds_.tolist(), strict=True))
