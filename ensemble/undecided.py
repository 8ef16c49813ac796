"""Reduce predictions to what weights can change, and count the confusion matrices of many weight vectors at once.

Where all members rank the same class first, every weighted mean does: such samples are counted once. Samples on which
all members say exactly the same things, for the same truth, are merged and counted by their number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ensemble.compiled import compiled

__all__ = ["Undecided"]

MARGIN = 1e-12  # a lead larger than this survives the rounding of a float64 weighted sum
WORTH_COMPILING = 300_000_000  # multiply-adds; below it NumPy is done before numba is imported
BLOCK = 16_384  # numbers in one NumPy intermediate, so that it stays in the cache


@dataclass(frozen=True)
class Undecided:
    """`patterns` (M, C, U) of members' probabilities that weights may turn, their `truth` (U,) and `times` (U,) of
    occurrence, and the confusion matrix `settled` (C, C) of all other samples; rows are true, columns predicted.
    """

    patterns: np.ndarray
    truth: np.ndarray
    times: np.ndarray
    settled: np.ndarray

    @classmethod
    def from_probabilities(cls, probabilities: np.ndarray, truth: np.ndarray) -> Undecided:
        """Reduce (M, N, C) float64 and truth (N,)."""
        members, _, classes = probabilities.shape
        winner = probabilities[0].argmax(axis=1)
        agreed = _all_agree(probabilities, winner)
        cells = truth[agreed] * classes + winner[agreed]
        settled = np.bincount(cells, minlength=classes * classes).reshape(classes, classes)
        open_rows = probabilities[:, ~agreed].transpose(1, 0, 2).reshape(-1, members * classes)
        rows, times = np.unique(np.column_stack([truth[~agreed], open_rows]), axis=0, return_counts=True)
        patterns = rows[:, 1:].reshape(-1, members, classes).transpose(1, 2, 0)
        return cls(np.ascontiguousarray(patterns), rows[:, 0].astype(np.int64), times, settled)

    def counter(self, vectors: int) -> Callable[..., None]:
        """The function that counts fastest where `vectors` weight vectors are to be looked at in all."""
        work = vectors * self.patterns.size
        return compiled(count_with_loops) if work > WORTH_COMPILING else count_with_numpy

    def confusions(self, weights: np.ndarray, count: Callable[..., None] | None = None) -> np.ndarray:
        """Confusion matrices (V, C, C) int64 of weight vectors (V, M), fast where neighbours share their first weights.

        The class is the argmax of the float64 sum of weight times probability, members in order, lowest on a tie.
        """
        out = np.repeat(self.settled[None], len(weights), axis=0)
        if self.truth.size:
            count = count or self.counter(len(weights))
            count(np.ascontiguousarray(weights), self.patterns, self.truth, self.times, out)
        return out


def _all_agree(probabilities: np.ndarray, winner: np.ndarray) -> np.ndarray:
    # Rounding keeps `>=` but may turn a lead of a last digit into a tie, which the lowest class wins: lower classes
    # must be behind by more than rounding can close, higher ones need only not be ahead.
    won = np.take_along_axis(probabilities, winner[None, :, None], axis=2)
    lead = (won - probabilities).min(axis=0)
    lower = np.arange(probabilities.shape[2]) < winner[:, None]
    return np.where(lower, lead > MARGIN, lead >= 0).all(axis=1)


def count_with_numpy(
    weights: np.ndarray, patterns: np.ndarray, truth: np.ndarray, times: np.ndarray, out: np.ndarray
) -> None:
    """Add each weight vector's confusion counts to `out` (V, C, C); block by block, in the order of the fusion rule."""
    members, classes, samples = patterns.shape
    rows = max(1, BLOCK // (classes * samples))
    for start in range(0, len(weights), rows):
        block = weights[start : start + rows]
        fused = sum(block[:, member, None, None] * patterns[member] for member in range(members))
        cells = (np.arange(len(block))[:, None] * classes + truth) * classes + np.argmax(fused, axis=1)
        repeated = np.broadcast_to(times, cells.shape)
        counts = np.bincount(cells.ravel(), repeated.ravel(), minlength=len(block) * classes * classes)
        out[start : start + rows] += counts.reshape(-1, classes, classes).astype(np.int64)


def count_with_loops(
    weights: np.ndarray, patterns: np.ndarray, truth: np.ndarray, times: np.ndarray, out: np.ndarray
) -> None:
    """The same for numba: the sum over the first members is kept for the next vector, which often shares their weights.

    Keeping prefix sums leaves the order of additions, and so every float64 bit, as the fusion rule has it.
    """
    members, classes, samples = patterns.shape
    sums = np.zeros((members, classes, samples))  # sums[m]: over the members before m
    highest = np.empty(samples)
    winner = np.empty(samples, np.int64)
    last = members - 1
    for v in range(len(weights)):
        changed = 0
        while v > 0 and changed < last and weights[v, changed] == weights[v - 1, changed]:
            changed += 1
        for m in range(changed, last):
            for c in range(classes):
                for u in range(samples):
                    sums[m + 1, c, u] = sums[m, c, u] + weights[v, m] * patterns[m, c, u]
        highest[:] = -1.0
        for c in range(classes):
            for u in range(samples):
                value = sums[last, c, u] + weights[v, last] * patterns[last, c, u]
                winner[u] = c if value > highest[u] else winner[u]
                highest[u] = max(value, highest[u])
        for u in range(samples):
            out[v, truth[u], winner[u]] += times[u]
