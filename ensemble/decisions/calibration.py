"""Probabilities that are as sure as they are right: a temperature, or a rising curve for each class.

Guo et al., "On calibration of modern neural networks" (ICML 2017); Zadrozny and Elkan, "Transforming classifier scores
into accurate multiclass probability estimates" (KDD 2002), one class against the rest, then normalised.

Few patients leave a temperature uncertain, and a wrong one is worse than none. So its logarithm is shrunk towards 0, no
change, by the variance that it has over resamples of the patients, as the ensemble's weights are towards equal ones.
A fit that ran to its bound, as where no unit is called wrong, is as sure in every resample: nothing supports it.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from ensemble.decisions.temperature import fit_temperature, is_at_bound, supported_temperature
from ensemble.results.decisions import Calibration, Knots
from spine.metrics.statistics import patient_resamples

__all__ = ["fit_calibration"]

RESAMPLES = 100
APART = 4  # decimals: knots closer than that would be a step, which the float32 of the served graph blurs


def fit_calibration(
    method: Literal["temperature", "isotonic"], probabilities: np.ndarray, truth: np.ndarray, patients: np.ndarray
) -> Calibration:
    """What calibrates probabilities (U, C), fitted on the true classes (U,), of which there are several.

    `patients` (U,) tell how much of a temperature the data support.
    """
    if method == "temperature":
        fitted = fit_temperature(probabilities, truth)
        bound = is_at_bound(fitted)
        share = 0.0 if bound else _supported(np.log(fitted), probabilities, truth, patients)
        return Calibration(method=method, temperature=float(fitted**share), fitted=fitted, share=share, at_bound=bound)
    classes = range(probabilities.shape[1])
    if len(classes) > 2:
        return Calibration(method=method, knots=[_fitted(probabilities[:, c], truth == c) for c in classes])
    positive = _fitted(probabilities[:, 1], truth == 1)
    return Calibration(method=method, knots=[[(1 - x, 1 - y) for x, y in reversed(positive)], positive])


def _supported(whole: float, probabilities: np.ndarray, truth: np.ndarray, patients: np.ndarray) -> float:
    """max(0, 1 - variance / square) of a temperature's logarithm; 0 of a single patient, who tells of no other.

    A resample whose fit ran to its bound speaks for no change.
    """
    count = len(np.unique(patients))
    if count < 2 or whole == 0:
        return 0.0
    draws = patient_resamples(patients, RESAMPLES, seed=0)
    drawn = [np.log(supported_temperature(probabilities, truth, often)) for often in draws]
    return float(max(0.0, 1 - np.var(drawn) * count / (count - 1) / whole**2))


def _fitted(score: np.ndarray, positive: np.ndarray) -> Knots:
    from sklearn.isotonic import IsotonicRegression

    curve = IsotonicRegression(y_min=0, y_max=1).fit(np.round(score, APART), positive.astype(np.float64))
    return list(zip(curve.X_thresholds_.tolist(), curve.y_thresholds_.tolist(), strict=True))
