"""Weights in which every vector of the grid has a say: the better it does, in units of noise, the more.

The optimum stakes all on one vector of thousands that do as well but for noise. Here all of them are averaged, each
with the share exp(gain / noise): exponential weighting, as of aggregated estimators (Dalalyan and Tsybakov, Machine
Learning 2008). The noise is that of the resamples: one and a half times the standard error of a vector's lead over
equal weights, of which the median over vectors is taken. Where the patients tell nothing, the average is equal weights;
where they tell much, it is near the optimum.

It never gets quite there, since the grid is wide. So from there the weights go on to the mean of the resamples' optima,
as far as that is surely better than equal weights: by 1 - 2 / z^2, where z is its lead in standard errors of it; the
factor is Stein's, and 0 below 1.4 standard errors.

Both constants were chosen by `benchmarks/weight_rules.py`: colder, the worst cases lose more; hotter, less is gained
where members differ much.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ensemble.engine.grid.choice import SAME
from ensemble.engine.nested.resampled_gains import ResampledGains

__all__ = ["Weighing", "weigh"]

HEAT = 1.5  # of the noise
STEIN = 2.0


@dataclass(frozen=True)
class Weighing:
    """`weights` (M,) that go from the `average` (M,) of the grid to the resamples' mean, as far as the `certainty`."""

    weights: np.ndarray
    average: np.ndarray
    certainty: float


def weigh(gains: ResampledGains, target: np.ndarray, mean: np.ndarray) -> Weighing:
    """Of the gains on some patients; `target` (M,) are equal weights, `mean` (M,) is that of the resamples' optima.

    Without a resample, or where no vector leads, the result is the target. Where resamples agree to the last digit, it
    is the mean of the best vectors: the limit of the average as the noise goes to 0.
    """
    if not gains.resamples:
        return Weighing(target, target, 0.0)
    equal, on_resamples = _gains_of(gains, target)
    errors = (gains.drawn - on_resamples).std(axis=1)
    noise = errors[errors > SAME]
    if not len(noise):
        best = gains.centre() if gains.whole.max() > equal + SAME else target
        return Weighing(best, best, 1.0 if best is not target else 0.0)
    shares = np.exp((gains.whole - gains.whole.max()) / (HEAT * np.median(noise)))
    average = shares @ gains.weights / shares.sum()
    gain, drawn = _gains_of(gains, mean)
    lead, error = gain - equal, float((drawn - on_resamples).std())
    certainty = max(0.0, 1 - STEIN * (error / lead) ** 2) if lead > 0 else 0.0
    return Weighing(average + certainty * (mean - average), average, certainty)


def _gains_of(gains: ResampledGains, weights: np.ndarray) -> tuple[float, np.ndarray]:
    """The gain of weights (M,) on the patients, under their best setting, and those on the resamples (R,)."""
    setting, gain = gains.best_setting(weights)
    return gain, gains.on_drawn(weights, setting)
