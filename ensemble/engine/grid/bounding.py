"""Bound what the weights of one box of the simplex can reach: which class each free row can still take there.

Between two classes the lead is linear in the weights, so over a box it is least and greatest in corners. A class that
another one leads all over the box wins nowhere in it; a row that is left with one class is fixed. With every other row
counted as right where its true class is left, no vector of the box scores above the counts: they give its upper bound.
In a box of one vector every row is fixed, by the fusion rule itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np

from ensemble.engine.grid.simplex_box import SimplexBoxes
from ensemble.engine.scoring.compiled import compiled
from ensemble.engine.scoring.presolve import MARGIN, FreeRows, Presolved
from spine.core.cores import usable_cores

__all__ = ["Bounded", "RowTable"]


@dataclass(frozen=True)
class Bounded:
    """What is left free in V boxes: `numbers`, of box v at offsets[v]..offsets[v + 1], the free rows, and the counts
    `fixed` (V, G, C) of all others.

    `optimistic_counts` (V, G, 2) are of the free rows: those that are wrong all over the box, and those that may be
    right.
    """

    numbers: np.ndarray
    offsets: np.ndarray
    fixed: np.ndarray
    optimistic_counts: np.ndarray

    @property
    def optimistic_confusions(self) -> np.ndarray:
        """Counts (V, G, C + 1) in which every row is right that may be; the last column has those that cannot be."""
        groups, classes = self.fixed.shape[1:]
        counts = np.concatenate([self.fixed, self.optimistic_counts[:, :, :1]], axis=2)
        counts[:, np.arange(groups), np.arange(groups) % classes] += self.optimistic_counts[:, :, 1]
        return counts

    def free_rows(self, box: int) -> np.ndarray:
        """The numbers of a box's free rows."""
        return self.numbers[self.offsets[box] : self.offsets[box + 1]]


@dataclass(frozen=True)
class RowTable:
    """Free rows of any numbers of classes in one table.

    Row u occurs multiplicity[u] times and has the classes class_offsets[u]..class_offsets[u + 1]: `scores` (S, M) by
    member, `cells` (S,), the cell of the flattened confusions that a win counts in, and whether the class is `correct`
    (S,). Its pairs of classes are pair_offsets[u]..pair_offsets[u + 1]: `leads` (P, M) of the lower class over the
    higher, and `order` (P, M), the members from the least lead to the greatest.
    """

    presolved: Presolved
    multiplicity: np.ndarray
    class_offsets: np.ndarray
    scores: np.ndarray
    cells: np.ndarray
    correct: np.ndarray
    pair_offsets: np.ndarray
    leads: np.ndarray
    order: np.ndarray

    @classmethod
    def of(cls, presolved: Presolved) -> RowTable:
        """All free rows, numbered part by part."""
        classes = presolved.fixed.shape[1]
        parts = presolved.free
        by_row = [part.scores.astype(np.float64).transpose(2, 1, 0) for part in parts]  # (U, K, M)
        sizes = np.concatenate([np.full(len(scores), scores.shape[1]) for scores in by_row])
        cells = np.concatenate([np.repeat(part.cells, np.diff(part.offsets), axis=0).ravel() for part in parts])
        leads = np.concatenate([_leads(scores) for scores in by_row])
        return cls(
            presolved,
            multiplicity=np.concatenate([part.multiplicity for part in parts]),
            class_offsets=_offsets(sizes),
            scores=np.concatenate([scores.reshape(-1, scores.shape[2]) for scores in by_row]),
            cells=cells,
            correct=cells % classes == cells // classes % classes,
            pair_offsets=_offsets(sizes * (sizes - 1) // 2),
            leads=leads,
            order=leads.argsort(axis=1).astype(np.int8),
        )

    def __len__(self) -> int:
        return len(self.multiplicity)

    def bound(self, boxes: SimplexBoxes, numbers: Sequence[np.ndarray], fixed: np.ndarray, pool: Executor) -> Bounded:
        """What V boxes leave free of the rows with such `numbers`, an array a box; all others are in `fixed`
        (V, G, C), which is added to.
        """
        offsets, candidates = _offsets(np.array([len(rows) for rows in numbers])), np.concatenate(numbers)
        optimistic = np.zeros((*fixed.shape[:2], 2), np.int64)
        stays_free = np.empty(len(candidates), dtype=bool)
        table = (
            *(self.multiplicity, self.class_offsets, self.scores, self.cells),
            *(self.correct, self.pair_offsets, self.leads, self.order),
        )
        flat = fixed.reshape(len(boxes), -1)

        def work(part: slice) -> None:
            some = offsets[part.start : part.stop + 1]
            out = (flat[part], optimistic[part], stays_free)
            asked = (boxes.ends[part], boxes.slack[part], boxes.steps)
            compiled(fix_rows)(*asked, candidates, some, *table, *out, MARGIN)

        shares = np.searchsorted(offsets, np.linspace(0, len(candidates), usable_cores() + 1)[1:-1])
        ends = [0, *shares.tolist(), len(boxes)]
        list(pool.map(work, map(slice, ends[:-1], ends[1:])))
        return Bounded(candidates[stays_free], np.append(0, stays_free.cumsum())[offsets], fixed, optimistic)

    def presolved_of(self, numbers: np.ndarray, fixed: np.ndarray) -> Presolved:
        """Rows with such rising numbers, to count in, with the counts (G, C) of all others."""
        starts = _offsets(np.array([len(part.multiplicity) for part in self.presolved.free]))
        ends = np.searchsorted(numbers, starts)
        parts = zip(self.presolved.free, starts, ends[:-1], ends[1:], strict=False)
        return Presolved(tuple(_some(part, numbers[a:b] - start) for part, start, a, b in parts if a < b), fixed)


def _leads(scores: np.ndarray) -> np.ndarray:
    """Of the lower class over the higher (U * P, M), for the pairs (0, 1), (0, 2), ..., (1, 2), ... of each row."""
    low, high = np.triu_indices(scores.shape[1], 1)
    return (scores[:, low] - scores[:, high]).reshape(-1, scores.shape[2])


def _offsets(lengths: np.ndarray) -> np.ndarray:
    """Where each stretch of such lengths (n,) begins, and the end of the last: (n + 1,)."""
    return np.append(0, lengths.cumsum())


def _some(part: FreeRows, numbers: np.ndarray) -> FreeRows:
    segments = np.searchsorted(part.offsets, numbers, side="right") - 1
    first = np.flatnonzero(np.diff(segments, prepend=-1))
    scores = np.ascontiguousarray(part.scores[:, :, numbers])
    return FreeRows(scores, part.multiplicity[numbers], np.append(first, len(numbers)), part.cells[segments[first]])


def fix_rows(
    ends: np.ndarray,
    slacks: np.ndarray,
    steps: int,
    numbers: np.ndarray,
    offsets: np.ndarray,
    multiplicity: np.ndarray,
    class_offsets: np.ndarray,
    scores: np.ndarray,
    cells: np.ndarray,
    correct: np.ndarray,
    pair_offsets: np.ndarray,
    leads: np.ndarray,
    order: np.ndarray,
    fixed: np.ndarray,
    optimistic: np.ndarray,
    stays_free: np.ndarray,
    margin: float,
) -> None:
    """For numba: fix what can be, named as in `RowTable.bound`; `stays_free` (n,) says which rows are not.

    The box of v holds the weights w between `lower` and lower + `width` that sum to 1: what it has to share out above
    `lower` is the `slack`.
    """
    members, most_classes = ends.shape[2], np.diff(class_offsets).max()
    classes_of_group = fixed.shape[1] // optimistic.shape[1]
    lower, width, can_win = np.empty(members), np.empty(members), np.empty(most_classes, np.bool_)
    for v in range(len(ends)):
        for m in range(members):
            lower[m] = ends[v, 0, m] / steps
            width[m] = (ends[v, 1, m] - ends[v, 0, m]) / steps
        slack = slacks[v] / steps
        for i in range(offsets[v], offsets[v + 1]):
            row = numbers[i]
            start, classes = class_offsets[row], class_offsets[row + 1] - class_offsets[row]
            winner, winners = 0, 0
            if slacks[v] == 0:
                # One vector: the winner by the fusion rule to the bit, that is the float64 sum with members in order,
                # and the lowest class on a tie. So leads that rounding decides are decided as everywhere else.
                highest, winners = -1.0, 1
                for k in range(classes):
                    fused = 0.0
                    for m in range(members):
                        fused += lower[m] * scores[start + k, m]
                    if fused > highest:
                        highest, winner = fused, k
            else:
                can_win[:classes] = True
                low, high = 0, 1
                for p in range(pair_offsets[row], pair_offsets[row + 1]):
                    # The lead of class `low` over `high` is the sum of w[m] * leads[p, m]. Its least value over the
                    # box is a continuous knapsack: from `lower`, the slack goes to the members of the least leads
                    # first, to each as much as its width takes. Any other share-out moves weight to a greater lead.
                    # This is the minimum over all real weights of the box, so no grid vector in it has a lesser lead.
                    base = 0.0
                    for m in range(members):
                        base += lower[m] * leads[p, m]
                    least, left = base, slack
                    for j in range(members):
                        m = order[p, j]
                        share = min(left, width[m])
                        least += share * leads[p, m]
                        left -= share
                        if left <= 0:
                            break
                    # The greatest lead, in the same way from the other end.
                    greatest, left = base, slack
                    for j in range(members - 1, -1, -1):
                        m = order[p, j]
                        share = min(left, width[m])
                        greatest += share * leads[p, m]
                        left -= share
                        if left <= 0:
                            break
                    # A class is ruled out only where the other leads all over the box by more than rounding can close,
                    # here and in the fused sums; a tie, which the lower class wins, rules out neither. So what wins at
                    # a vector of the box is never ruled out, and at least one class stays.
                    can_win[high] &= least <= margin
                    can_win[low] &= greatest >= -margin
                    high += 1
                    if high == classes:
                        low += 1
                        high = low + 1
                for k in range(classes):
                    if can_win[k]:
                        winners += 1
                        winner = k
            stays_free[i] = winners > 1
            if winners == 1:
                # It wins at every vector of the box, and so in every part of it: no half looks at this row again.
                fixed[v, cells[start + winner]] += multiplicity[row]
                continue
            # Right where it may be, else wrong by a class of which nothing is claimed: a metric that only rises as
            # errors are corrected scores these counts no lower than any vector of the box.
            may_be_right = 0
            for k in range(classes):
                if can_win[k] and correct[start + k]:
                    may_be_right = 1
            optimistic[v, cells[start] // classes_of_group, may_be_right] += multiplicity[row]
