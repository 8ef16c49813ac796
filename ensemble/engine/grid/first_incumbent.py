"""A good weight vector to begin branch and bound with: the better it is, the sooner boxes fall below it."""

from __future__ import annotations

import numpy as np

from ensemble.engine.grid.simplex import Simplex
from ensemble.engine.scoring.confusion_metric import ConfusionMetric

__all__ = ["first_incumbent"]

COARSE = 20_000  # vectors of the grid that the search begins with
CLIMBS = 3  # from the best of those


def first_incumbent(confusion_metric: ConfusionMetric, grid: Simplex) -> tuple[float, np.ndarray]:
    """The best score of a coarse grid and of what it leads to, and the vector (M,) that has it."""
    divisors = (steps for steps in range(min(grid.steps, COARSE), 0, -1) if grid.steps % steps == 0)
    coarse = next(few for steps in divisors if (few := Simplex(grid.members, steps)).size <= COARSE or steps == 1)
    vectors = coarse.vectors(np.arange(coarse.size)) * (grid.steps // coarse.steps)
    scores = confusion_metric(vectors / grid.steps)
    best = np.argsort(-scores, kind="stable")[:CLIMBS]
    tops = [_climb(confusion_metric, vectors[number], float(scores[number]), grid.steps) for number in best]
    return max(tops, key=lambda top: top[0])


def _climb(confusion_metric: ConfusionMetric, vector: np.ndarray, score: float, steps: int) -> tuple[float, np.ndarray]:
    """Score and vector at the top: move weight from one member to another while that helps, in ever smaller pieces."""
    units = np.eye(len(vector), dtype=np.int64)
    moves = (units[:, None] - units).reshape(-1, len(vector))
    piece = max(1, steps // 16)
    while piece:
        near = vector + moves * piece
        near = near[(near >= 0).all(axis=1)]
        scores = confusion_metric(near / steps)
        if scores.max() > score:
            vector, score = near[scores.argmax()], float(scores.max())
        else:
            piece //= 2
    return score, vector
