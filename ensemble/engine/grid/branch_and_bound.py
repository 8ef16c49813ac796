"""The exact optimum of a grid too fine to enumerate: branch and bound over boxes of the weight simplex.

A node, a box with its free rows, is pruned where even its upper bound, every row that may be right being right, is
below the best score known; it is fathomed as a whole where no row in it is free; of a small one with many free rows
every vector is scored. All others are branched: cut in halves, which look only at the rows that were free in the whole.
The best score known begins at that of a coarse grid, from where smaller steps climb (Land and Doig, Econometrica 1960).

Nodes that may only tie with the best wait until no other is left: then the optimum is certain, and what remains is to
count the vectors that reach it, which ends after a number of nodes where their borders are too long to follow.

With a penalty on weights far from equal ones, a node's upper bound is that of its score less the least penalty in it.
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

from ensemble.engine.grid.bounding import Bounded, RowTable
from ensemble.engine.grid.choice import SAME, Choice
from ensemble.engine.grid.first_incumbent import first_incumbent
from ensemble.engine.grid.incumbents import Incumbents
from ensemble.engine.grid.penalty import Penalty
from ensemble.engine.grid.simplex import Simplex
from ensemble.engine.grid.simplex_box import SimplexBoxes
from ensemble.engine.scoring.confusion_metric import ConfusionMetric
from spine.core.cores import usable_cores
from spine.core.files import read_if_whole, write_json
from spine.core.progress import bar

__all__ = ["branch_and_bound"]

# Nodes that are branched together, which limits what is held in memory and makes the answer the same on any machine.
MOST_NODES, MOST_ROWS = 1024, 1_000_000
SMALL, MANY = 512, 500  # vectors of a box that is counted vector by vector, if it has at least so many free rows
MOST_TIES = 200_000  # nodes that are visited for ties alone
SAVED_EVERY = 20.0  # seconds


class Node(NamedTuple):
    """A box that may hold the optimum: its `ends` (2, M), its free rows, and the counts (G, C) of all others."""

    ends: np.ndarray
    free_rows: np.ndarray
    fixed: np.ndarray


@dataclass
class Search:
    """Where a search stands: the nodes still to visit, in `frontier` those that may raise the best gain, the most
    promising last, and in `ties` those that may only reach it, the ones of fewest members last; and what the nodes
    visited gave. A gain is a score less the `penalty`.
    """

    confusion_metric: ConfusionMetric
    rows: RowTable
    penalty: Penalty
    incumbents: Incumbents
    frontier: list[Node] = field(default_factory=list)
    ties: list[Node] = field(default_factory=list)
    visited: float = 0.0  # vectors
    visited_ties: int = 0  # nodes

    @property
    def steps(self) -> int:
        """The sum of every vector."""
        return self.penalty.grid.steps

    def gains_of(self, vectors: np.ndarray) -> np.ndarray:
        """Gains (V,) of integer vectors (V, M), by scoring them."""
        return self.confusion_metric(vectors / self.steps) - self.penalty.of(vectors)

    def add(self, boxes: SimplexBoxes) -> None:
        """Boxes of which nothing is known yet."""
        every, fixed = np.arange(len(self.rows)), self.confusion_metric.presolved.fixed
        self.frontier += [Node(ends, every, fixed) for ends in boxes.ends]

    def copy(self) -> Search:
        """What stands now, whatever becomes of this search."""
        incumbents = replace(self.incumbents, by_gain=dict(self.incumbents.by_gain))
        return replace(self, incumbents=incumbents, frontier=list(self.frontier), ties=list(self.ties))

    @property
    def goes_on(self) -> bool:
        """Whether nodes are left that are worth the time."""
        return bool(self.frontier) or (bool(self.ties) and self.visited_ties < MOST_TIES)

    def branch(self, pool: Executor) -> None:
        """Cut the boxes of the last nodes in halves, bound these, and keep those that may hold the optimum."""
        boxes, bounded = self._bounded_halves(self._batch(), pool)
        assert self.confusion_metric.upper_bound is not None
        upper_bounds = self.confusion_metric.upper_bound(bounded.optimistic_confusions) - self.penalty.least(boxes)
        free_rows, points = np.diff(bounded.offsets), boxes.points
        # No vector of a box is above its upper bound, and some vector has the best gain: what is pruned here holds none
        # that reaches it. Nor does it hold a tie: gains tie within SAME, which is far more than rounding makes.
        promising = upper_bounds >= self.incumbents.best - SAME
        fathomed = promising & (free_rows == 0)  # one score all over the box: some vector has its upper bound
        countable = promising & ~fathomed & (free_rows >= MANY) & (points <= SMALL)
        branched = promising & ~fathomed & ~countable
        for number in np.flatnonzero(fathomed).tolist():
            self.incumbents.add_box(float(upper_bounds[number]), boxes[number], only_nearest=self.penalty.kappa > 0)
        for scored in pool.map(partial(self._score, boxes, bounded), np.flatnonzero(countable).tolist()):
            self.incumbents.add_vectors(*scored)
        self.visited += points[~branched].sum()
        self._keep(boxes, bounded, upper_bounds, branched)

    def _keep(self, boxes: SimplexBoxes, bounded: Bounded, upper_bounds: np.ndarray, branched: np.ndarray) -> None:
        """The nodes to branch later: those that may raise the best score apart from those that may only tie with it."""
        may_gain = branched & (upper_bounds > self.incumbents.best + SAME)
        for into, which, rank in (
            (self.frontier, may_gain, upper_bounds),
            (self.ties, branched & ~may_gain, -np.count_nonzero(boxes.ends[:, 0], axis=1)),
        ):
            kept = np.flatnonzero(which)
            for number in kept[np.argsort(rank[kept], kind="stable")].tolist():
                rows, fixed = bounded.free_rows(number), bounded.fixed[number]
                # Copies, not views that would keep the rows of all boxes.
                into.append(Node(boxes.ends[number], rows.copy(), fixed.copy()))

    def _bounded_halves(self, batch: list[Node], pool: Executor) -> tuple[SimplexBoxes, Bounded]:
        halves, parents = SimplexBoxes(np.stack([node.ends for node in batch]), self.steps).halves()
        before = [batch[parent] for parent in parents]
        fixed = np.stack([node.fixed for node in before])
        return halves, self.rows.bound(halves, [node.free_rows for node in before], fixed, pool)

    def _score(self, boxes: SimplexBoxes, bounded: Bounded, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Gains of all vectors of one box, and the vectors."""
        metric, vectors = self.confusion_metric, boxes[number].vectors()
        presolved = self.rows.presolved_of(bounded.free_rows(number), bounded.fixed[number])
        scores = metric.function(presolved.confusions(vectors / self.steps, metric.vectors))
        return scores - self.penalty.of(vectors), vectors

    def _batch(self) -> list[Node]:
        source = self.frontier or self.ties
        batch: list[Node] = []
        rows = 0
        while source and len(batch) < MOST_NODES and rows < MOST_ROWS:
            batch.append(source.pop())
            rows += len(batch[-1].free_rows)
        self.visited_ties += len(batch) if source is self.ties else 0
        return batch


def branch_and_bound(
    confusion_metric: ConfusionMetric,
    grid: Simplex,
    *,
    penalty: float = 0.0,
    progress: bool = False,
    unfinished: Path | None = None,
    keep: bool = False,
) -> Choice:
    """The exact optimum over the whole grid, and what ties with it, of a metric that has an upper bound.

    `penalty` and files are used as in `search_grid`; these are written when the search is stopped by an error or
    Ctrl-C.
    """
    presolved, incumbents = confusion_metric.presolved, Incumbents(-np.inf)
    whole, penalising = SimplexBoxes.whole(grid.members, grid.steps), Penalty(penalty, grid)
    if not presolved.free:  # weights change nothing
        gains = confusion_metric.function(presolved.fixed[None]) - penalising.least(whole)
        incumbents.add_box(float(gains[0]), whole[0], only_nearest=penalty > 0)
        return penalising.told(_choice(incumbents, grid))
    search = Search(confusion_metric, RowTable.of(presolved), penalising, incumbents)
    if not (unfinished and _read(search, unfinished)):
        search.incumbents.best, search.incumbents.first = first_incumbent(search.gains_of, grid)
        search.add(whole)
    with ThreadPoolExecutor(usable_cores()) as pool, bar("weight search", grid.size, shown=progress) as show:
        _finish(search, pool, show, unfinished)
    if unfinished:
        _write(search, unfinished) if keep else unfinished.unlink(missing_ok=True)
    return penalising.told(_choice(search.incumbents, grid, complete=not search.ties))


def _finish(search: Search, pool: Executor, show: Callable[[float], None], unfinished: Path | None) -> None:
    """Search to the end; what stands is saved now and then, and when the search is stopped."""
    saved, stands = time.monotonic(), search.copy()
    try:
        while search.goes_on:
            search.branch(pool)
            show(search.visited)
            stands = search.copy()
            if unfinished and time.monotonic() - saved > SAVED_EVERY:
                _write(stands, unfinished)
                saved = time.monotonic()
    except BaseException:
        if unfinished:
            _write(stands, unfinished)
        raise


def _read(search: Search, path: Path) -> bool:
    """Go on from where a search was stopped; whether there was one, with the same penalty."""
    stored, members = read_if_whole(path), search.rows.scores.shape[1]
    try:
        if stored.get("kappa", 0.0) != search.penalty.kappa:
            return False
        boxes = SimplexBoxes(np.array(stored["cells"], dtype=np.int64).reshape(-1, 2, members), search.steps)
        by_gain = {gain: (count, np.array(vectors)) for gain, count, vectors in stored["tied"]}
        incumbents = Incumbents(stored["best"], by_gain, stored["scored"], np.array(stored["first"]))
        search.visited, search.visited_ties = int(stored["looked_at"]), int(stored["looked_at_ties"])
    except (KeyError, TypeError, ValueError):  # none there, or damaged: the search begins anew
        return False
    search.add(boxes)
    search.incumbents = incumbents
    return True


def _write(search: Search, path: Path) -> None:
    # The keys stay what they were, and no kappa is none: a search that an earlier version was stopped in goes on.
    incumbents = search.incumbents
    stored = {
        "kappa": search.penalty.kappa,
        "cells": [node.ends.tolist() for node in (*search.ties, *search.frontier)],
        "tied": [[gain, count, vectors.tolist()] for gain, (count, vectors) in incumbents.by_gain.items()],
        "best": incumbents.best,
        "first": [] if incumbents.first is None else incumbents.first.tolist(),
        "scored": incumbents.scored,
        "looked_at": search.visited,
        "looked_at_ties": search.visited_ties,
    }
    write_json(stored, path)


def _choice(incumbents: Incumbents, grid: Simplex, *, complete: bool = True) -> Choice:
    vectors, gains = incumbents.preferred()
    why = _why(incumbents.count, grid.size, vectors[0], complete)
    return Choice(vectors / grid.steps, gains, grid.size, incumbents.scored, incumbents.count, why)


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
