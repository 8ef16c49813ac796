"""The weight vectors of a grid on the simplex, counted and numbered but never held all at once.

A vector is M integers that sum to n = 1/step; its weights are those integers divided by n (one rounding each, so the
weight 3/10 is the float 0.3). Vectors are numbered in falling lexicographic order: all weight on the first member is
number 0, all weight on the last member comes last.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import comb

import numpy as np

__all__ = ["Simplex"]


@dataclass(frozen=True)
class Simplex:
    """All vectors of `members` non-negative integers that sum to `steps`."""

    members: int
    steps: int

    @property
    def size(self) -> int:
        """How many vectors there are: C(steps + members - 1, members - 1)."""
        return comb(self.steps + self.members - 1, self.members - 1)

    def vectors(self, numbers: np.ndarray) -> np.ndarray:
        """The vectors (V, members) int64 of these numbers (V,), each in 0..size - 1."""
        numbers = np.array(numbers, dtype=np.int64)
        vectors = np.empty((len(numbers), self.members), dtype=np.int64)
        left = np.full(len(numbers), self.steps)
        for member, first in enumerate(self._first_numbers):
            after = np.searchsorted(first, numbers, side="right") - 1
            vectors[:, member] = left - after
            numbers -= first[after]
            left = after
        vectors[:, -1] = left
        return vectors

    def weights(self, numbers: np.ndarray) -> np.ndarray:
        """The same as weights (V, members) float64, integer over `steps`."""
        return self.vectors(numbers) / self.steps

    @cached_property
    def _first_numbers(self) -> list[np.ndarray]:
        # Entry [m][a]: how many vectors of the members from m on come before those that leave `a` to the members
        # after m. By the hockey-stick identity that is the number of vectors of the same members that sum to a - 1.
        return [
            np.array([comb(after + others - 1, others) for after in range(self.steps + 1)])
            for others in range(self.members - 1, 0, -1)
        ]
