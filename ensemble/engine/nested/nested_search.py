"""The nested estimate of temperatures and class weights: fitted and searched again on every resample of the patients.

`nested_estimate` scores one fixed grid on all resamples at once. Here a resample has temperatures of its own, and so a
search of its own; the patients that it left out judge what it found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ensemble.engine.grid.choice import first_choice
from ensemble.engine.line.per_class import per_class_objective, search_per_class
from ensemble.engine.nested.resampled_gains import grid_weights
from ensemble.engine.scoring.objectives import Objective, is_defined
from ensemble.engine.scoring.stack import Stack
from ensemble.fusion.fuse import Mean
from spine import metrics

__all__ = ["Fit", "nested_search"]

Fit = Callable[[np.ndarray, np.ndarray], float]  # probabilities (N, C) and classes (N,) -> a temperature


def nested_search(
    stack: Stack,
    metric: str,
    draws: np.ndarray,
    steps: int,
    *,
    fit: Fit | None,
    per_class: bool,
    allowed: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Iterator[float]:
    """Scores on the rows that each of `draws` (R, N) left out, how often each row counts, NaN where undefined.

    Weights are searched on the grid of that many `steps`, those that `allowed` permits, then a weight a class where
    `per_class`; members are scaled by temperatures that `fit` finds on the drawn rows, where it is given.
    """
    weights = grid_weights(stack.probabilities.shape[0], steps, allowed)
    for counts in draws:
        drawn, left_out = stack.rows(np.repeat(np.arange(len(counts)), counts.astype(int))), stack.rows(counts == 0)
        yield _score(left_out, _choose(drawn, metric, weights, fit, per_class), metric)


def _choose(
    drawn: Stack, metric: str, weights: np.ndarray, fit: Fit | None, per_class: bool
) -> tuple[np.ndarray, Mean] | None:
    """The members (K,) that were chosen and how they are fused; None where the metric is not defined."""
    if not is_defined(metric, drawn):
        return None
    temperatures = tuple(fit(one, drawn.truth) for one in drawn.probabilities) if fit else ()
    scaled = drawn.tempered(temperatures) if temperatures else drawn
    chosen = weights[first_choice(weights, Objective.of(metric, scaled, len(weights)).gains(weights))]
    kept = np.flatnonzero(chosen)
    shares: list = chosen[kept].tolist()
    if per_class:
        few = scaled.members(kept)
        class_weights = search_per_class(per_class_objective(metric, few), chosen[kept], few.probabilities.shape[2])
        shares = [tuple(row) for row in class_weights.tolist()]
    return kept, Mean(tuple(shares), tuple(temperatures[number] for number in kept if temperatures))


def _score(left_out: Stack, chosen: tuple[np.ndarray, Mean] | None, metric: str) -> float:
    if chosen is None or not len(left_out.truth):
        return np.nan
    kept, fuse = chosen
    return float(
        metrics.classification.METRICS.named(metric).function(left_out.truth, fuse(list(left_out.probabilities[kept])))
    )
