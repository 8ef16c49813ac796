"""How sure probabilities are, beside how often they are right: reliability curve, expected calibration error.

Of two labels the positive one's probability is held against the positive units; of more, the greatest probability
against the units whose label it is. Bins hold equally many units: the error then has less bias than with bins of
equal width (Roelofs et al., "Mitigating bias in calibration error estimation", AISTATS 2022). Equal probabilities share
a bin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from spine.metrics.rates import ratio

__all__ = ["Reliability"]

MOST_BINS = 10
IN_A_BIN = 10  # units at least, as far as there are


@dataclass(frozen=True)
class Reliability:
    """`said` (U,) is what was said of the units, `right` (U,) whether it came true, `bins` (U, B) which of B bins."""

    said: np.ndarray
    right: np.ndarray
    bins: np.ndarray

    @classmethod
    def of(cls, probabilities: np.ndarray, truth: np.ndarray) -> Self:
        """Of probabilities (U, C) of classes `truth` (U,)."""
        if probabilities.shape[1] == 2:
            said, right = probabilities[:, 1], truth == 1
        else:
            said, right = probabilities.max(axis=1), truth == probabilities.argmax(axis=1)
        count = int(np.clip(len(said) // IN_A_BIN, 1, MOST_BINS))
        # A unit's bin follows from the middle of its rank among all, which equal probabilities share.
        _, place, units = np.unique(said, return_inverse=True, return_counts=True)
        middle = (np.cumsum(units) - units / 2) / len(said)
        number = np.unique(np.minimum((middle * count).astype(int), count - 1)[place], return_inverse=True)[1]
        return cls(said.astype(np.float64), right.astype(np.float64), np.eye(number.max() + 1)[number])

    def error(self, weights: np.ndarray) -> Any:
        """Expected calibration error: the mean over units of how far their bin is from being right as often as it says.

        `weights` (..., U) are how often each unit counts.
        """
        gaps = np.abs((weights * (self.right - self.said)) @ self.bins)
        return ratio(gaps.sum(axis=-1), weights.sum(axis=-1))

    def by_chance(self, times: int = 500) -> float:
        """The mean error that these probabilities would show on so many units if they were right as often as they say.

        (Bröcker and Smith, "Increasing the reliability of reliability diagrams", 2007.)
        """
        random = np.random.default_rng(0)
        drawn = (random.random((times, len(self.said))) < self.said) - self.said
        return float((np.abs(drawn @ self.bins).sum(axis=1) / len(self.said)).mean())

    def units(self) -> list[int]:
        """How many each bin has."""
        return self.bins.sum(axis=0).astype(int).tolist()

    def mean_said(self) -> list[float]:
        """What each bin says."""
        return ((self.said @ self.bins) / self.bins.sum(axis=0)).tolist()

    def shares_right(self) -> list[float]:
        """How often each bin is right."""
        return ((self.right @ self.bins) / self.bins.sum(axis=0)).tolist()

    def observed(self, number: int, weights: np.ndarray) -> Any:
        """How often one bin is right; NaN on draws (..., U) without a unit of it."""
        own = weights * self.bins[:, number]
        return ratio(own @ self.right, own.sum(axis=-1))
