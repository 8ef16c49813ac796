"""Choose among scored weight vectors: the best, how many tie with it, and why this one of them.

Ties are broken towards fewer members, then nearest to equal weights, then towards the vector that comes first (on a
grid: more weight on the members named first). Scores closer than 1e-12 are one score: only rounding tells them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

__all__ = ["SAME", "Choice", "first_choice", "first_choices"]

SAME = 1e-12


@dataclass(frozen=True)
class Choice:
    """The best weight vectors (K, M), the chosen one first, and their gains (K,) (scores where higher is better).

    `evaluated` vectors are known exactly, `scored` had their metric computed, `ties` reach the optimum; `why` says
    in one sentence how the chosen one was found among those. `thresholds` are the fusion's, for each of the K vectors,
    where it has any.
    """

    weights: np.ndarray
    gains: np.ndarray
    evaluated: int
    scored: int
    ties: int
    why: str
    thresholds: tuple[Mapping[str, float], ...] = ()

    @classmethod
    def among(cls, weights_of: Callable[[np.ndarray], np.ndarray], gains: np.ndarray, keep: int = 100) -> Choice:
        """Choose by the gains (V,) of vectors numbered 0..V - 1; `weights_of` numbers (K,) gives weights (K, M).

        Vectors of gain -inf, which a budget forbids, count as none.
        """
        tied = _tied(gains)
        members, spread = _preferences(weights_of(tied))
        order = np.lexsort((spread, members))
        numbers = _best(gains, tied[order], keep)
        numbers, allowed = numbers[gains[numbers] > -np.inf], int(np.count_nonzero(gains > -np.inf))
        why = _why(members[order], spread[order], allowed)
        return cls(weights_of(numbers), gains[numbers], allowed, allowed, len(tied), why)

    @classmethod
    def over(cls, choices: Sequence[Choice], thresholds: Sequence[Mapping[str, float]], keep: int = 100) -> Choice:
        """The best of several searches, each under thresholds of its own; between equals the earlier is taken.

        `ties` and `evaluated` then count pairs of a vector and thresholds.
        """
        weights, gains = (np.concatenate([getattr(one, name) for one in choices]) for name in ("weights", "gains"))
        of_row = [pair for choice, pair in zip(choices, thresholds, strict=True) for _ in choice.gains]
        if len(choices) == 1:
            return replace(choices[0], thresholds=tuple(of_row))
        tied = _tied(gains)
        members, spread = _preferences(weights[tied])
        numbers = _best(gains, tied[np.lexsort((spread, members))], keep)
        evaluated, scored = (sum(getattr(one, name) for one in choices) for name in ("evaluated", "scored"))
        ties = sum(one.ties for one in choices if one.gains[0] >= gains.max() - SAME)
        rows = tuple(of_row[number] for number in numbers)
        return cls(
            weights[numbers], gains[numbers], evaluated, scored, ties, _why_over(ties, evaluated, members.min()), rows
        )

    @classmethod
    def of(cls, weights: np.ndarray, gains: np.ndarray) -> Choice:
        """Choose among weights (V, M) given one by one; repeated vectors count once."""
        _, first = np.unique(weights.round(12), axis=0, return_index=True)
        first.sort()
        distinct = weights[first]
        return cls.among(lambda numbers: distinct[numbers], gains[first])


def first_choice(weights: np.ndarray, gains: np.ndarray) -> int:
    """The number of the best of weights (V, M), ties broken as above."""
    tied = _tied(gains)
    members, spread = _preferences(weights[tied])
    return int(tied[np.lexsort((spread, members))[0]])


def first_choices(weights: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """The same (R,) of every column of gains (V, R)."""
    members, spread = _preferences(weights)
    order = np.lexsort((spread, members))
    ranked = gains[order]
    return order[(ranked >= ranked.max(axis=0) - SAME).argmax(axis=0)]


def _tied(gains: np.ndarray) -> np.ndarray:
    return np.flatnonzero(gains >= gains.max() - SAME)


def _best(gains: np.ndarray, tied: np.ndarray, keep: int) -> np.ndarray:
    """The numbers of the best, the tied ones first, in the order they are given in."""
    if len(tied) >= keep:
        return tied[:keep]
    others = np.setdiff1d(np.arange(len(gains)), tied)
    runners_up = others[np.argsort(-gains[others], kind="stable")]
    return np.concatenate([tied, runners_up[: keep - len(tied)]])


def _preferences(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # The squared distance to equal weights is the sum of squares less a constant.
    return np.count_nonzero(weights, axis=1), np.square(weights).sum(axis=1).round(9)


def _why(members: np.ndarray, spread: np.ndarray, evaluated: int) -> str:
    """The sentence for tied vectors in order of preference."""
    if evaluated == 1:
        return "There was one weight vector only, and nothing to choose."
    if len(members) == 1:
        return f"The only one of {evaluated:,} weight vectors with this score."
    few = members == members[0]
    near = few & (spread == spread[0])
    text = f"{len(members):,} of {evaluated:,} weight vectors have this score"
    if few.sum() == 1:
        return f"{text}; this one has the fewest members ({members[0]})."
    share = "all" if few.all() else f"{few.sum():,} of them"
    text = f"{text}, {share} with the fewest members ({members[0]})"
    if near.sum() == 1:
        return f"{text}; of these it is the nearest to equal weights."
    return f"{text}; of the {near.sum():,} nearest to equal weights it is the first."


def _why_over(ties: int, evaluated: int, members: int) -> str:
    """The sentence for vectors under several thresholds."""
    if evaluated == 1:
        return "There was one pair of weights and fusion thresholds only, and nothing to choose."
    pairs = f"{evaluated:,} pairs of weights and fusion thresholds"
    if ties == 1:
        return f"The only one of {pairs} with this score."
    return (
        f"{ties:,} of {pairs} have this score; this one is the first with the fewest members ({members}) and weights "
        "as near to equal as such have."
    )
