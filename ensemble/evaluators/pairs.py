"""Do members err alike? How often two of them differ, and how often both are wrong, over the units of a split.

An ensemble gains where its members differ; what both get wrong no weights can fix. Disagreement and double fault are
the measures of Kuncheva and Whitaker (Machine Learning 51, 2003).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from ensemble.results.evaluation import ErrorPairs, Estimate, Pair
from spine.metrics.rates import ratio

__all__ = ["Pairs", "count_pairs"]

Statistic = Callable[[np.ndarray], Any]  # weights (..., U) -> (...)
Measure = Callable[[Statistic, str], Estimate]  # a statistic, and the metric that tells why it may be undefined


@dataclass(frozen=True)
class Pairs:
    """Of every unit the `total` (U,) of what is counted, told by `of`, and how many of it two members call
    differently, `differ`, or both get wrong, `both_wrong`, (U, M, M).
    """

    of: str
    differ: np.ndarray
    both_wrong: np.ndarray
    total: np.ndarray

    def rates(self, names: Sequence[str], measure: Measure) -> ErrorPairs:
        """Both rates of every pair of the members of these names, with the intervals that `measure` gives."""
        pairs = tuple(
            Pair(
                members=(names[first], names[second]),
                disagreement=measure(self._rate(self.differ[:, first, second]), "disagreement"),
                double_fault=measure(self._rate(self.both_wrong[:, first, second]), "double_fault"),
            )
            for first, second in combinations(range(len(names)), 2)
        )
        return ErrorPairs(of=self.of, pairs=pairs)

    def _rate(self, counts: np.ndarray) -> Statistic:
        return lambda weights: ratio(weights @ counts, weights @ self.total)


def count_pairs(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """How many of P things members (M, P) call differently, and how many both get wrong, (2, M, M)."""
    wrong = (predicted != truth).astype(np.float64)
    votes = [(predicted == value).astype(np.float64) for value in np.unique(predicted)]
    same = sum((vote @ vote.T for vote in votes), np.zeros((len(predicted), len(predicted))))
    return np.stack([predicted.shape[1] - same, wrong @ wrong.T])
