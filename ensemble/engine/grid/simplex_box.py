"""Boxes of the weight simplex: the integer vectors of one sum whose entries lie between two vectors.

Cut in halves they tile the grid without sharing a vector, so what is known of boxes adds up.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, combinations

import numpy as np

from ensemble.engine.scoring.compiled import compiled

__all__ = ["SimplexBox", "SimplexBoxes", "by_preference"]


@dataclass(frozen=True)
class SimplexBox:
    """The vectors of integers that sum to `steps`, each entry in `lower` (M,) .. `upper` (M,), as tight as can be."""

    lower: np.ndarray
    upper: np.ndarray
    steps: int

    @property
    def points(self) -> int:
        """How many vectors there are, of any size."""
        ways = [1] + [0] * (self.steps - int(self.lower.sum()))
        for width in (self.upper - self.lower).tolist():
            sums = list(accumulate(ways))
            ways = sums[: width + 1] + [more - less for more, less in zip(sums[width + 1 :], sums, strict=False)]
        return ways[-1]

    def vectors(self) -> np.ndarray:
        """All of them (points, M), in falling lexicographic order."""
        rows, left = np.empty((1, 0), np.int64), np.array([self.steps])
        for member in range(len(self.lower)):
            least, most = self.lower[member + 1 :].sum(), self.upper[member + 1 :].sum()
            low, high = np.maximum(self.lower[member], left - most), np.minimum(self.upper[member], left - least)
            choices = high - low + 1
            place = np.arange(choices.sum()) - np.repeat(choices.cumsum() - choices, choices)
            value = np.repeat(high, choices) - place
            rows, left = np.column_stack([np.repeat(rows, choices, axis=0), value]), np.repeat(left, choices) - value
        return rows

    def preferred(self) -> np.ndarray:
        """The vector (M,) with the fewest entries above 0, of those the one of most equal entries, then the first."""
        members = range(len(self.lower))
        for size in range(1, len(members) + 1):
            candidates = [self._most_equal(list(chosen)) for chosen in combinations(members, size)]
            vectors = [vector for vector in candidates if vector is not None]
            if vectors:
                return by_preference(np.stack(vectors))[0]
        raise AssertionError(f"no vector between {self.lower} and {self.upper} sums to {self.steps}")

    def _most_equal(self, chosen: list[int]) -> np.ndarray | None:
        """Of the vectors above 0 in just the chosen entries the one of the least sum of squares, where there is any."""
        inside = np.zeros(len(self.lower), dtype=bool)
        inside[chosen] = True
        least, most = np.where(inside, np.maximum(self.lower, 1), self.lower), np.where(inside, self.upper, 0)
        if (least > most).any() or not least.sum() <= self.steps <= most.sum():
            return None
        vector = least.copy()
        for _ in range(self.steps - int(least.sum())):  # one more where there is least, of equal entries the first
            vector[np.where(vector < most, vector, self.steps + 1).argmin()] += 1
        return vector


@dataclass(frozen=True)
class SimplexBoxes:
    """Many boxes: `ends` (V, 2, M) are their lower and upper vectors."""

    ends: np.ndarray
    steps: int

    @classmethod
    def whole(cls, members: int, steps: int) -> SimplexBoxes:
        """The whole grid as the one box."""
        return cls(np.array([[[0] * members, [steps] * members]]), steps)

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, number: int) -> SimplexBox:
        lower, upper = self.ends[number]
        return SimplexBox(lower, upper, self.steps)

    @property
    def slack(self) -> np.ndarray:
        """What each box (V,) has to share out above its lower vector."""
        return self.steps - self.ends[:, 0].sum(axis=1)

    @property
    def points(self) -> np.ndarray:
        """How many vectors each has (V,), as float64: exact up to 2**53."""
        return compiled(count_points)(self.ends, self.slack)

    def halves(self) -> tuple[SimplexBoxes, np.ndarray]:
        """The boxes cut across their widest side, and of which (W,) each is a half; none that is empty."""
        number = np.arange(len(self))
        side = (self.ends[:, 1] - self.ends[:, 0]).argmax(axis=1)
        middle = (self.ends[number, 0, side] + self.ends[number, 1, side]) // 2
        below, above = self.ends.copy(), self.ends.copy()
        below[number, 1, side], above[number, 0, side] = middle, middle + 1
        ends = np.stack([below, above], axis=1).reshape(-1, *self.ends.shape[1:])
        lower, upper = ends[:, 0], ends[:, 1]
        sums = ends.sum(axis=2, keepdims=True)
        least, most = self.steps - (sums[:, 1] - upper), self.steps - (sums[:, 0] - lower)
        tight = np.stack([np.maximum(lower, least), np.minimum(upper, most)], axis=1)
        holds = (sums[:, 0, 0] <= self.steps) & (self.steps <= sums[:, 1, 0])
        return SimplexBoxes(tight[holds], self.steps), np.repeat(number, 2)[holds]


def by_preference(vectors: np.ndarray) -> np.ndarray:
    """Integer vectors (V, M) of one sum, those of the fewest members first, then nearest to equal weights, then as a
    grid has them.
    """
    falling = tuple(-vectors.T[::-1])
    return vectors[np.lexsort((*falling, np.square(vectors).sum(axis=1), np.count_nonzero(vectors, axis=1)))]


def count_points(ends: np.ndarray, slack: np.ndarray) -> np.ndarray:
    """For numba: how many vectors each box has."""
    out = np.empty(len(ends))
    for v in range(len(ends)):
        ways = np.zeros(slack[v] + 1)
        ways[0] = 1
        for m in range(ends.shape[2]):
            sums = ways.cumsum()
            ways[:] = sums
            width = ends[v, 1, m] - ends[v, 0, m]
            ways[width + 1 :] -= sums[: max(0, len(ways) - width - 1)]
        out[v] = ways[-1]
    return out
