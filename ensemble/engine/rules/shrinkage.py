"""Weights part of the way from equal weights to what the patients prefer: as far as resamples of them agree.

The optimum of few patients is noise. How much of it is noise, bootstrap resamples of the patients tell: the more their
optima scatter, compared with how far the optimum lies from equal weights, the nearer to equal weights the result.
This is the positive-part Stein factor (James and Stein 1961), applied to combination weights, whose estimation costs
more than it gains where it is noisy (Claeskens et al., International Journal of Forecasting 2016).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Shrinkage", "shrink"]


@dataclass(frozen=True)
class Shrinkage:
    """`weights` (M,) that go the `share` of the way (0 to 1) from the target to `mean` (M,), the resamples' centre."""

    share: float
    weights: np.ndarray
    mean: np.ndarray


def shrink(centre: np.ndarray, centres: np.ndarray, target: np.ndarray) -> Shrinkage:
    """Shrink towards the `target` (M,), equal weights.

    `centre` (M,) is the middle of the weights that are best on all patients, `centres` (R, M) are those of R resamples.
    With lambda = max(0, 1 - sum of their variances / squared distance of the centre from the target), the result is
    target + lambda * (mean of the centres - target). Without a resample nothing supports leaving the target.
    """
    if not len(centres):
        return Shrinkage(0.0, target, target)
    mean, noise = centres.mean(axis=0), float(centres.var(axis=0).sum())
    distance = float(np.square(centre - target).sum())
    share = max(0.0, 1 - noise / distance) if distance > 0 else 0.0
    return Shrinkage(share, target + share * (mean - target), mean)
