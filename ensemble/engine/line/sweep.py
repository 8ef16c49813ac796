"""The exact course of a metric that counts along a line between two weight vectors.

On the way every score is linear, so each row changes its class at most K - 1 times, where the upper envelope of its
classes' lines breaks. Sorted, those crossings cut the line into stretches on each of which the metric is constant. One
sweep over them finds the best, as minimum error rate training does for translation (Och, ACL 2003).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ensemble.engine.grid.choice import SAME
from ensemble.engine.scoring.confusion_metric import ConfusionMetric
from ensemble.engine.scoring.presolve import FreeRows

__all__ = ["Stretch", "sweep"]

NARROWEST = 1e-9  # of a line: a stretch shorter than this is one on which rounding decides


class Stretch(NamedTuple):
    """Where between 0 and 1 on a line a metric is best, and what `ConfusionMetric.function` says there."""

    start: float
    stop: float
    score: float

    @property
    def middle(self) -> float:
        """The point farthest from its ends, where the metric would change."""
        return (self.start + self.stop) / 2


class Crossings(NamedTuple):
    """Where rows change their class: at each of `places` (E,), `multiplicity` rows leave cell `left` for `entered`."""

    places: np.ndarray
    left: np.ndarray
    entered: np.ndarray
    multiplicity: np.ndarray


def sweep(
    confusion_metric: ConfusionMetric, start: np.ndarray, stop: np.ndarray, *, higher_is_better: bool = True
) -> Stretch:
    """The best stretch of the line from weights `start` (M,) to `stop` (M,); of equally good ones the longest."""
    counts = confusion_metric.presolved.fixed.ravel().copy()
    crossings = _in_order([_crossings(part, start, stop, counts) for part in confusion_metric.presolved.free])
    ends = np.append(crossings.places, 1.0)
    best = Stretch(0.0, 0.0, -np.inf)
    sign = 1 if higher_is_better else -1
    for block, confusions in _confusions(confusion_metric, counts, crossings):
        gains = sign * confusion_metric.function(confusions)
        # Stretch e begins at crossing e - 1 and ends at crossing e; the very first begins at 0.
        starts, stops = np.append(0.0, crossings.places)[block], ends[block]
        best = _better(best, starts, stops, gains)
    return best._replace(score=sign * best.score)


def _better(best: Stretch, starts: np.ndarray, stops: np.ndarray, gains: np.ndarray) -> Stretch:
    wide = stops - starts > NARROWEST
    if not wide.any():
        return best
    gains = np.where(wide, gains, -np.inf)
    tied = np.flatnonzero(gains >= gains.max() - SAME)
    longest = tied[np.argmax((stops - starts)[tied])]
    candidate = Stretch(float(starts[longest]), float(stops[longest]), float(gains[longest]))
    if abs(candidate.score - best.score) <= SAME:
        return max(best, candidate, key=lambda stretch: stretch.stop - stretch.start)
    return max(best, candidate, key=lambda stretch: stretch.score)


def _confusions(
    confusion_metric: ConfusionMetric, counts: np.ndarray, crossings: Crossings
) -> Iterator[tuple[slice, np.ndarray]]:
    """Blocks of stretches in order, with their confusions (E, G, C)."""
    shape = confusion_metric.presolved.fixed.shape
    stretches = len(crossings.places) + 1
    for block in confusion_metric.blocks(stretches):
        changes = slice(max(block.start - 1, 0), min(block.stop, stretches) - 1)
        first = int(block.start == 0)  # the stretch before any crossing
        steps = np.zeros((changes.stop - changes.start + first, counts.size), np.int64)
        rows = np.arange(first, len(steps))
        steps[rows, crossings.left[changes]] -= crossings.multiplicity[changes]
        steps[rows, crossings.entered[changes]] += crossings.multiplicity[changes]
        steps[0] += counts
        confusions = steps.cumsum(axis=0)
        counts = confusions[-1]
        yield slice(block.start, min(block.stop, stretches)), confusions.reshape(-1, *shape)


def _crossings(part: FreeRows, start: np.ndarray, stop: np.ndarray, counts: np.ndarray) -> Crossings:
    """Follow each row's winner from 0 to 1; the winners at 0 are added to `counts`."""
    values = np.tensordot(start, part.scores, 1)  # (K, U)
    slopes = np.tensordot(stop - start, part.scores, 1)
    cells = np.repeat(part.cells, np.diff(part.offsets), axis=0).T
    rows = np.arange(values.shape[1])
    winner = _first_winner(values, slopes)
    np.add.at(counts, cells[winner, rows], part.multiplicity)
    crossings = []
    for _ in range(len(values) - 1):
        place, successor = _next_crossing(values, slopes, winner)
        alive = place < 1
        if not alive.any():
            break
        values, slopes, cells = values[:, alive], slopes[:, alive], cells[:, alive]
        place, successor, winner, rows = place[alive], successor[alive], winner[alive], rows[alive]
        number = np.arange(len(rows))
        crossings.append(Crossings(place, cells[winner, number], cells[successor, number], part.multiplicity[rows]))
        winner = successor
    return _in_order(crossings)


def _first_winner(values: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """The class (U,) that leads just after 0: the highest value, of equal ones the steepest, then the lowest class."""
    highest = values >= values.max(axis=0) - 1e-15
    return np.where(highest, slopes, -np.inf).argmax(axis=0)


def _next_crossing(values: np.ndarray, slopes: np.ndarray, winner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where (U,) the winner is first overtaken, and by which class; infinity where it never is."""
    rows = np.arange(len(winner))
    faster = slopes - slopes[winner, rows]
    with np.errstate(divide="ignore", invalid="ignore"):
        places = np.where(faster > 0, (values[winner, rows] - values) / faster, np.inf)
    places = np.maximum(places, 0)
    first = places.min(axis=0)
    return first, np.where(places == first, slopes, -np.inf).argmax(axis=0)


def _in_order(crossings: list[Crossings]) -> Crossings:
    if not crossings:
        return Crossings(*(np.empty(0, kind) for kind in (np.float64, np.int64, np.int64, np.int64)))
    joined = Crossings(*(np.concatenate(column) for column in zip(*crossings, strict=True)))
    order = np.argsort(joined.places, kind="stable")
    return Crossings(*(column[order] for column in joined))
