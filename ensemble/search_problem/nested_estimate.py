"""What a search finds out beside the weights: their score on patients they were not chosen on, and what each member
adds to them.

No member is trained again: stored predictions are resampled by patient, and sets of members scored by their best grid
weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from types import MappingProxyType

import numpy as np

from ensemble.engine.grid.simplex import Simplex
from ensemble.engine.nested.contributions import Contribution, best_of_sets, contributions
from ensemble.engine.nested.nested_estimate import NestedEstimate, nested_estimate
from ensemble.engine.nested.resampled_gains import (
    MOST_VECTORS,
    steps_within,
)
from ensemble.engine.scoring.class_members import TooManyPixels
from ensemble.results.found_weights import NO_SCORE, Contributions, MemberContribution, NestedScore
from ensemble.search_problem.context import SearchContext
from ensemble.search_problem.resampling import Resampled
from spine.core.progress import track
from spine.experiment.stages import SearchSettings, steps_of

__all__ = ["find_contributions", "find_nested_estimate"]

MOST_SEARCHES = 50  # resamples in which temperatures or class weights are found again
MOST_MEMBERS = 8  # up to which the scores of all sets are given


def find_nested_estimate(
    context: SearchContext,
    settings: SearchSettings,
    chosen: np.ndarray,
    score: float,
    resampled: Resampled | None,
) -> NestedScore:
    """How well weights chosen this way do on patients they were not chosen on, and the `optimism` of the `score`.

    Each resample repeats the search as one over a grid; of those `drawn`, `resamples` are those that have a score.
    Empty where it is asked for none, or there is nothing to choose; no `resamples`, and `why`, where none has a score,
    or memory does not allow any. Beside class weights, `plain` is of ordinary weights alone, members scaled by the
    temperatures they have. All of it is of the same resamples.
    """
    if resampled is None:
        return NestedScore()
    higher, evidence, steps = context.objective.higher_is_better, resampled.whole, resampled.steps
    if context.repeat is None:
        return _estimate(nested_estimate(evidence.gains, chosen, steps), score, higher, settings.resamples)
    draws = evidence.gains.draws.drawn[:MOST_SEARCHES]
    try:
        repeated = context.repeat(draws, steps, evidence.allowed)
    except TooManyPixels as error:
        return NestedScore(resamples=0, why=str(error))
    searched = np.array(list(track(repeated, "nested estimate", len(draws))), dtype=np.float64)
    scored = np.intersect1d(np.flatnonzero(np.isfinite(searched)), evidence.gains.judged)
    measured = nested_estimate(evidence.gains, chosen, steps, scored)
    drawn = min(settings.resamples, MOST_SEARCHES)
    estimate = _estimate(_of_searches(measured, searched[scored]), score, higher, drawn)
    if not (settings.per_class and estimate.resamples):
        return estimate
    return estimate.model_copy(update={"plain": measured.nested})


def _of_searches(measured: NestedEstimate, scores: np.ndarray) -> NestedEstimate:
    """The same with the scores of whole searches, of the same resamples, in place of those of grid weights alone."""
    if not len(scores):
        return measured
    low, high = np.quantile(scores, [0.025, 0.975])
    return replace(measured, nested=float(scores.mean()), low=float(low), high=float(high))


def _estimate(measured: NestedEstimate, score: float, higher_is_better: bool, drawn: int) -> NestedScore:
    if not measured.resamples:
        return NestedScore(resamples=0, why=f"none of {drawn} resamples has a score, since {NO_SCORE}")
    if np.isnan(score):
        return NestedScore(resamples=0, why="the search score itself is undefined")
    numbers = asdict(measured)
    nested = numbers.pop("nested")
    optimism = score - nested if higher_is_better else nested - score
    return NestedScore(score=nested, **numbers, drawn=drawn, optimism=optimism)


def find_contributions(
    context: SearchContext,
    settings: SearchSettings,
    names: tuple[str, ...],
    singles: Mapping[str, float] = MappingProxyType({}),
) -> Contributions:
    """What each member adds: its score `alone`, the best score `without` it, and its `shapley` value, None of
    too many members; and the best score of every set of members, by their names joined by " + ", where there are few.

    From a grid at `step`, the search's own where that is not too large, under the chosen fusion and without a budget.
    What has no score among the `singles` has none alone either; in sets it counts as the worst there is.
    """
    if len(names) == 1:
        return Contributions()
    steps = steps_within(len(names), steps_of(settings.step), min(MOST_VECTORS, context.most))
    grid = Simplex(len(names), steps)
    weights = grid.weights(np.arange(grid.size))
    scores = context.objective.scores(weights)
    higher = context.objective.higher_is_better
    each = contributions(scores, weights, context.nothing, higher_is_better=higher)
    undefined = {name for name in names if np.isnan(singles.get(name, 0.0))}
    members = {name: _contribution(own, name in undefined) for name, own in zip(names, each, strict=True)}
    if len(names) > MOST_MEMBERS:
        return Contributions(step=1 / steps, members=members)
    best = context.objective.score_of(best_of_sets(context.objective.score_of(scores), weights))
    sets = {_joined(names, number): float(best[number]) for number in range(1, len(best))}
    return Contributions(step=1 / steps, members=members, sets={**sets, **dict.fromkeys(undefined)})


def _contribution(measured: Contribution, undefined: bool) -> MemberContribution:
    numbers = asdict(measured)
    return MemberContribution(**{**numbers, "alone": None} if undefined else numbers)


def _joined(names: tuple[str, ...], number: int) -> str:
    return " + ".join(name for place, name in enumerate(names) if number >> place & 1)
