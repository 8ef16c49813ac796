"""A temperature for a member, which makes it as sure as it is right: fitted by log loss.

Guo et al., "On calibration of modern neural networks" (ICML 2017), here of probabilities instead of logits.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from spine.metrics.classification import CLIP

__all__ = ["fit_temperature", "is_at_bound", "supported_temperature"]

LARGEST = 10.0  # and the least is 1 / LARGEST: beyond, a member is all but certain, or says nothing
NEAR = 1.001  # times a bound: where a fit that ran to it ends


def fit_temperature(probabilities: np.ndarray, truth: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The temperature of least log loss for probabilities (N, C) of classes `truth` (N,).

    `weights` (N,) are how often each row counts; without them, once.
    """
    logs = np.log(np.clip(probabilities, CLIP, 1))
    rows = np.arange(len(truth))

    def loss(log_temperature: float) -> float:  # convex in 1 / temperature, so it has one minimum
        right = log_softmax(logs / np.exp(log_temperature), axis=1)[rows, truth]
        return -float(np.average(right, weights=weights))

    most = np.log(LARGEST)
    return float(np.exp(minimize_scalar(loss, bounds=(-most, most), method="bounded", options={"xatol": 1e-6}).x))


def is_at_bound(temperature: float) -> bool:
    """Whether a fit ran to its bound, as where no row is called wrong: what is best lies beyond, at no number."""
    return not NEAR / LARGEST < temperature < LARGEST / NEAR


def supported_temperature(probabilities: np.ndarray, truth: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The same as `fit_temperature`; 1, no change, where that ran to its bound."""
    fitted = fit_temperature(probabilities, truth, weights)
    return 1.0 if is_at_bound(fitted) else fitted
