"""The exact optimum of a grid too fine to enumerate: branch and bound over cells of the weight simplex.

A cell is left where even its ceiling, every row that may be right being right, is below the best score known; it is
settled as a whole where no row in it is open; of a small one with many open rows every vector is scored. All others are
cut in halves, which look only at the rows that were open in the whole. The best score known begins at that of a coarse
grid, from where smaller steps climb. (Land and Doig, Econometrica 1960.)

Cells that may only tie with the best wait until no other is left: then the optimum is certain, and what remains is to
count the vectors that reach it, which ends after a number of cells where their borders are too long to follow.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ensemble.engine.cells import Cells
from ensemble.engine.choice import SAME, Choice
from ensemble.engine.cores import cores
from ensemble.engine.counted import Counted
from ensemble.engine.narrowing import Narrowed, Rows
from ensemble.engine.simplex import Simplex
from ensemble.engine.tied import Tied
from spine.files import read_if_whole, write_json
from spine.progress import bar

__all__ = ["search_branches"]

# Cells that are halved together, which limits what is held in memory and makes the answer the same on any machine.
MOST_CELLS, MOST_ROWS = 1024, 1_000_000
SMALL, MANY = 512, 500  # vectors of a cell that is counted vector by vector, if it has at least so many open rows
COARSE = 20_000  # vectors of the grid that the search begins with
CLIMBS = 3  # from the best of those
MOST_TIES = 200_000  # cells that are looked at for ties alone
SAVED_EVERY = 20.0  # seconds


class Branch(NamedTuple):
    """A cell that may hold the optimum: its `ends` (2, M), its open rows, and the counts (G, C) of all others."""

    ends: np.ndarray
    open_rows: np.ndarray
    settled: np.ndarray


@dataclass
class Search:
    """Where a search stands: the cells still to look at, the most promising last, apart from them those that may only
    tie, the ones of fewest members last; and what the cells looked at gave.
    """

    counted: Counted
    rows: Rows
    steps: int
    tied: Tied
    branches: list[Branch] = field(default_factory=list)
    ties: list[Branch] = field(default_factory=list)
    looked_at: float = 0.0  # vectors
    looked_at_ties: int = 0  # cells

    def open(self, cells: Cells) -> None:
        """Cells of which nothing is known yet."""
        every, settled = np.arange(len(self.rows)), self.counted.undecided.settled
        self.branches += [Branch(ends, every, settled) for ends in cells.ends]

    def copy(self) -> Search:
        """What stands now, whatever becomes of this search."""
        tied = replace(self.tied, found=dict(self.tied.found))
        return replace(self, tied=tied, branches=list(self.branches), ties=list(self.ties))

    @property
    def goes_on(self) -> bool:
        """Whether cells are left that are worth the time."""
        return bool(self.branches) or (bool(self.ties) and self.looked_at_ties < MOST_TIES)

    def halve(self, pool: Executor) -> None:
        """Cut the last cells in halves, and keep those that may hold the optimum."""
        assert self.counted.ceiling is not None
        cells, narrowed = self._halves(self._batch(), pool)
        ceilings, open_rows, points = self.counted.ceiling(narrowed.optimistic), np.diff(narrowed.bounds), cells.points
        promising = ceilings >= self.tied.best - SAME
        alike = promising & (open_rows == 0)
        countable = promising & ~alike & (open_rows >= MANY) & (points <= SMALL)
        others = promising & ~alike & ~countable
        for number in np.flatnonzero(alike).tolist():
            self.tied.add_cell(float(ceilings[number]), cells[number])
        for scored in pool.map(partial(self._score, cells, narrowed), np.flatnonzero(countable).tolist()):
            self.tied.add_vectors(*scored)
        self.looked_at += points[~others].sum()
        may_gain = others & (ceilings > self.tied.best + SAME)
        for into, which, rank in (
            (self.branches, may_gain, ceilings),
            (self.ties, others & ~may_gain, -np.count_nonzero(cells.ends[:, 0], axis=1)),
        ):
            kept = np.flatnonzero(which)
            for number in kept[np.argsort(rank[kept], kind="stable")].tolist():
                open_, settled = narrowed.open_rows(number), narrowed.settled[number]
                # Copies, not views that would keep the rows of all cells.
                into.append(Branch(cells.ends[number], open_.copy(), settled.copy()))

    def _halves(self, batch: list[Branch], pool: Executor) -> tuple[Cells, Narrowed]:
        cells, parents = Cells(np.stack([branch.ends for branch in batch]), self.steps).halves()
        before = [batch[parent] for parent in parents]
        settled = np.stack([branch.settled for branch in before])
        return cells, self.rows.narrow(cells, [branch.open_rows for branch in before], settled, pool)

    def _score(self, cells: Cells, narrowed: Narrowed, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Scores of all vectors of one cell, and the vectors."""
        undecided = self.rows.undecided_of(narrowed.open_rows(number), narrowed.settled[number])
        vectors = cells[number].vectors()
        return self.counted.function(undecided.confusions(vectors / self.steps, self.counted.vectors)), vectors

    def _batch(self) -> list[Branch]:
        source = self.branches or self.ties
        batch: list[Branch] = []
        rows = 0
        while source and len(batch) < MOST_CELLS and rows < MOST_ROWS:
            batch.append(source.pop())
            rows += len(batch[-1].open_rows)
        self.looked_at_ties += len(batch) if source is self.ties else 0
        return batch


def search_branches(
    counted: Counted, grid: Simplex, *, progress: bool = False, unfinished: Path | None = None, keep: bool = False
) -> Choice:
    """The exact optimum over the whole grid, and what ties with it, of a metric that has a ceiling.

    Files are used as in `search_grid`, and written when the search is stopped by an error or Ctrl-C.
    """
    tied, whole = Tied(-np.inf), Cells.whole(grid.members, grid.steps)
    if not counted.undecided.open:  # weights change nothing
        tied.add_cell(float(counted.function(counted.undecided.settled[None])[0]), whole[0])
        return _choice(tied, grid)
    search = Search(counted, Rows.of(counted.undecided), grid.steps, tied)
    if not (unfinished and _read(search, unfinished)):
        search.tied.best, search.tied.first = _first_best(counted, grid)
        search.open(whole)
    with ThreadPoolExecutor(cores()) as pool, bar("weight search", grid.size, shown=progress) as show:
        _finish(search, pool, show, unfinished)
    if unfinished:
        _write(search, unfinished) if keep else unfinished.unlink(missing_ok=True)
    return _choice(search.tied, grid, complete=not search.ties)


def _finish(search: Search, pool: Executor, show: Callable[[float], None], unfinished: Path | None) -> None:
    """Search to the end; what stands is saved now and then, and when the search is stopped."""
    saved, stands = time.monotonic(), search.copy()
    try:
        while search.goes_on:
            search.halve(pool)
            show(search.looked_at)
            stands = search.copy()
            if unfinished and time.monotonic() - saved > SAVED_EVERY:
                _write(stands, unfinished)
                saved = time.monotonic()
    except BaseException:
        if unfinished:
            _write(stands, unfinished)
        raise


def _first_best(counted: Counted, grid: Simplex) -> tuple[float, np.ndarray]:
    """The best score of a coarse grid and of what it leads to, and the vector (M,) that has it."""
    divisors = (steps for steps in range(min(grid.steps, COARSE), 0, -1) if grid.steps % steps == 0)
    coarse = next(few for steps in divisors if (few := Simplex(grid.members, steps)).size <= COARSE or steps == 1)
    vectors = coarse.vectors(np.arange(coarse.size)) * (grid.steps // coarse.steps)
    scores = counted(vectors / grid.steps)
    best = np.argsort(-scores, kind="stable")[:CLIMBS]
    tops = [_climb(counted, vectors[number], float(scores[number]), grid.steps) for number in best]
    return max(tops, key=lambda top: top[0])


def _climb(counted: Counted, vector: np.ndarray, score: float, steps: int) -> tuple[float, np.ndarray]:
    """Score and vector at the top: move weight from one member to another while that helps, in ever smaller pieces."""
    one = np.eye(len(vector), dtype=np.int64)
    moves = (one[:, None] - one).reshape(-1, len(vector))
    piece = max(1, steps // 16)
    while piece:
        near = vector + moves * piece
        near = near[(near >= 0).all(axis=1)]
        scores = counted(near / steps)
        if scores.max() > score:
            vector, score = near[scores.argmax()], float(scores.max())
        else:
            piece //= 2
    return score, vector


def _read(search: Search, path: Path) -> bool:
    """Go on from where a search was stopped; whether there was one."""
    found, members = read_if_whole(path), search.rows.scores.shape[1]
    try:
        cells = Cells(np.array(found["cells"], dtype=np.int64).reshape(-1, 2, members), search.steps)
        known = {gain: (count, np.array(vectors)) for gain, count, vectors in found["tied"]}
        tied = Tied(found["best"], known, found["scored"], np.array(found["first"]))
        search.looked_at, search.looked_at_ties = int(found["looked_at"]), int(found["looked_at_ties"])
    except (KeyError, TypeError, ValueError):  # none there, or damaged: the search begins anew
        return False
    search.open(cells)
    search.tied = tied
    return True


def _write(search: Search, path: Path) -> None:
    tied = search.tied
    found = {
        "cells": [branch.ends.tolist() for branch in (*search.ties, *search.branches)],
        "tied": [[gain, count, vectors.tolist()] for gain, (count, vectors) in tied.found.items()],
        "best": tied.best,
        "first": [] if tied.first is None else tied.first.tolist(),
        "scored": tied.scored,
        "looked_at": search.looked_at,
        "looked_at_ties": search.looked_at_ties,
    }
    write_json(found, path)


def _choice(tied: Tied, grid: Simplex, *, complete: bool = True) -> Choice:
    vectors, gains = tied.preferred()
    why = _why(tied.count, grid.size, vectors[0], complete)
    return Choice(vectors / grid.steps, gains, grid.size, tied.scored, tied.count, why)


def _why(ties: int, size: int, chosen: np.ndarray, complete: bool) -> str:
    if not complete:
        return (
            f"At least {ties:,} of {size:,} weight vectors have this score, the best there is; more were not sought. "
            f"Of those found, this one has the fewest members ({np.count_nonzero(chosen)}), and is the first of such "
            "nearest to equal weights."
        )
    if ties == 1:
        return f"The only one of {size:,} weight vectors with this score."
    return (
        f"{ties:,} of {size:,} weight vectors have this score; this one is the first of those with the fewest members "
        f"({np.count_nonzero(chosen)}) that are nearest to equal weights."
    )
