"""Metrics that follow from how many rows of each group each class wins: accuracy, Dice, sensitivity and their kin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ensemble.engine.scoring.presolve import Presolved

__all__ = ["ConfusionMetric"]

LARGEST = 2_000_000  # counts held at a time: 16 MB a thread


@dataclass(frozen=True)
class ConfusionMetric:
    """Scores (V,) of weights (V, M), by counting the `presolved` rows; `function` scores confusions (V, G, C).

    `vectors`, how many are going to be scored, decides whether compiling pays. `upper_bound`, of a metric that only
    rises as errors are corrected, scores counts (V, G, C + 1) whose last column has errors of which nothing else is
    known: not less than with any other classes in their place.
    """

    presolved: Presolved
    function: Callable[[np.ndarray], np.ndarray]
    vectors: int = 1
    upper_bound: Callable[[np.ndarray], np.ndarray] | None = None

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        """Scores (V,)."""
        blocks = (weights[block] for block in self.blocks(len(weights)))
        return np.concatenate([self.function(self.presolved.confusions(block, self.vectors)) for block in blocks])

    def blocks(self, vectors: int) -> Iterator[slice]:
        """Successive stretches of that many vectors whose confusions may be held at once."""
        rows = max(1, LARGEST // self.presolved.fixed.size)
        return (slice(start, start + rows) for start in range(0, vectors, rows))
