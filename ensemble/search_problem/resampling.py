"""One pass over a grid of weights for all that a search asks of resampled patients: nested estimate and rules.

Patients are drawn again for both. For the rules' cross-validation, the patients that each fold leaves are drawn again
too, a quarter as often: only means and variances of them are asked for. With out-of-fold predictions so are the
patients of the validation split, to tell what weights of that one split would have been.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ensemble.engine.grid.budget import Budget
from ensemble.engine.nested.resampled_gains import (
    MOST_VECTORS,
    Draws,
    ResampledGains,
    grid_weights,
    steps_within,
)
from ensemble.engine.rules.cross_validation import draws_of_folds, fold_of_units
from ensemble.engine.rules.rules import Evidence
from ensemble.search_problem.context import SearchContext
from spine.experiment.stages import UNCHOSEN, SearchSettings, steps_of

__all__ = ["Resampled", "resample"]

OF_A_FOLD = 4  # a fold's share of the resamples is one in so many


@dataclass(frozen=True)
class Resampled:
    """The evidence of all patients, of those that each of the `folds` leaves, and of `one_split` where there is one.

    `drawn` (R, U) are all resamples, `fold_of` (U,) is the fold of every unit, `steps` those of the grid, coarser than
    the search's where that has too many vectors.
    """

    whole: Evidence
    folds: tuple[Evidence, ...]
    one_split: Evidence | None
    drawn: np.ndarray
    fold_of: np.ndarray
    steps: int

    def is_coarser_than(self, settings: SearchSettings) -> bool:
        """Whether the search's own grid is finer."""
        return self.steps < steps_of(settings.step)


def resample(
    context: SearchContext,
    settings: SearchSettings,
    seed: int = 0,
    budget: Budget | None = None,
    one_split: np.ndarray | None = None,
) -> Resampled | None:
    """None where no resamples are asked for, or there is nothing to choose.

    `one_split` (U,) are the units of the validation split. Class weights are not judged by rules, so for them patients
    are in no folds.
    """
    members = context.members
    if not settings.resamples or settings.method in UNCHOSEN or members == 1:
        return None
    asked = 1 if settings.method == "best" else steps_of(settings.step)
    steps = steps_within(members, asked, min(MOST_VECTORS, context.most))
    allowed = budget.allows if budget else None
    weights = grid_weights(members, steps, allowed)
    fold_of = fold_of_units(context.patients, seed)
    draws, folds = [Draws.of_patients(context.patients, settings.resamples, seed)], 0
    if not settings.per_class:
        draws += draws_of_folds(context.patients, fold_of, -(-settings.resamples // OF_A_FOLD), seed)
        folds = len(draws) - 1
        if one_split is not None:
            draws.append(Draws.of_patients(context.patients, settings.resamples // 2, seed, own=one_split))
    gains = _gains(context, weights, draws)
    whole, *parts = (Evidence(one, allowed) for one in gains)
    of_split = parts[folds] if len(parts) > folds else None
    return Resampled(whole, tuple(parts[:folds]), of_split, draws[0].drawn, fold_of, steps)


def _gains(context: SearchContext, weights: np.ndarray, draws: Sequence[Draws]) -> list[ResampledGains]:
    """In one pass, unless members are scaled by temperatures, which those that judge have no part in either."""
    higher = context.objective.higher_is_better
    if context.scorers_fitted_on is None:
        return ResampledGains.of(context.scorers, weights, draws, higher_is_better=higher, shown=True)
    scorers = [context.scorers, *(context.scorers_fitted_on(one.own) for one in draws[1:])]
    return [
        ResampledGains.of(fitted, weights, [one], higher_is_better=higher, shown=True)[0]
        for fitted, one in zip(scorers, draws, strict=True)
    ]
