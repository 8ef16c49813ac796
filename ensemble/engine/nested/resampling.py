"""The nested estimate of a search: weights chosen again on resampled patients, and judged on those left out.

Each resample draws patients with replacement, as the bootstrap does; on average 37 % of them are left out of it. The
grid is searched on the drawn ones and the choice is scored on the others, which it never saw (out-of-bag estimation,
Breiman 1996). No member is trained again: this measures how much the choice of weights overfits, not the members.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ensemble.engine.boxes.box_objectives import Boxes
from ensemble.engine.grid.choice import SAME, first_choice
from ensemble.engine.grid.simplex import Simplex
from ensemble.engine.scoring.objective_by_threshold import FusionThresholds
from ensemble.engine.scoring.presolve import Presolved
from ensemble.engine.scoring.stack import Stack
from spine import metrics

__all__ = [
    *("Scorer", "NestedEstimate", "grid_weights", "scores_of_boxes", "scores_of_images", "scores_of_samples"),
    *("steps_within", "nested_estimate"),
]

Scorer = Callable[[np.ndarray, np.ndarray], Iterator[np.ndarray]]  # weights (V, M), draws (R, U) -> V rows (R,)
MOST_VECTORS = 20_000  # of the grid that is searched again in every resample
BLOCK = 64  # weight vectors whose counts are held at a time


@dataclass(frozen=True)
class NestedEstimate:
    """Means over resamples of the metric on left-out patients: `nested` of weights chosen without them, `equal` of
    equal weights, `single` of the member that was best without them. `low` and `high` hold the middle 95 % of `nested`.

    `share` is how often the weights that the search chose are a best choice on the drawn patients too. `resamples`
    counts those in which every score is defined. `step` is the grid's here, coarser than the search's where that has
    too many vectors; then `share` is of the grid point nearest to the chosen weights.
    """

    nested: float
    low: float
    high: float
    equal: float
    single: float
    share: float
    resamples: int
    step: float


def nested_estimate(
    scorers: Sequence[Scorer],
    draws: np.ndarray,
    chosen: np.ndarray,
    steps: int,
    *,
    higher_is_better: bool,
    allowed: Callable[[np.ndarray], np.ndarray] | None = None,
    most: int = MOST_VECTORS,
) -> NestedEstimate:
    """Choose and judge in every resample. `draws` (R, U) say how often each sample counts, `chosen` (M,) are the
    search's weights, `steps` its grid's, `allowed` says which weights (V, M) it might choose.

    There is a scorer for all thresholds of the fusion, those that the search chose first; thresholds are chosen
    again too. `most` limits the vectors of the grid.
    """
    steps = steps_within(len(chosen), steps, most)
    weights = grid_weights(len(chosen), steps, allowed)
    drawn, left_out = _gains(scorers, weights, draws, higher_is_better)
    weights = np.tile(weights, (len(scorers), 1))
    resamples = np.arange(drawn.shape[1])
    picks = [first_choice(weights, column) for column in drawn[:-1].T]
    singles = np.flatnonzero(weights.max(axis=1) == 1)
    nearest = np.square(weights - chosen).sum(axis=1).argmin()
    sign = 1 if higher_is_better else -1
    nested = sign * left_out[picks, resamples]
    low, high = np.quantile(nested, [0.025, 0.975]) if len(picks) else (np.nan, np.nan)
    return NestedEstimate(
        nested=_mean(nested),
        low=float(low),
        high=float(high),
        equal=_mean(sign * left_out[-1]),
        single=_mean(sign * left_out[singles[drawn[singles].argmax(axis=0)], resamples]),
        share=_mean(drawn[nearest] >= drawn[:-1].max(axis=0, initial=-np.inf) - SAME),
        resamples=len(picks),
        step=1 / steps,
    )


def _gains(
    scorers: Sequence[Scorer], weights: np.ndarray, draws: np.ndarray, higher_is_better: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Gains (S * V + 1, R) on drawn and on left-out patients, scorer by scorer, and equal weights by the first at
    the end.

    Of the resamples in which all of them are defined.
    """
    both = np.concatenate([draws, draws == 0])
    equal = np.full((1, weights.shape[1]), 1 / weights.shape[1])
    rows = [row for scores in scorers for row in scores(weights, both)]
    gains = np.stack([*rows, *scorers[0](equal, both)])
    drawn, left_out = np.split(gains if higher_is_better else -gains, 2, axis=1)
    defined = np.isfinite(drawn).all(axis=0) & np.isfinite(left_out).all(axis=0)
    return drawn[:, defined], left_out[:, defined]


def steps_within(members: int, steps: int, most: int = MOST_VECTORS) -> int:
    """The search's own steps, or the most that keep the grid within so many vectors; at least 1."""
    while steps > 1 and Simplex(members, steps).size > most:
        steps -= 1
    return steps


def grid_weights(members: int, steps: int, allowed: Callable[[np.ndarray], np.ndarray] | None = None) -> np.ndarray:
    """All weights (V, M) of the grid, those that `allowed` permits."""
    grid = Simplex(members, steps)
    weights = grid.weights(np.arange(grid.size))
    return weights[allowed(weights)] if allowed else weights


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else np.nan


def scores_of_samples(stack: Stack, metric: str) -> Scorer:
    """Of classification; the units that draws count are the rows of the stack."""
    function = metrics.classification.METRICS.named(metric).function

    def scores(weights: np.ndarray, draws: np.ndarray) -> Iterator[np.ndarray]:
        return (function(stack.truth, stack.fused(row), draws) for row in weights)

    return scores


def scores_of_images(presolved: Presolved, metric: str) -> Scorer:
    """Of segmentation, from pixels grouped by image and true class; the units that draws count are images."""
    function = metrics.segmentation.METRICS.named(metric).function
    classes = presolved.fixed.shape[1]

    def scores(weights: np.ndarray, draws: np.ndarray) -> Iterator[np.ndarray]:
        for start in range(0, len(weights), BLOCK):
            confusions = presolved.confusions(weights[start : start + BLOCK], len(weights))
            counts = metrics.segmentation.counts_of(confusions.reshape(len(confusions), -1, classes, classes))
            yield from (function(one, draws) for one in counts)

    return scores


def scores_of_boxes(boxes: Boxes, thresholds: FusionThresholds) -> Scorer:
    """Of detection, fused with those thresholds; the units that draws count are images."""
    function = metrics.detection.METRICS.named(boxes.metric).function

    def scores(weights: np.ndarray, draws: np.ndarray) -> Iterator[np.ndarray]:
        return (np.asarray(function(matches, draws)) for matches in boxes.matches(weights, thresholds))

    return scores
