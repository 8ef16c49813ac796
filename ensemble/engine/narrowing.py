"""Rows as cells of the weight simplex see them: most have one winner all over a small cell, and are settled there.

Between two classes the lead is linear in the weights, so over a cell it is least and greatest in corners. They are
found by giving the weight that is free to one member after the other, in the order of what they say of the two. In a
cell of one vector every row is settled, by the fusion rule itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np

from ensemble.engine.cells import Cells
from ensemble.engine.compiled import compiled
from ensemble.engine.cores import cores
from ensemble.engine.undecided import MARGIN, Open, Undecided

__all__ = ["Narrowed", "Rows"]


@dataclass(frozen=True)
class Narrowed:
    """What V cells leave open: `numbers`, of cell v bounds[v]..bounds[v + 1], the open rows, and the counts `settled`
    (V, G, C) of all others.

    `hopes` (V, G, 2) count the open rows: those whose true class wins nowhere in the cell, and those where it may.
    """

    numbers: np.ndarray
    bounds: np.ndarray
    settled: np.ndarray
    hopes: np.ndarray

    @property
    def optimistic(self) -> np.ndarray:
        """Counts (V, G, C + 1) in which every row is right that may be; the last column has those that cannot be."""
        groups, classes = self.settled.shape[1:]
        counts = np.concatenate([self.settled, self.hopes[:, :, :1]], axis=2)
        counts[:, np.arange(groups), np.arange(groups) % classes] += self.hopes[:, :, 1]
        return counts

    def open_rows(self, cell: int) -> np.ndarray:
        """The numbers of a cell's open rows."""
        return self.numbers[self.bounds[cell] : self.bounds[cell + 1]]


@dataclass(frozen=True)
class Rows:
    """Undecided rows of any numbers of classes in one table.

    Row u occurs times[u] times and has the classes first[u]..first[u + 1]: `scores` (S, M) by member, `counts` (S,),
    the cell of the flattened confusions that a win counts in, and whether the class is `right` (S,). Its pairs of
    classes are pair[u]..pair[u + 1]: `leads` (P, M) of the lower class over the higher, and `order` (P, M), the members
    from the least lead to the greatest.
    """

    undecided: Undecided
    times: np.ndarray
    first: np.ndarray
    scores: np.ndarray
    counts: np.ndarray
    right: np.ndarray
    pair: np.ndarray
    leads: np.ndarray
    order: np.ndarray

    @classmethod
    def of(cls, undecided: Undecided) -> Rows:
        """All open rows, numbered part by part."""
        classes = undecided.settled.shape[1]
        parts = undecided.open
        by_row = [part.scores.astype(np.float64).transpose(2, 1, 0) for part in parts]  # (U, K, M)
        sizes = np.concatenate([np.full(len(scores), scores.shape[1]) for scores in by_row])
        counts = np.concatenate([np.repeat(part.cells, np.diff(part.bounds), axis=0).ravel() for part in parts])
        leads = np.concatenate([_leads(scores) for scores in by_row])
        return cls(
            undecided,
            times=np.concatenate([part.times for part in parts]),
            first=_starts(sizes),
            scores=np.concatenate([scores.reshape(-1, scores.shape[2]) for scores in by_row]),
            counts=counts,
            right=counts % classes == counts // classes % classes,
            pair=_starts(sizes * (sizes - 1) // 2),
            leads=leads,
            order=leads.argsort(axis=1).astype(np.int8),
        )

    def __len__(self) -> int:
        return len(self.times)

    def narrow(self, cells: Cells, numbers: Sequence[np.ndarray], settled: np.ndarray, pool: Executor) -> Narrowed:
        """What V cells leave open of the rows with such `numbers`, an array a cell; all others are in `settled`
        (V, G, C), which is added to.
        """
        bounds, given = _starts(np.array([len(one) for one in numbers])), np.concatenate(numbers)
        hopes, keeps = np.zeros((*settled.shape[:2], 2), np.int64), np.empty(len(given), dtype=bool)
        table = (self.times, self.first, self.scores, self.counts, self.right, self.pair, self.leads, self.order)
        flat = settled.reshape(len(cells), -1)

        def work(part: slice) -> None:
            some = bounds[part.start : part.stop + 1]
            out = (flat[part], hopes[part], keeps)
            compiled(settle)(cells.ends[part], cells.room[part], cells.steps, given, some, *table, *out, MARGIN)

        shares = np.searchsorted(bounds, np.linspace(0, len(given), cores() + 1)[1:-1])
        ends = [0, *shares.tolist(), len(cells)]
        list(pool.map(work, map(slice, ends[:-1], ends[1:])))
        return Narrowed(given[keeps], np.append(0, keeps.cumsum())[bounds], settled, hopes)

    def undecided_of(self, numbers: np.ndarray, settled: np.ndarray) -> Undecided:
        """Rows with such rising numbers, to count in, with the counts (G, C) of all others."""
        starts = _starts(np.array([len(part.times) for part in self.undecided.open]))
        ends = np.searchsorted(numbers, starts)
        parts = zip(self.undecided.open, starts, ends[:-1], ends[1:], strict=False)
        return Undecided(tuple(_some(part, numbers[a:b] - start) for part, start, a, b in parts if a < b), settled)


def _leads(scores: np.ndarray) -> np.ndarray:
    """Of the lower class over the higher (U * P, M), for the pairs (0, 1), (0, 2), ..., (1, 2), ... of each row."""
    low, high = np.triu_indices(scores.shape[1], 1)
    return (scores[:, low] - scores[:, high]).reshape(-1, scores.shape[2])


def _starts(lengths: np.ndarray) -> np.ndarray:
    """Where each stretch of such lengths (n,) begins, and the end of the last: (n + 1,)."""
    return np.append(0, lengths.cumsum())


def _some(part: Open, numbers: np.ndarray) -> Open:
    segments = np.searchsorted(part.bounds, numbers, side="right") - 1
    first = np.flatnonzero(np.diff(segments, prepend=-1))
    scores = np.ascontiguousarray(part.scores[:, :, numbers])
    return Open(scores, part.times[numbers], np.append(first, len(numbers)), part.cells[segments[first]])


def settle(
    ends: np.ndarray,
    rooms: np.ndarray,
    steps: int,
    numbers: np.ndarray,
    bounds: np.ndarray,
    times: np.ndarray,
    first: np.ndarray,
    scores: np.ndarray,
    counts: np.ndarray,
    right: np.ndarray,
    pair: np.ndarray,
    leads: np.ndarray,
    order: np.ndarray,
    settled: np.ndarray,
    hopes: np.ndarray,
    keeps: np.ndarray,
    margin: float,
) -> None:
    """For numba: settle what can be, named as in `Rows.narrow`; `keeps` (n,) tells which rows stay open."""
    members, most_classes = ends.shape[2], np.diff(first).max()
    groups_cells = settled.shape[1] // hopes.shape[1]
    lower, width, alive = np.empty(members), np.empty(members), np.empty(most_classes, np.bool_)
    for v in range(len(ends)):
        for m in range(members):
            lower[m] = ends[v, 0, m] / steps
            width[m] = (ends[v, 1, m] - ends[v, 0, m]) / steps
        room = rooms[v] / steps
        for i in range(bounds[v], bounds[v + 1]):
            row = numbers[i]
            start, classes = first[row], first[row + 1] - first[row]
            winner, winners = 0, 0
            if rooms[v] == 0:
                highest, winners = -1.0, 1
                for k in range(classes):
                    fused = 0.0
                    for m in range(members):
                        fused += lower[m] * scores[start + k, m]
                    if fused > highest:
                        highest, winner = fused, k
            else:
                alive[:classes] = True
                low, high = 0, 1
                for p in range(pair[row], pair[row + 1]):
                    base = 0.0
                    for m in range(members):
                        base += lower[m] * leads[p, m]
                    least, free = base, room
                    for j in range(members):
                        m = order[p, j]
                        share = min(free, width[m])
                        least += share * leads[p, m]
                        free -= share
                        if free <= 0:
                            break
                    greatest, free = base, room
                    for j in range(members - 1, -1, -1):
                        m = order[p, j]
                        share = min(free, width[m])
                        greatest += share * leads[p, m]
                        free -= share
                        if free <= 0:
                            break
                    alive[high] &= least <= margin
                    alive[low] &= greatest >= -margin
                    high += 1
                    if high == classes:
                        low += 1
                        high = low + 1
                for k in range(classes):
                    if alive[k]:
                        winners += 1
                        winner = k
            keeps[i] = winners > 1
            if winners == 1:
                settled[v, counts[start + winner]] += times[row]
                continue
            hope = 0
            for k in range(classes):
                if alive[k] and right[start + k]:
                    hope = 1
            hopes[v, counts[start] // groups_cells, hope] += times[row]
