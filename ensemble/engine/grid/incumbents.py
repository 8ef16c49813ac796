"""The vectors that reach the best score so far, however many: counted, and the preferred of them kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from ensemble.engine.grid.choice import SAME
from ensemble.engine.grid.penalty import count_nearest, nearest_vectors
from ensemble.engine.grid.simplex_box import SimplexBox, by_preference

__all__ = ["Incumbents"]

KEEP = 100  # vectors of each gain


@dataclass
class Incumbents:
    """`by_gain` has, of every gain that is the `best` but for rounding, how many vectors have it and some (K, M).

    `best` may be known before it is counted, from the vector `first`; `scored` counts the scores that were computed.
    """

    best: float
    by_gain: dict[float, tuple[int, np.ndarray]] = field(default_factory=dict)
    scored: int = 0
    first: np.ndarray | None = None

    def add_box(self, gain: float, box: SimplexBox, *, only_nearest: bool = False) -> None:
        """All vectors of a box have one gain, or only those nearest to equal weights, the others less."""
        self.scored += 1
        if gain < self.best - SAME:
            return
        if only_nearest:
            self._add(gain, count_nearest(box), np.stack(list(islice(nearest_vectors(box), KEEP))))
        else:
            self._add(gain, box.points, box.preferred()[None])

    def add_vectors(self, gains: np.ndarray, vectors: np.ndarray) -> None:
        """Vectors (V, M) have the gains (V,)."""
        self.scored += len(gains)
        for gain in np.unique(gains[gains >= max(self.best, gains.max()) - SAME]).tolist():
            alike = vectors[gains == gain]
            self._add(gain, len(alike), alike)

    def _add(self, gain: float, count: int, vectors: np.ndarray) -> None:
        before, known = self.by_gain.get(gain, (0, vectors[:0]))
        self.by_gain[gain] = (before + count, by_preference(np.concatenate([known, vectors]))[:KEEP])
        if gain > self.best:
            self.best = gain
            self.by_gain = {known: what for known, what in self.by_gain.items() if known >= gain - SAME}

    @property
    def count(self) -> int:
        """How many vectors tie."""
        return sum(count for count, _ in self.by_gain.values()) or 1  # the first, where none was counted

    def preferred(self) -> tuple[np.ndarray, np.ndarray]:
        """Vectors (K, M) that tie, the preferred one first, and their gains (K,); where none was counted the first."""
        if not self.by_gain:
            assert self.first is not None
            return self.first[None], np.array([self.best])
        gain_of = {vector.tobytes(): gain for gain, (_, vectors) in self.by_gain.items() for vector in vectors}
        vectors = by_preference(np.concatenate([vectors for _, vectors in self.by_gain.values()]))[:KEEP]
        return vectors, np.array([gain_of[vector.tobytes()] for vector in vectors])
