"""What each member adds: the best score without it, and its Shapley value.

The game is the weight search itself: a set of members is worth the best score that any grid weights on them reach,
and no member at all the baseline, the score of knowing nothing. All sets are read off one scored grid, since a vector
belongs to every set that holds the members it weighs. Each member doubles the sets: of more than MOST the Shapley
values are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np

__all__ = ["MOST", "Contribution", "best_of_sets", "contributions"]

MOST = 16  # members of which all sets are looked at: 65,536 of them


@dataclass(frozen=True)
class Contribution:
    """One member's score `alone`, the best score `without` it, and its `shapley` value (Shapley 1953).

    The Shapley value is the mean, over all orders in which members could join, of what it adds then. They sum to what
    the best weights of all are ahead of the baseline. None of too many members.
    """

    alone: float
    without: float
    shapley: float | None


def contributions(
    scores: np.ndarray, weights: np.ndarray, baseline: float, *, higher_is_better: bool
) -> list[Contribution]:
    """Of every member, from scores (V,) of a whole grid of weights (V, M).

    `baseline` is the score without any member, such as that of equal probabilities for all classes.
    """
    best, members = np.max if higher_is_better else np.min, weights.shape[1]
    values = _shapley_values(scores, weights, baseline, 1 if higher_is_better else -1) if members <= MOST else ()
    return [
        Contribution(
            alone=float(best(scores[weights[:, member] == 1])),
            without=float(best(scores[weights[:, member] == 0])),
            shapley=values[member] if values else None,
        )
        for member in range(members)
    ]


def _shapley_values(scores: np.ndarray, weights: np.ndarray, baseline: float, sign: int) -> list[float]:
    best = sign * best_of_sets(sign * scores, weights)
    best[0] = baseline
    return [_shapley(best, member, weights.shape[1]) for member in range(weights.shape[1])]


def best_of_sets(gains: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The highest gain (2**M,) of weights that lie on each set of members, whose bits are set in its number."""
    members = weights.shape[1]
    support = (weights > 0) @ (1 << np.arange(members))
    best = np.full(1 << members, -np.inf)
    np.maximum.at(best, support, gains)
    for member in range(members):
        halves = best.reshape(-1, 2, 1 << member)  # without and with the member
        np.maximum(halves[:, 1], halves[:, 0], out=halves[:, 1])
    return best


def _shapley(best: np.ndarray, member: int, members: int) -> float:
    sets = np.arange(len(best))
    without = sets[sets >> member & 1 == 0]
    sizes = _sizes(without)
    shares = 1 / (members * np.array([comb(members - 1, size) for size in range(members)], dtype=np.float64))
    return float(np.sum(shares[sizes] * (best[without | 1 << member] - best[without])))


def _sizes(sets: Sequence[int] | np.ndarray) -> np.ndarray:
    return np.array([int(number).bit_count() for number in sets])
