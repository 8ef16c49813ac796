"""A penalty on weights far from equal ones: kappa ||w - 1/M||^2, taken from the gain of a weight vector.

Weights that were chosen on few patients hold better on others the nearer they are to equal ones; kappa says by how much
(ridge regression's penalty, towards 1/M in place of 0: Hoerl and Kennard, Technometrics 1970).

On a grid the penalty is a ratio of whole numbers, so vectors at the same distance have the same one to the bit. Over a
box of the grid it is least at the projection of equal weights: the vectors of the box whose entries are as equal as its
borders leave them. The cost is a convex function of each entry alone, so what no move of one step betters is least.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb, isfinite

import numpy as np

from ensemble.engine.grid.choice import SAME, Choice
from ensemble.engine.grid.simplex import Simplex
from ensemble.engine.grid.simplex_box import SimplexBox, SimplexBoxes
from spine.core.problems import SpineError

__all__ = ["Penalty", "count_nearest", "nearest_vectors"]

GREATEST = 1000.0  # above it rounding makes gains that tie differ by more than SAME
CHUNK = 65_536  # vectors at a time


@dataclass(frozen=True)
class Penalty:
    """`kappa` times the squared distance of the weights of a grid's vectors to equal weights; none where it is 0.

    SpineError where `kappa` is negative, or so small or large that rounding cannot tell the vectors of the grid apart.
    """

    kappa: float
    grid: Simplex

    def __post_init__(self) -> None:
        # Squared distances on a grid differ by 2 / steps^2 at least: penalties of different ones must not seem to tie.
        least = SAME * self.grid.steps**2
        if self.kappa != 0 and not (isfinite(self.kappa) and least <= self.kappa <= GREATEST):
            raise SpineError(
                f"the penalty on the distance to equal weights is {self.kappa!r}; at step 1/{self.grid.steps} it is 0, "
                f"for none, or {least:g} to {GREATEST:g}. Where more is meant, take equal weights"
            )

    def of(self, vectors: np.ndarray) -> np.ndarray:
        """The penalties (V,) of integer vectors (V, M)."""
        return self._of_squares(np.square(vectors).sum(axis=1))

    def least(self, boxes: SimplexBoxes) -> np.ndarray:
        """The least penalty (V,) of any vector of each box."""
        if not self.kappa:
            return np.zeros(len(boxes))
        levels, nearest = _levels(boxes)
        left = boxes.steps - nearest.sum(axis=1)
        return self._of_squares(np.square(nearest).sum(axis=1) + left * (2 * levels + 1))

    def taken_from(self, gains: np.ndarray) -> np.ndarray:
        """The gains (V,) of all vectors of the grid less their penalties."""
        if not self.kappa:
            return gains
        less = np.empty_like(gains, subok=False)
        for start in range(0, len(gains), CHUNK):
            numbers = np.arange(start, min(start + CHUNK, len(gains)))
            less[numbers] = gains[numbers] - self.of(self.grid.vectors(numbers))
        return less

    def told(self, choice: Choice) -> Choice:
        """The same choice, whose reason names the penalty."""
        if not self.kappa:
            return choice
        penalty = f"{self.kappa:g} times the squared distance of the weights to equal ones"
        return replace(choice, why=f"{choice.why} The score that counted here is worsened by a penalty, {penalty}.")

    def _of_squares(self, sums: np.ndarray) -> np.ndarray:
        members, steps = self.grid.members, self.grid.steps
        return self.kappa * ((members * sums - steps**2) / (members * steps**2))


def count_nearest(box: SimplexBox) -> int:
    """How many vectors of a box are nearest to equal weights."""
    _, open_members, left = _nearest(box)
    return comb(len(open_members), left)


def nearest_vectors(box: SimplexBox) -> Iterator[np.ndarray]:
    """Those vectors (M,), one after the other, as a grid has them."""
    nearest, open_members, left = _nearest(box)
    for chosen in combinations(open_members, left):
        vector = nearest.copy()
        vector[list(chosen)] += 1
        yield vector


def _nearest(box: SimplexBox) -> tuple[np.ndarray, list[int], int]:
    """What all nearest vectors have at least (M,), the members that may have one more, and how many of these have."""
    levels, nearest = _levels(SimplexBoxes(np.stack([box.lower, box.upper])[None], box.steps))
    open_members = np.flatnonzero((box.lower <= levels[0]) & (levels[0] < box.upper)).tolist()
    return nearest[0], open_members, box.steps - int(nearest[0].sum())


def _levels(boxes: SimplexBoxes) -> tuple[np.ndarray, np.ndarray]:
    """The highest level (V,) to which entries can be evened out with nothing overspent, and the entries there (V, M).

    Each entry is at the level, or at its border where that is beyond it; what is then left to share out goes one step
    each to some of the entries at the level that have room.
    """
    lower, upper = boxes.ends[:, 0], boxes.ends[:, 1]
    levels = np.zeros(len(boxes), dtype=np.int64)
    for bit in reversed(range(boxes.steps.bit_length())):
        higher = levels + (1 << bit)
        spent = np.clip(higher[:, None], lower, upper).sum(axis=1)
        levels = np.where((spent <= boxes.steps) & (higher <= boxes.steps), higher, levels)
    return levels, np.clip(levels[:, None], lower, upper)
