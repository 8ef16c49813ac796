"""A good weight vector to begin branch and bound with: the better it is, the sooner boxes fall below it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ensemble.engine.grid.simplex import Simplex

__all__ = ["first_incumbent"]

COARSE = 20_000  # vectors of the grid that the search begins with
CLIMBS = 3  # from the best of those


def first_incumbent(gains_of: Callable[[np.ndarray], np.ndarray], grid: Simplex) -> tuple[float, np.ndarray]:
    """The best gain of a coarse grid and of what it leads to, and the vector (M,) that has it.

    `gains_of` gives integer vectors (V, M) of the grid their gains (V,).
    """
    divisors = (steps for steps in range(min(grid.steps, COARSE), 0, -1) if grid.steps % steps == 0)
    coarse = next(few for steps in divisors if (few := Simplex(grid.members, steps)).size <= COARSE or steps == 1)
    vectors = coarse.vectors(np.arange(coarse.size)) * (grid.steps // coarse.steps)
    gains = gains_of(vectors)
    best = np.argsort(-gains, kind="stable")[:CLIMBS]
    tops = [_climb(gains_of, vectors[number], float(gains[number]), grid.steps) for number in best]
    return max(tops, key=lambda top: top[0])


def _climb(
    gains_of: Callable[[np.ndarray], np.ndarray], vector: np.ndarray, gain: float, steps: int
) -> tuple[float, np.ndarray]:
    """Gain and vector at the top: move weight from one member to another while that helps, in ever smaller pieces."""
    units = np.eye(len(vector), dtype=np.int64)
    moves = (units[:, None] - units).reshape(-1, len(vector))
    piece = max(1, steps // 16)
    while piece:
        near = vector + moves * piece
        near = near[(near >= 0).all(axis=1)]
        gains = gains_of(near)
        if gains.max() > gain:
            vector, gain = near[gains.argmax()], float(gains.max())
        else:
            piece //= 2
    return gain, vector
