"""The weights of a weighted-average ensemble: `search_weights` on arrays, `find_weights` of a problem.

The result is exact where the method is "grid": the optimum of a float64 brute force over all weight vectors whose
entries are k/n at the step 1/n. The ensemble's class is the argmax of the float64 sum of weight times probability,
members in order, the lowest class on a tie; members of weight 0 are left out. Detectors are fused by weighted boxes
fusion, whose thresholds are searched with the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import numpy as np

from ensemble.engine.grid.budget import Budget
from ensemble.engine.grid.choice import Choice
from ensemble.engine.grid.greedy import search_greedy
from ensemble.engine.grid.grid_search import search_grid
from ensemble.engine.grid.simplex import Simplex
from ensemble.engine.line.line_search import search_line
from ensemble.engine.scoring.images import Masks
from ensemble.engine.scoring.objective_by_threshold import FusionThresholds, ObjectiveByThreshold
from ensemble.engine.scoring.objectives import Objective
from ensemble.fusion.fuse_boxes import BoxFusion
from ensemble.problem_of import problem_of
from ensemble.record.study import SAMPLERS, Record
from ensemble.search_problem.base import SearchProblem
from ensemble.search_problem.class_weights import find_class_weights
from ensemble.search_problem.resampling import Resampled, resample
from ensemble.search_problem.search_result import Point, SearchResult
from ensemble.search_problem.weight_rules import RuledWeights, find_rules
from spine.core.files import fingerprint
from spine.core.near_names import unknown_name
from spine.core.problems import SpineError
from spine.core.progress import track
from spine.core.strict import validate
from spine.dataset.detections import Detections
from spine.dataset.truth import BoxTruth
from spine.experiment.given_weights import describe_given, normalised_weights
from spine.experiment.stages import FIXED, SearchSettings, steps_of
from spine.predictions.predictions import Predictions

if TYPE_CHECKING:
    from ensemble.record.study import Storage

__all__ = ["METHODS", "Bookkeeping", "Point", "SearchResult", "find_weights", "search_weights"]

Choose = Callable[..., Choice]  # objective, progress, unfinished, keep -> what is chosen
METHODS = ("grid", "line", "equal", "best", "greedy", *SAMPLERS)


@dataclass(frozen=True)
class Bookkeeping:
    """Where a search is recorded, and how it goes on after a stop.

    With `storage`, an Optuna storage URL or object, the search is recorded as study `study_name`. A grid search keeps
    its scores in the file `unfinished` while it runs.
    """

    storage: Storage = None
    study_name: str = "search"
    unfinished: Path | None = None
    progress: bool = False


class SearchOptions(TypedDict, total=False):
    """What `search_weights` takes by name: further settings, a budget, a seed, and what `Bookkeeping` has."""

    trials: int
    weights: Mapping[str, float]
    iou_thresholds: Sequence[float]
    score_thresholds: Sequence[float]
    temperature: bool
    per_class: bool
    rule: str | None
    resamples: int
    prune: bool
    patients: Sequence[str] | np.ndarray | None
    budget: Budget | None
    seed: int
    storage: Storage
    study_name: str
    unfinished: Path | None
    progress: bool


def search_weights(
    members: Mapping[str, np.ndarray | Sequence[np.ndarray] | Predictions | Iterable[Detections]],
    truth: np.ndarray | Masks | BoxTruth,
    task: str = "classification",
    metric: str = "",
    method: str = "grid",
    step: float = 0.1,
    **options: Unpack[SearchOptions],
) -> SearchResult:
    """Search weights for `members`, a mapping of name to what each predicts, on `truth`.

    Classification: probabilities (N, C) and N class indices. Segmentation: probabilities (N, H, W, C), or of images
    that may differ in size a list of (H, W, C) or stored predictions, and masks of class indices: (N, H, W), or any
    iterable of (H, W).
    Detection: stored predictions or any `Detections` an image, in the order of the truth; the fusion's thresholds are
    searched too, on a grid over the given ones, by tpe and cmaes anywhere between the least and the greatest.

    `metric` is a name of the task's metrics, the one that it searches by unless given; `method` one of
    METHODS; `step` 1/n is the grid's, and greedy makes n picks; `trials` and `seed` are of tpe and cmaes. With
    `storage`, an Optuna storage URL or object, the search is recorded as study `study_name`. A grid search keeps its
    scores in the file `unfinished` while it runs, and goes on from there after a stop. Weights that break the `budget`
    are not chosen. `temperature` fits one to each member first; `per_class` then gives the chosen members a weight for
    every class.

    Method "fixed" takes `weights` by member, which are normalised and only scored.

    `patients` are those of the rows (of images); with them, weights are made by a `rule` (docs/search.md), exponential
    unless given, of so many `resamples` of the patients. Without them they are the optimum: rows of one patient are
    alike, and resampling rows would take them for patients. Raises SpineError on arrays, names or numbers that do not
    hold.
    """
    if unknown := sorted(set(options) - set(SearchOptions.__annotations__)):
        raise TypeError(f"search_weights() got an unexpected keyword argument {unknown[0]!r}")
    others: dict[str, Any] = dict(options)
    budget, patients, seed = others.pop("budget", None), others.pop("patients", None), others.pop("seed", 0)
    kept = {field.name: others.pop(field.name) for field in fields(Bookkeeping) if field.name in others}
    settings = _settings({"metric": metric, "method": method, "step": step, **others})
    known = {"budget": budget, "patients": None if patients is None else _patients(patients, truth)}
    return find_weights(problem_of(members, truth, task, settings, **known), settings, seed, Bookkeeping(**kept))


def find_weights(
    problem: SearchProblem,
    settings: SearchSettings,
    seed: int = 0,
    bookkeeping: Bookkeeping = Bookkeeping(),
    one_split: np.ndarray | None = None,
) -> SearchResult:
    """Search the optimum of a problem, then make weights of it by the settings' rule, or class weights.

    `seed` is of tpe, cmaes and resamples; `one_split` (U,) says which units are of the validation split, where weights
    of it alone are to be told too. SpineError where the predictions, or the settings with them, do not hold.
    """
    by_threshold, names, method = problem.objectives(settings), problem.names, settings.method
    grid = Simplex(len(names), steps_of(settings.step))
    facts = {"task": problem.TASK, "metric": problem.metric, "method": method, "step": settings.step, "seed": seed}
    facts |= by_threshold.values
    facts["inputs_hash"] = fingerprint([facts, names, by_threshold.first.inputs_hash])
    record = Record(names, by_threshold, facts, bookkeeping.storage, bookkeeping.study_name)
    if method in SAMPLERS:
        progress, trials = bookkeeping.progress, settings.trials
        choice = record.search(method, steps=grid.steps, trials=trials, seed=seed, progress=progress)
    else:
        choice = _choose_among(_choose_by(settings, names, grid), by_threshold, bookkeeping)
        if method == FIXED:
            of_thresholds = [choice.why] if len(by_threshold.thresholds) > 1 else []
            choice = replace(choice, why=" ".join([describe_given(settings.weights), *of_thresholds]))
        if bookkeeping.storage is not None:
            record.write(choice)
    temperatures = dict(zip(names, problem.temperatures, strict=False))
    result = replace(_result(names, by_threshold, choice, settings), temperatures=temperatures)
    if settings.per_class:
        result = _with_class_weights(result, problem)
    if problem.patients is None:
        return _of_unknown_patients(result, settings)
    context = problem.context(settings, result.fusion)
    resampled = resample(context, settings, seed, problem.budget, one_split)
    result = replace(result, context=context, resampled=resampled)
    if resampled is None or settings.per_class:
        return result

    def penalised(kappa: float) -> Choice:
        return _choose_among(partial(search_grid, grid=grid, penalty=kappa), by_threshold, bookkeeping)

    ruled = _by_rule(result, resampled, settings, by_threshold, penalised)
    if bookkeeping.storage is not None and ruled.rules:
        record.note_rules(ruled.rule, {name: one.weights.tolist() for name, one in ruled.rules.by_rule.items()})
    return ruled


def _of_unknown_patients(result: SearchResult, settings: SearchSettings) -> SearchResult:
    if settings.rule in (None, "optimum"):
        return result
    raise SpineError(f"rule {settings.rule!r} resamples patients; give `patients`, that of every row, or rule optimum")


def _by_rule(
    result: SearchResult,
    resampled: Resampled,
    settings: SearchSettings,
    by_threshold: ObjectiveByThreshold,
    penalised: Callable[[float], Choice],
) -> SearchResult:
    """The weights that the rule makes of the optimum; `penalised` finds that of the whole grid under a kappa."""
    names = tuple(result.weights)

    def optimum(kappa: float) -> tuple[np.ndarray, FusionThresholds]:
        if not kappa:
            return np.array(list(result.weights.values())), result.fusion
        choice = penalised(kappa)
        return choice.weights[0], choice.thresholds[0]

    def score(ruled: RuledWeights) -> float:
        return by_threshold.at(ruled.fusion).reference(ruled.weights)

    rules = find_rules(resampled, settings, names, optimum, score)
    served = rules.weights
    objective = by_threshold.at(served.fusion)
    return replace(
        result,
        weights=dict(zip(names, served.weights.tolist(), strict=True)),
        score=served.score,
        equal=objective.reference(np.full(len(names), 1 / len(names))),
        fusion=served.fusion,
        rule=rules.served,
        rules=rules,
    )


def _settings(given: dict[str, Any]) -> SearchSettings:
    """What was given as settings; SpineError on what does not hold."""
    if (method := given["method"]) not in (*METHODS, FIXED):
        raise SpineError(unknown_name("method", method, (*METHODS, FIXED)))
    if not isinstance(step := given["step"], Real):
        raise SpineError(f"step is {step!r}; give a number 1/n such as 0.1, 0.05 or 0.02")
    try:
        steps_of(float(step))
    except ValueError as error:
        raise SpineError(str(error)) from None
    for name in ("iou_threshold", "score_threshold"):
        if (values := given.get(f"{name}s")) is not None:
            given[f"{name}s"] = _thresholds(name, values)
    return validate(SearchSettings, {**given, "step": float(step)}, "the search")


def _patients(given: Any, truth: Any) -> np.ndarray:
    """The patients (U,) of the rows of the truth; SpineError on what is no name or number a row."""
    patients = np.asarray(given)
    if patients.ndim != 1 or not len(patients):
        raise SpineError(f"patients has the shape {patients.shape}; give that of every row (of images: of every image)")
    if any(one is None or one != one for one in patients.tolist()):  # NaN is not itself
        raise SpineError("patients holds None or NaN; give every row a patient")
    rows = truth.samples if isinstance(truth, BoxTruth) else truth
    if hasattr(rows, "__len__") and len(rows) != len(patients):
        raise SpineError(f"patients are {len(patients)}, and the truth has {len(rows)}; give that of every row")
    return patients


def _thresholds(name: str, given: Any) -> tuple[float, ...]:
    values = tuple(given) if isinstance(given, Iterable) else ()
    if not values or not all(isinstance(value, Real) for value in values):
        raise SpineError(f"{name}s is {given!r}; give one or more numbers from 0 to below 1, such as (0.4, 0.5)")
    for value in values:
        BoxFusion(**{name: float(value)})  # refuses what is no threshold
    return values


def _with_class_weights(result: SearchResult, problem: SearchProblem) -> SearchResult:
    shares, score = find_class_weights(problem, result.weights)
    total = sum(map(sum, shares.values()))
    return replace(
        result,
        weights={name: sum(row) / total for name, row in shares.items()},
        class_weights=shares,
        score=score,
        why=f"{result.why} It scored {result.score:.6g}; from there each class got weights of its own by line search.",
    )


def _choose_among(choose: Choose, by_threshold: ObjectiveByThreshold, bookkeeping: Bookkeeping) -> Choice:
    """Search under each pair of thresholds of the fusion, and choose among what was found."""
    pairs, unfinished = by_threshold.thresholds, bookkeeping.unfinished
    if len(pairs) == 1:
        return Choice.over([choose(by_threshold.first, progress=bookkeeping.progress, unfinished=unfinished)], pairs)
    shown = track(pairs, "weight search", shown=bookkeeping.progress)
    files = [unfinished and unfinished.with_stem(f"{unfinished.stem}-{number}") for number in range(len(pairs))]
    choices = [
        choose(by_threshold.at(thresholds), progress=False, unfinished=file, keep=True)
        for thresholds, file in zip(shown, files, strict=True)
    ]
    for file in filter(None, files):
        file.unlink(missing_ok=True)
    return Choice.over(choices, pairs)


def _choose_by(settings: SearchSettings, names: tuple[str, ...], grid: Simplex) -> Choose:
    """How a method that is no sampler chooses under one objective; only the grid's can be stopped and go on."""
    method = settings.method
    if method == FIXED:
        return partial(_take, settings.weights, names)
    if method == "grid":
        return partial(search_grid, grid=grid)

    def choose(objective: Objective, *, progress: bool, **_: Any) -> Choice:
        if method == "line":
            return search_line(objective, grid.members, progress=progress)
        if method == "greedy":
            return search_greedy(objective, grid.members, grid.steps)
        weights = np.eye(grid.members) if method == "best" else np.full((1, grid.members), 1 / grid.members)
        return Choice.of(weights, objective.gains(weights))

    return choose


def _take(given: Mapping[str, float], names: tuple[str, ...], objective: Objective, **_: Any) -> Choice:
    """The weights that were given, and what they score."""
    weights = np.array([list(normalised_weights(given, names, "weights").values())])
    return Choice.of(weights, objective.gains(weights))


def _result(
    names: tuple[str, ...], by_threshold: ObjectiveByThreshold, choice: Choice, settings: SearchSettings
) -> SearchResult:
    objective = by_threshold.at(choice.thresholds[0])

    def named(row: np.ndarray) -> dict[str, float]:
        return dict(zip(names, row.tolist(), strict=True))

    points = zip(choice.weights, objective.score_of(choice.gains).tolist(), choice.thresholds, strict=True)
    best = tuple(Point(named(row), _score(by_threshold, row, value, fusion), fusion) for row, value, fusion in points)
    return SearchResult(
        weights=best[0].weights,
        score=objective.reference(choice.weights[0]),
        metric=objective.metric,
        method=settings.method,
        step=settings.step,
        evaluated=choice.evaluated,
        scored=choice.scored,
        ties=choice.ties,
        why=choice.why,
        best=best,
        singles={name: by_threshold.alone(number) for number, name in enumerate(names)},
        equal=objective.reference(np.full(len(names), 1 / len(names))),
        fusion=choice.thresholds[0],
    )


def _score(by_threshold: ObjectiveByThreshold, row: np.ndarray, score: float, fusion: FusionThresholds) -> float:
    """A point's score; NaN where that has none, which to the search of boxes is the worst there is."""
    return by_threshold.at(fusion).reference(row) if by_threshold.values and not score else score
