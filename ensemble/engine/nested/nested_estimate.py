"""The nested estimate of a search: weights chosen again on resampled patients, and judged on those left out.

Each resample draws patients with replacement, as the bootstrap does; on average 37 % of them are left out of it. The
grid is searched on the drawn ones and the choice is scored on the others, which it never saw (out-of-bag estimation,
Breiman 1996). No member is trained again: this measures how much the choice of weights overfits, not the members.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ensemble.engine.grid.choice import SAME, first_choices
from ensemble.engine.nested.resampled_gains import ResampledGains

__all__ = ["NestedEstimate", "nested_estimate"]


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
    gains: ResampledGains, chosen: np.ndarray, steps: int, among: np.ndarray | None = None
) -> NestedEstimate:
    """Choose and judge in every resample; `chosen` (M,) are the search's weights, `steps` those of the grid.

    Thresholds of the fusion are chosen again too; equal weights have the first. Of resamples `among` those numbers,
    where they are given.
    """
    equal = gains.on_left_out(np.full(gains.members, 1 / gains.members))
    counted = gains.judged[np.isfinite(equal[gains.judged])]
    if among is not None:
        counted = np.intersect1d(counted, among)
    drawn, left_out = gains.drawn[:, counted], gains.left_out[:, counted]
    resamples = np.arange(len(counted))
    picks = first_choices(gains.weights, drawn) if len(counted) else counted
    singles = np.flatnonzero(gains.weights.max(axis=1) == 1)
    nearest = np.square(gains.weights - chosen).sum(axis=1).argmin()
    nested = gains.sign * left_out[picks, resamples]
    low, high = np.quantile(nested, [0.025, 0.975]) if len(picks) else (np.nan, np.nan)
    return NestedEstimate(
        nested=_mean(nested),
        low=float(low),
        high=float(high),
        equal=_mean(gains.sign * equal[counted]),
        single=_mean(gains.sign * left_out[singles[drawn[singles].argmax(axis=0)], resamples])
        if len(singles)
        else np.nan,
        share=_mean(drawn[nearest] >= drawn.max(axis=0, initial=-np.inf) - SAME),
        resamples=len(picks),
        step=1 / steps,
    )


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else np.nan
