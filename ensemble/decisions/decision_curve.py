"""What decisions are worth at each threshold probability, beside treating everyone and no one.

The net benefit at a threshold probability p is TP / N - FP / N * p / (1 - p): true positives, less false ones by what
who acts from p on holds them to cost. (Vickers and Elkin, "Decision curve analysis", Medical Decision Making 2006.)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from spine.metrics.rates import ratio

__all__ = ["THRESHOLDS", "net_benefit", "treat_all"]

THRESHOLDS = tuple(round(0.02 * number, 2) for number in range(1, 50))


def net_benefit(probability: np.ndarray, positive: np.ndarray, threshold: float, weights: np.ndarray) -> Any:
    """Of acting where the positive label's probability (U,) is `threshold` or more, a unit.

    `weights` (..., U) are how often each unit counts.
    """
    acted = probability >= threshold
    worth = np.where(positive, 1.0, -threshold / (1 - threshold)) * acted
    return ratio(weights @ worth, weights.sum(axis=-1))


def treat_all(positive: np.ndarray, threshold: float, weights: np.ndarray) -> Any:
    """Of acting on every unit; acting on none has 0."""
    return net_benefit(np.ones(len(positive)), positive, threshold, weights)
