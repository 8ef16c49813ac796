"""What a search found out beside the weights, as weights.json tells it: what they are worth on patients they were not
chosen on, and what each member adds to them.

No member is trained again: stored predictions are resampled by patient, and sets of members scored by their best grid
weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ensemble.engine.box_objectives import Boxes
from ensemble.engine.budget import Budget
from ensemble.engine.contributions import best_of_sets, contributions
from ensemble.engine.images import reduce_images
from ensemble.engine.objectives import Objective
from ensemble.engine.resampling import (
    MOST_VECTORS,
    Scorer,
    Worth,
    scores_of_boxes,
    scores_of_images,
    scores_of_samples,
    steps_within,
    worth,
)
from ensemble.engine.simplex import Simplex
from ensemble.engine.stack import Stack
from ensemble.predictions import SplitPredictions
from spine import metrics
from spine.config import SearchSettings, steps_of
from spine.progress import track
from spine.statistics import patient_resamples
from spine.truth import Truth

__all__ = ["Found", "added", "nested", "told"]

MOST_MEMBERS = 8  # of which all sets are told
# Limits of work by a count, not by a clock: the same predictions give the same numbers on any machine.
UNITS_SCORED = 4e9  # of classification: units times resamples times weights
NUMBERS_READ = 4e10  # of segmentation: undecided pixels' probabilities times weights
IMAGES_FUSED = 40_000  # of detection


@dataclass(frozen=True)
class Found:
    """What a search chose among: the `objective` under the chosen fusion, and what resampling needs.

    `scorers` are of every setting of the fusion, the chosen one first; `patients` are those of the units they count.
    `nothing` is the score of knowing nothing (0 where that has none), and `most` how many weights are worth the time
    of scoring them again.
    """

    objective: Objective
    scorers: tuple[Scorer, ...]
    patients: np.ndarray
    nothing: float
    most: int

    @classmethod
    def of(
        cls, predictions: SplitPredictions, metric: str, settings: SearchSettings, fusion: Mapping[str, float]
    ) -> Found:
        """Of the predictions that were searched by that metric; of detection, `fusion` has the chosen thresholds."""
        if isinstance(predictions.truth, Truth):
            return cls._of_units(predictions, metric, settings.resamples)
        if fusion:
            return cls._of_boxes(predictions, metric, settings, fusion)
        return cls._of_images(predictions, metric)

    @classmethod
    def _of_units(cls, predictions: SplitPredictions, metric: str, resamples: int) -> Found:
        members, values, patients = predictions.by_unit()
        stack = Stack.from_members(members, values)
        units, classes = stack.probabilities.shape[1:]
        nothing = metrics.metric(metric).function(values, np.full((units, classes), 1 / classes))
        most = int(UNITS_SCORED / (2 * max(resamples, 1) * units))
        scorer = scores_of_samples(stack, metric)
        return cls(Objective.of(metric, stack, MOST_VECTORS), (scorer,), patients, float(np.nan_to_num(nothing)), most)

    @classmethod
    def _of_images(cls, predictions: SplitPredictions, metric: str) -> Found:
        """Counted image by image, whatever the metric: what is drawn are images."""
        undecided = reduce_images(*predictions.to_search(), per_image=True)
        classes = undecided.settled.shape[1]
        confusions = np.zeros_like(undecided.settled)
        confusions[:, 0] = undecided.group_sizes  # all of it background
        counts = metrics.segmentation.counts_of(confusions.reshape(-1, classes, classes))
        nothing = metrics.metric(metric, "segmentation").function(counts)
        most = int(NUMBERS_READ / (1 + sum(part.scores.size for part in undecided.open)))
        objective = Objective.of_images(metric, undecided, MOST_VECTORS)
        patients = np.array(predictions.truth.patients)
        return cls(objective, (scores_of_images(undecided, metric),), patients, float(np.nan_to_num(nothing)), most)

    @classmethod
    def _of_boxes(
        cls, predictions: SplitPredictions, metric: str, settings: SearchSettings, fusion: Mapping[str, float]
    ) -> Found:
        boxes = Boxes.of(metric, *predictions.to_search())
        others = [
            {"iou_threshold": iou, "score_threshold": score}
            for iou in settings.iou_thresholds
            for score in settings.score_thresholds
            if (iou, score) != (fusion["iou_threshold"], fusion["score_threshold"])
        ]
        scorers = tuple(scores_of_boxes(boxes, one) for one in (dict(fusion), *others))
        patients = np.array(predictions.truth.patients)
        most = IMAGES_FUSED // (len(patients) * len(scorers))
        return cls(boxes.at(dict(fusion)), scorers, patients, 0.0, most)


def nested(
    found: Found, settings: SearchSettings, chosen: np.ndarray, score: float, seed: int, budget: Budget | None = None
) -> dict[str, Any]:
    """How well weights chosen this way do on patients they were not chosen on, and the `optimism` of the `score`.

    Each resample repeats the search as one over a grid. {} where it is asked for none, or there is nothing to choose.
    """
    if not settings.resamples or settings.method == "equal" or len(chosen) == 1:
        return {}
    draws = patient_resamples(found.patients, settings.resamples, seed)
    steps = 1 if settings.method == "best" else steps_of(settings.step)
    higher = found.objective.higher_is_better
    allowed = budget.allows if budget else None
    most = min(MOST_VECTORS, found.most)
    scorers = [_watched(scorer, f"nested estimate {number}") for number, scorer in enumerate(found.scorers, 1)]
    measured = worth(scorers, draws, chosen, steps, higher_is_better=higher, allowed=allowed, most=most)
    return _as_json(measured, score, higher)


def _watched(scorer: Scorer, description: str) -> Scorer:
    return lambda weights, draws: iter(track(scorer(weights, draws), description, len(weights)))


def _as_json(measured: Worth, score: float, higher_is_better: bool) -> dict[str, Any]:
    if not measured.resamples:
        return {"resamples": 0}
    found = asdict(measured)
    estimate = found.pop("nested")
    optimism = score - estimate if higher_is_better else estimate - score
    return {"score": estimate, **found, "optimism": optimism}


def added(found: Found, settings: SearchSettings, names: tuple[str, ...]) -> dict[str, Any]:
    """What each member adds: its score `alone`, the best score `without` it, and its `shapley` value; and the best
    score of every set of members, by their names joined by " + ", where there are few.

    From a grid at `step`, the search's own where that is not too large, under the chosen fusion and without a budget.
    """
    if len(names) == 1:
        return {}
    steps = steps_within(len(names), steps_of(settings.step), min(MOST_VECTORS, found.most))
    grid = Simplex(len(names), steps)
    weights = grid.weights(np.arange(grid.size))
    scores = found.objective.scores(weights)
    higher = found.objective.higher_is_better
    each = contributions(scores, weights, found.nothing, higher_is_better=higher)
    told = {"step": 1 / steps, "members": {name: asdict(one) for name, one in zip(names, each, strict=True)}}
    if len(names) > MOST_MEMBERS:
        return told
    best = found.objective.score_of(best_of_sets(found.objective.score_of(scores), weights))
    sets = {_joined(names, number): float(best[number]) for number in range(1, len(best))}
    return {**told, "sets": sets}


def _joined(names: tuple[str, ...], number: int) -> str:
    return " + ".join(name for place, name in enumerate(names) if number >> place & 1)


def told(weights: Mapping[str, Any], names: Mapping[str, str] | None = None) -> str:
    """One sentence on weights.json: the search's score, and what it is on patients that the weights were not chosen on.

    `names` are the metrics' readable names.
    """
    metric = (names or {}).get(weights["metric"], weights["metric"])
    searched = f"Search: {metric} {weights['score']:.3f} on the patients it chose on"
    found = weights.get("nested") or {}
    if not found.get("resamples"):
        return f"{searched}; what it is on others was not estimated."
    return (
        f"{searched}, about {found['score']:.3f} on others (optimism {found['optimism']:+.3f}; {found['resamples']} "
        f"resamples, middle 95 % {found['low']:.3f} to {found['high']:.3f})."
    )
