"""Count, for many weight vectors, in how many rows each class wins: in NumPy, and in two loops for numba.

All three take weights (V, M) and the `scores` (M, K, U), `multiplicity` (U,), `offsets` (S + 1,) and `cells` (S, K) of
`FreeRows`, and add to counts `out` (V, cells). They compute the float64 sum of weight times score with members in
order, so that every bit is as the fusion rule has it; the first of the K classes wins a tie.

The loops go over blocks of rows that stay in the cache, all vectors for each. The sum over the first members is kept
for the next vector, which often shares their weights.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ensemble.engine.scoring.compiled import compiled

__all__ = ["count_many", "count_pairs", "count_with_numpy", "counter_for"]

BLOCK = 256  # rows at a time, whose scores and sums stay in a core's cache: measured faster than 128, 512 and 1024
NUMBERS = 16_384  # in one NumPy intermediate, so that it stays in the cache


def counter_for(classes: int) -> Callable[..., None]:
    """The compiled loop for rows in which so many classes can win."""
    return compiled(count_pairs if classes == 2 else count_many)


def count_with_numpy(
    weights: np.ndarray,
    scores: np.ndarray,
    multiplicity: np.ndarray,
    offsets: np.ndarray,
    cells: np.ndarray,
    out: np.ndarray,
) -> None:
    """Count with whole arrays, some vectors at a time."""
    members, classes, rows = scores.shape
    scores = scores.astype(np.float64)
    cell_of = np.repeat(cells, np.diff(offsets), axis=0)
    step = max(1, NUMBERS // (classes * rows))
    for start in range(0, len(weights), step):
        block = weights[start : start + step]
        fused = sum(block[:, member, None, None] * scores[member] for member in range(members))
        won = cell_of[np.arange(rows), np.argmax(fused, axis=1)]
        flat = np.arange(len(block))[:, None] * out.shape[1] + won
        repeated = np.broadcast_to(multiplicity, flat.shape)
        counts = np.bincount(flat.ravel(), repeated.ravel(), minlength=len(block) * out.shape[1])
        out[start : start + step] += counts.reshape(len(block), -1).astype(np.int64)


def count_pairs(
    weights: np.ndarray,
    scores: np.ndarray,
    multiplicity: np.ndarray,
    offsets: np.ndarray,
    cells: np.ndarray,
    out: np.ndarray,
) -> None:
    """For numba: rows in which two classes can win."""
    last = scores.shape[0] - 1
    block = np.empty((last + 1, 2, BLOCK))
    sums = np.zeros((last + 1, 2, BLOCK))  # sums[m]: over the members before m
    for s in range(len(cells)):
        for start in range(offsets[s], offsets[s + 1], BLOCK):
            rows = min(BLOCK, offsets[s + 1] - start)
            block[:, :, :rows] = scores[:, :, start : start + rows]
            often = multiplicity[start : start + rows]
            total = often.sum()
            for v in range(len(weights)):
                changed = 0
                while v > 0 and changed < last and weights[v, changed] == weights[v - 1, changed]:
                    changed += 1
                for m in range(changed, last):
                    for c in range(2):
                        for u in range(rows):
                            sums[m + 1, c, u] = sums[m, c, u] + weights[v, m] * block[m, c, u]
                low, high, more_low, more_high = sums[last, 0], sums[last, 1], block[last, 0], block[last, 1]
                weight, won = weights[v, last], 0
                for u in range(rows):
                    won += often[u] if high[u] + weight * more_high[u] > low[u] + weight * more_low[u] else 0
                out[v, cells[s, 0]] += total - won
                out[v, cells[s, 1]] += won


def count_many(
    weights: np.ndarray,
    scores: np.ndarray,
    multiplicity: np.ndarray,
    offsets: np.ndarray,
    cells: np.ndarray,
    out: np.ndarray,
) -> None:
    """For numba: rows in which any number of classes can win."""
    members, classes, _ = scores.shape
    last = members - 1
    block = np.empty((members, classes, BLOCK))
    sums = np.zeros((members, classes, BLOCK))
    highest, winner = np.empty(BLOCK), np.empty(BLOCK, np.int64)
    for s in range(len(cells)):
        for start in range(offsets[s], offsets[s + 1], BLOCK):
            rows = min(BLOCK, offsets[s + 1] - start)
            block[:, :, :rows] = scores[:, :, start : start + rows]
            often = multiplicity[start : start + rows]
            for v in range(len(weights)):
                changed = 0
                while v > 0 and changed < last and weights[v, changed] == weights[v - 1, changed]:
                    changed += 1
                for m in range(changed, last):
                    for c in range(classes):
                        for u in range(rows):
                            sums[m + 1, c, u] = sums[m, c, u] + weights[v, m] * block[m, c, u]
                highest[:] = -1.0
                for c in range(classes):
                    for u in range(rows):
                        value = sums[last, c, u] + weights[v, last] * block[last, c, u]
                        winner[u] = c if value > highest[u] else winner[u]
                        highest[u] = max(value, highest[u])
                for c in range(classes):
                    won = 0
                    for u in range(rows):
                        won += often[u] if winner[u] == c else 0
                    out[v, cells[s, c]] += won
