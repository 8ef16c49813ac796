"""Continuous weights by exact line search: climb from good starts along lines of the weight simplex.

A metric that counts rows is constant between crossings, and `sweep` finds its best stretch of a line exactly. Log loss
and the Brier score are convex in the weights, so a bounded one-dimensional minimum is the line's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from ensemble.engine.grid.choice import SAME, Choice
from ensemble.engine.grid.greedy import search_greedy
from ensemble.engine.grid.grid_search import search_grid
from ensemble.engine.grid.simplex import Simplex
from ensemble.engine.line.sweep import sweep
from ensemble.engine.scoring.confusion_metric import ConfusionMetric
from ensemble.engine.scoring.objectives import Objective
from ensemble.engine.scoring.roc_auc import RocAuc
from spine.core.problems import SpineError
from spine.core.progress import track

__all__ = ["Line", "climb", "ends_between", "search_line"]

STEPS = 10  # of the grid whose best points are among the starts
LARGEST_GRID = 100_000  # vectors; where the grid has more, greedy selection stands in for it
GRID_STARTS = 3
SMALLEST = 1e-9  # a weight below it is 0

Ends = tuple[np.ndarray, np.ndarray]
Line = Callable[[np.ndarray], Ends | None]  # through weights (P,), from where to where; None where there is none
BestOnLine = Callable[[np.ndarray, np.ndarray], np.ndarray]  # start and stop (M,) -> the best weights between them


def search_line(objective: Objective, members: int, *, progress: bool = False) -> Choice:
    """Climb from the best points of the grid at step 0.1, greedy selection, equal weights and each member alone.

    Never worse than any start. The chosen weights lie in the middle of the widest stretch that reaches the optimum.
    SpineError where the metric has no line that can be followed.
    """
    if not objective.has_lines:
        raise SpineError(
            f"method 'line' does not support {objective.metric}; use grid, equal, best, greedy, tpe or cmaes"
        )
    lines = list(_lines(members))
    begun = _starts(objective, members, progress)
    seen = [begun.weights]
    starts = begun.weights
    for start in track(starts, "line search", shown=progress):
        seen.append(climb(objective, start, lines, _tidy)[None])
    weights = np.concatenate(seen)
    choice = Choice.of(weights, objective.gains(weights))
    scored = begun.scored + len(weights) - len(begun.weights)
    return replace(choice, evaluated=begun.evaluated, scored=scored, why=_why(objective, begun, choice))


def _starts(objective: Objective, members: int, progress: bool) -> Choice:
    """The starts, the best of all first, and what it took to find them."""
    grid = Simplex(members, STEPS)
    if grid.size <= LARGEST_GRID:
        choice = search_grid(objective, grid, progress=progress)
    else:
        choice = search_greedy(objective, members, STEPS)
    plain = np.concatenate([np.eye(members), np.full((1, members), 1 / members)])
    greedy = search_greedy(objective, members, STEPS).weights[:1]
    weights = np.concatenate([choice.weights[:GRID_STARTS], greedy, plain])
    return replace(choice, weights=weights, gains=objective.gains(weights))


def climb(
    objective: Objective, weights: np.ndarray, lines: Sequence[Line], tidy: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Move from weights (P,) to the best point of one line after the other until none is better.

    `tidy` removes traces of rounding from the points.
    """
    best_on_line = _best_on_line(objective)
    gain, unmoved = float(objective.gains(weights[None])[0]), 0
    while unmoved < len(lines):
        for line in lines:
            ends = line(weights)
            unmoved += 1
            if ends is None:
                continue
            moved = tidy(best_on_line(*ends))
            better = float(objective.gains(moved[None])[0])
            if better > gain + SAME:
                weights, gain, unmoved = moved, better, 0
            if unmoved >= len(lines):
                break
    return weights


def _lines(members: int) -> Iterator[Line]:
    """Towards each member from all others alike, and from one to another for each pair."""
    yield from (partial(_ends_towards, to=member) for member in range(members))
    yield from (partial(ends_between, to=member, source=other) for member in range(members) for other in range(member))


def ends_between(weights: np.ndarray, to: int, source: int) -> Ends | None:
    """All that two have together in the one, or in the other; None where they have nothing."""
    start, stop = weights.copy(), weights.copy()
    both = weights[to] + weights[source]
    start[[to, source]], stop[[to, source]] = (0, both), (both, 0)
    return (start, stop) if both > 0 else None


def _ends_towards(weights: np.ndarray, to: int) -> Ends | None:
    """Where the line through `weights` and a corner meets the other border of the simplex; None in the corner."""
    if weights[to] > 1 - SMALLEST:
        return None
    start = weights.copy()
    start[to] = 0
    return start / start.sum(), np.eye(len(weights))[to]


def _best_on_line(objective: Objective) -> BestOnLine:
    scores = objective.scores
    confusion_metric = scores.by_pairs() if isinstance(scores, RocAuc) else scores
    if not isinstance(confusion_metric, ConfusionMetric):
        return lambda start, stop: _minimum(objective, start, stop)
    better = objective.higher_is_better

    def best(start: np.ndarray, stop: np.ndarray) -> np.ndarray:
        place = sweep(confusion_metric, start, stop, higher_is_better=better).middle
        return start + place * (stop - start)

    return best


def _minimum(objective: Objective, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    from scipy.optimize import minimize_scalar

    def loss(place: float) -> float:
        return -float(objective.gains((start + place * (stop - start))[None])[0])

    place = minimize_scalar(loss, bounds=(0, 1), method="bounded", options={"xatol": 1e-10}).x
    return start + place * (stop - start)


def _tidy(weights: np.ndarray) -> np.ndarray:
    """Weights that sum to 1, without traces of rounding."""
    weights = np.where(weights < SMALLEST, 0, weights)
    return weights / weights.sum()


def _why(objective: Objective, begun: Choice, choice: Choice) -> str:
    before, after = (objective.score_of(np.array([result.gains.max()]))[0] for result in (begun, choice))
    starts = f"{len(begun.weights):,} starts"
    sentence = f"Exact line searches from {starts}; the best of those scored {before:.6g}."
    if before == after:
        sentence = f"No line from {starts} leads to a better score than the best of them."
    return sentence if choice.ties == 1 else f"{sentence} Of starts and ends, {choice.why}"
