"""Reduce predictions to what weights can change, and count confusions for many weight vectors at once.

A class that another one beats under every member wins under no weighted mean. Rows (samples or pixels) that are left
with one class are fixed and counted once; of the others only the classes that can still win are kept, and rows in
which every member gives them the same probabilities are merged and counted by their number.

Rows belong to groups, which are counted apart: by their true class, or by image and true class.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ensemble.engine.scoring.count_winners import count_with_numpy, counter_for

__all__ = ["FreeRows", "Presolved"]

MARGIN = 1e-12  # a lead larger than this survives the rounding of a float64 weighted sum
WORTH_COMPILING = 300_000_000  # multiply-adds; below it NumPy is done before numba is imported


@dataclass(frozen=True)
class FreeRows:
    """Rows with the same number K of classes that can win, sorted into segments of one group and one set of classes.

    `scores` (M, K, U) are the members' probabilities of those classes, lowest class first; `multiplicity` (U,) is how
    often the row occurs. Segment s is the rows offsets[s]..offsets[s + 1]; `cells` (S, K) says which cell of the
    flattened confusions (G * C) a row of it counts in when its k-th class wins.
    """

    scores: np.ndarray
    multiplicity: np.ndarray
    offsets: np.ndarray
    cells: np.ndarray

    @classmethod
    def from_rows(cls, rows: np.ndarray) -> FreeRows:
        """Sort (in place) and merge rows, a structured array of `cells` (K,) and `scores` (M, K)."""
        as_bytes = rows.view(f"V{rows.itemsize}")  # sorts fast, and equal rows end up side by side
        as_bytes.sort()
        first = _starts(as_bytes[1:] != as_bytes[:-1])
        return cls._from_sorted(rows[first] if len(first) < len(rows) else rows, np.diff(first, append=len(rows)))

    @classmethod
    def _from_sorted(cls, merged: np.ndarray, multiplicity: np.ndarray) -> FreeRows:
        starts = _starts((merged["cells"][1:] != merged["cells"][:-1]).any(axis=1))
        scores = np.ascontiguousarray(merged["scores"].transpose(1, 2, 0))
        return cls(scores, multiplicity, np.append(starts, len(merged)), merged["cells"][starts].astype(np.int64))

    def pooled(self, cells: int) -> FreeRows:
        """The same rows, each group of that many `cells` counted in the first; equal rows are merged again."""
        segments = np.repeat(self.cells % cells, np.diff(self.offsets), axis=0)
        rows = _structured(segments, self.scores.transpose(2, 0, 1))
        as_bytes = rows.view(f"V{rows.itemsize}")
        order = np.argsort(as_bytes)
        as_bytes = as_bytes[order]
        first = _starts(as_bytes[1:] != as_bytes[:-1])
        return self._from_sorted(rows[order[first]], np.add.reduceat(self.multiplicity[order], first))


@dataclass(frozen=True)
class Presolved:
    """`free` rows, one entry for each number of classes that can win, and the counts `fixed` (G, C) of all others."""

    free: tuple[FreeRows, ...]
    fixed: np.ndarray

    @classmethod
    def from_chunks(cls, chunks: Iterable[tuple[np.ndarray, list[np.ndarray]]]) -> Presolved:
        """Join what `reduce_chunk` made of each chunk; chunks may differ in length."""
        fixed: np.ndarray | None = None
        rows: dict[tuple[int, ...], list[np.ndarray]] = {}
        for counts, parts in chunks:
            fixed = counts if fixed is None else fixed + counts
            for part in parts:
                rows.setdefault(part["cells"].shape[1:], []).append(part)
        assert fixed is not None
        return cls(tuple(FreeRows.from_rows(np.concatenate(rows.pop(key))) for key in sorted(rows)), fixed)

    @classmethod
    def from_probabilities(cls, probabilities: np.ndarray, groups: np.ndarray, total: int) -> Presolved:
        """Reduce (M, N, C) of rows that belong to `groups` (N,) in 0..total - 1, such as their true class."""
        return cls.from_chunks([reduce_chunk(probabilities, groups, total)])

    def pooled(self) -> Presolved:
        """Rows by image and true class as rows by true class: what `reduce_images` gives without `per_image`."""
        classes = self.fixed.shape[1]
        fixed = self.fixed.reshape(-1, classes, classes).sum(axis=0)
        return Presolved(tuple(part.pooled(fixed.size) for part in self.free), fixed)

    def confusions(self, weights: np.ndarray, vectors: int | None = None) -> np.ndarray:
        """Counts (V, G, C) int64 of rows by group and predicted class, for weight vectors (V, M).

        The class is the argmax of the float64 sum of weight times probability, members in order, lowest on a tie.
        Fast where neighbours share their first weights, as on a grid. `vectors`, how many are to be counted in all,
        decides whether compiling pays.
        """
        weights = np.ascontiguousarray(weights, dtype=np.float64)
        out = np.repeat(self.fixed.reshape(1, -1), len(weights), axis=0)
        compiling = (vectors or len(weights)) * sum(part.scores.size for part in self.free) > WORTH_COMPILING
        for part in self.free:
            count = counter_for(part.scores.shape[1]) if compiling else count_with_numpy
            count(weights, part.scores, part.multiplicity, part.offsets, part.cells, out)
        return out.reshape(len(weights), *self.fixed.shape)

    @cached_property
    def group_sizes(self) -> np.ndarray:
        """How many rows each group (G,) has."""
        members = self.free[0].scores.shape[0] if self.free else 1
        return self.confusions(np.eye(1, members))[0].sum(axis=1)

    @cached_property
    def hash(self) -> str:
        """Fingerprint of all that the scores depend on."""
        digest = hashlib.sha256(self.fixed.tobytes())
        for part in self.free:
            for array in (part.scores, part.multiplicity, part.offsets, part.cells):
                digest.update(repr(array.shape).encode() + array.tobytes())
        return digest.hexdigest()


def reduce_chunk(
    probabilities: np.ndarray, groups: np.ndarray, total: int, possible: np.ndarray | None = None
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Counts (total, C) of fixed rows, and the free rows by how many classes can win.

    `probabilities` are (M, N, C), `groups` (N,) lie in 0..total - 1; `possible` (N, C) says which classes can win where
    the weights are not any that sum to 1.
    """
    classes = probabilities.shape[2]
    possible = can_win(probabilities) if possible is None else possible
    left = possible.sum(axis=1)
    cells = groups[left == 1] * classes + possible[left == 1].argmax(axis=1)
    fixed = np.bincount(cells, minlength=total * classes).reshape(total, classes)
    numbers = np.unique(left[left > 1])
    return fixed, [_rows(probabilities, groups, possible, np.flatnonzero(left == number)) for number in numbers]


def can_win(probabilities: np.ndarray) -> np.ndarray:
    """Which classes (N, C) of (M, N, C) no other class beats under every member.

    Rounding keeps `>=` but may turn a lead of a last digit into a tie, which the lowest class wins: a lower class beats
    a higher one where it is not behind, a higher one only where it leads by more than rounding can close.
    """
    by_class = np.ascontiguousarray(probabilities.transpose(2, 0, 1))
    possible = np.ones((len(by_class), by_class.shape[2]), dtype=bool)
    for high in range(1, len(by_class)):
        for low in range(high):
            lead = by_class[low] - by_class[high]
            possible[high] &= lead.min(axis=0) < 0
            possible[low] &= lead.max(axis=0) >= -MARGIN
    return possible.T


def _starts(changes: np.ndarray) -> np.ndarray:
    """Where runs start, of n items of which `changes` (n - 1,) says whether each differs from the one before."""
    return np.append(0, np.flatnonzero(changes) + 1)


def _rows(probabilities: np.ndarray, groups: np.ndarray, possible: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """The chosen rows with the classes that can win in them, as `FreeRows.from_rows` takes them."""
    classes = np.nonzero(possible[chosen])[1].reshape(len(chosen), -1)
    cells = groups[chosen, None] * possible.shape[1] + classes
    return _structured(cells, np.take_along_axis(probabilities[:, chosen], classes[None], axis=2).transpose(1, 0, 2))


def _structured(cells: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Rows of `cells` (U, K) and `scores` (U, M, K) as one array."""
    rows = np.empty(len(cells), [("cells", np.int32, cells.shape[1:]), ("scores", scores.dtype, scores.shape[1:])])
    rows["cells"], rows["scores"] = cells, scores
    return rows
