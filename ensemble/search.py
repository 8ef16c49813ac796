"""Find the weights of a weighted-average ensemble: `search_weights` on arrays, `run` as the stage `spine search`.

The result is exact where the method is "grid": the optimum of a float64 brute force over all weight vectors whose
entries are k/n at the step 1/n. The ensemble's class is the argmax of the float64 sum of weight times probability,
members in order, the lowest class on a tie; members of weight 0 are left out. Detectors are fused by weighted boxes
fusion, whose thresholds are searched with the weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ensemble.class_weights import find_class_weights
from ensemble.costs import budget_of
from ensemble.engine.boxes.box_objectives import box_objectives
from ensemble.engine.grid.budget import Budget
from ensemble.engine.grid.choice import Choice
from ensemble.engine.grid.greedy import search_greedy
from ensemble.engine.grid.grid_search import search_grid
from ensemble.engine.grid.simplex import Simplex
from ensemble.engine.line.line_search import search_line
from ensemble.engine.scoring.images import Masks, reduce_images
from ensemble.engine.scoring.objective_by_threshold import FusionThresholds, ObjectiveByThreshold
from ensemble.engine.scoring.objectives import Objective
from ensemble.engine.scoring.stack import Stack
from ensemble.experiment_run import ExperimentRun
from ensemble.found_weights import Counts, FoundWeights, KeptBudget, SearchedPatients
from ensemble.names import weight_names
from ensemble.nested_estimate import SearchContext, find_contributions, find_nested_estimate
from ensemble.out_of_fold import describe_folds
from ensemble.overlap import Learned, find_learned
from ensemble.predictions import SplitPredictions
from ensemble.study import SAMPLERS, Record
from ensemble.temperature import fit_temperatures
from spine import metrics
from spine.config import Experiment, SearchSettings, steps_of
from spine.detections import Detections
from spine.files import fingerprint, read_if_whole
from spine.metrics.undefined import why_undefined
from spine.predictions import Predictions
from spine.privacy import patient_hash, salt_id
from spine.problems import SpineError, write_sheet
from spine.progress import track
from spine.truth import BoxTruth

if TYPE_CHECKING:
    from ensemble.study import Storage

__all__ = ["METHODS", "Point", "SearchResult", "run", "search_weights", "summary"]

METHODS = ("grid", "line", "equal", "best", "greedy", *SAMPLERS)


@dataclass(frozen=True)
class Point:
    """A weight vector by member, its score, and of detection the thresholds of the fusion."""

    weights: Mapping[str, float]
    score: float
    fusion: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class SearchResult:
    """The chosen `weights` (sum 1, zeros included) and their `score` by `spine.metrics` on the weighted mean.

    `evaluated` counts the weight vectors settled exactly (of a grid: all), `scored` those whose metric was computed,
    `ties` how many distinct ones reach the optimum (at least, where `why` says so); `why` tells how this one was found
    among them. `best` holds the best points, this one first; `singles` each member alone, `equal` the equal weights. Of
    detection, `fusion` holds the chosen thresholds, which `equal` has too; vectors are counted once for each pair of
    thresholds, and `singles` are members' own detections, not fused.

    With `temperatures`, members are scaled by them before anything else, also in `singles` and `equal`. With
    `class_weights`, `score` is theirs and `weights` are their means, while `best` has ordinary weights.
    """

    weights: Mapping[str, float]
    score: float
    metric: str
    method: str
    step: float
    evaluated: int
    scored: int
    ties: int
    why: str
    best: tuple[Point, ...] = field(repr=False)  # up to a hundred
    singles: Mapping[str, float]
    equal: float
    fusion: Mapping[str, float] = field(default_factory=dict)
    temperatures: Mapping[str, float] = field(default_factory=dict)
    class_weights: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


def search_weights(
    members: Mapping[str, np.ndarray | Sequence[np.ndarray] | Predictions | Iterable[Detections]],
    truth: np.ndarray | Masks | BoxTruth,
    task: str = "classification",
    metric: str = "",
    method: str = "grid",
    step: float = 0.1,
    *,
    seed: int = 0,
    trials: int = 200,
    storage: Storage = None,
    study_name: str = "search",
    iou_thresholds: Sequence[float] = SearchSettings().iou_thresholds,
    score_thresholds: Sequence[float] = SearchSettings().score_thresholds,
    temperature: bool = False,
    per_class: bool = False,
    budget: Budget | None = None,
    progress: bool = False,
    unfinished: Path | None = None,
) -> SearchResult:
    """Search weights for `members`, a mapping of name to what each predicts, on `truth`.

    Classification: probabilities (N, C) and N class indices. Segmentation: probabilities (N, H, W, C), or of images
    that may differ in size a list of (H, W, C) or stored predictions, and masks of class indices: (N, H, W), or any
    iterable of (H, W).
    Detection: stored predictions or any `Detections` an image, in the order of the truth; the fusion's thresholds are
    searched too, on a grid over the given ones, by tpe and cmaes anywhere between the least and the greatest.

    `metric` is a name of `spine.metrics.TABLES[task]`, that of `SEARCHED` unless given; `method` one of
    METHODS; `step` 1/n is the grid's, and greedy makes n picks; `trials` and `seed` are of tpe and cmaes. With
    `storage`, an Optuna storage URL or object, the search is recorded as study `study_name`. A grid search keeps its
    scores in the file `unfinished` while it runs, and goes on from there after a stop. Weights that break the `budget`
    are not chosen. `temperature` fits one to each member first; `per_class` then gives the chosen members a weight for
    every class. Raises SpineError on arrays, names or numbers that do not hold.
    """
    if task not in metrics.SEARCHED:
        raise SpineError(f"task {task!r} has no weight search; it is one of {', '.join(metrics.SEARCHED)}")
    if method not in METHODS:
        raise SpineError(f"method {method!r} is not known; it is one of {', '.join(METHODS)}")
    if (task, method) == ("detection", "line"):
        raise SpineError("method 'line' does not support detection; use grid, greedy, tpe or cmaes")
    if not isinstance(members, Mapping):
        raise SpineError(f"members is a {type(members).__name__}; give a mapping of name to what the member predicts")
    if not members:
        raise SpineError("no members were given; give a mapping of name to probabilities")
    metric, grid = metric or metrics.SEARCHED[task], Simplex(len(members), _steps(step))
    thresholds = (iou_thresholds, score_thresholds)
    temperatures = fit_temperatures(members, truth, task) if temperature else {}
    scales = tuple(temperatures.values())
    by_threshold = _objective_by_threshold(
        task, metric, members, truth, thresholds, scales, grid.size if method == "grid" else 1
    )
    names = tuple(members)
    if budget:
        by_threshold = _within(budget, by_threshold, names, method)
    facts = {"task": task, "metric": metric, "method": method, "step": step, "seed": seed, **by_threshold.values}
    facts["inputs_hash"] = fingerprint([facts, names, by_threshold.first.inputs_hash])
    record = Record(names, by_threshold, facts, storage, study_name)
    if method in SAMPLERS:
        choice = record.search(method, steps=grid.steps, trials=trials, seed=seed, progress=progress)
    else:
        choice = _choose_among(method, by_threshold, grid, progress, unfinished)
        if storage is not None:
            record.write(choice)
    result = replace(_result(names, by_threshold, choice, method, step), temperatures=temperatures)
    return _with_class_weights(result, members, truth, task) if per_class else result


def _with_class_weights(result: SearchResult, members: Mapping[str, Any], truth: Any, task: str) -> SearchResult:
    shares, score = find_class_weights(members, truth, task, result.metric, result.weights, result.temperatures)
    total = sum(map(sum, shares.values()))
    return replace(
        result,
        weights={name: sum(row) / total for name, row in shares.items()},
        class_weights=shares,
        score=score,
        why=f"{result.why} It scored {result.score:.6g}; from there each class got weights of its own by line search.",
    )


def _objective_by_threshold(
    task: str,
    metric: str,
    members: Mapping[str, Any],
    truth: Any,
    thresholds: tuple[Any, Any],
    temperatures: tuple[float, ...],
    vectors: int,
) -> ObjectiveByThreshold:
    if task == "detection":
        return box_objectives(metric, members, truth, *thresholds)
    return ObjectiveByThreshold.of_one(_objective(task, metric, members, truth, temperatures, vectors), len(members))


def _within(
    budget: Budget, by_threshold: ObjectiveByThreshold, names: tuple[str, ...], method: str
) -> ObjectiveByThreshold:
    """The same objectives, in which what breaks the budget is never best; SpineError where nothing keeps it."""
    if method == "line":
        raise SpineError("method 'line' does not support a budget; use grid, best, greedy, tpe or cmaes")
    members = len(names)
    budget.require(np.full((1, members), 1 / members) if method == "equal" else np.eye(members), names)
    return replace(by_threshold, at=lambda fusion: budget.within(by_threshold.at(fusion)))


def _steps(step: float) -> int:
    if not isinstance(step, Real):
        raise SpineError(f"step is {step!r}; give a number 1/n such as 0.1, 0.05 or 0.02")
    try:
        return steps_of(step)
    except ValueError as error:
        raise SpineError(str(error)) from None


def _objective(
    task: str, metric: str, members: Mapping[str, Any], truth: Any, temperatures: tuple[float, ...], vectors: int
) -> Objective:
    if task == "classification":
        stack = Stack.from_members(members, truth)
        return Objective.of(metric, stack.tempered(temperatures) if temperatures else stack, vectors)
    metrics.metric(metric, task)  # an unknown name is told before gigabytes are read
    presolved = reduce_images(members, truth, metric.endswith("_per_image"), temperatures)
    return Objective.of_images(metric, presolved, vectors)


def _choose_among(
    method: str, by_threshold: ObjectiveByThreshold, grid: Simplex, progress: bool, unfinished: Path | None
) -> Choice:
    """Search under each pair of thresholds of the fusion, and choose among what was found."""
    settings = by_threshold.thresholds
    if len(settings) == 1:
        return Choice.over([_choose(method, by_threshold.first, grid, progress, unfinished)], settings)
    shown = track(settings, "weight search", shown=progress)
    files = [unfinished and unfinished.with_stem(f"{unfinished.stem}-{number}") for number in range(len(settings))]
    objectives = map(by_threshold.at, shown)
    found = [_choose(method, one, grid, False, file, keep=True) for one, file in zip(objectives, files, strict=True)]
    for file in filter(None, files):
        file.unlink(missing_ok=True)
    return Choice.over(found, settings)


def _choose(
    method: str, objective: Objective, grid: Simplex, progress: bool, unfinished: Path | None, keep: bool = False
) -> Choice:
    if method == "grid":
        return search_grid(objective, grid, progress=progress, unfinished=unfinished, keep=keep)
    if method == "line":
        return search_line(objective, grid.members, progress=progress)
    if method == "greedy":
        return search_greedy(objective, grid.members, grid.steps)
    weights = np.eye(grid.members) if method == "best" else np.full((1, grid.members), 1 / grid.members)
    return Choice.of(weights, objective.gains(weights))


def _result(
    names: tuple[str, ...], by_threshold: ObjectiveByThreshold, choice: Choice, method: str, step: float
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
        method=method,
        step=step,
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
    """A point's score; NaN where that has none, which to the search is the worst there is: a precision of nothing."""
    objective = by_threshold.at(fusion)
    return objective.reference(row) if objective.metric == "precision" and by_threshold.values and not score else score


def run(experiment: Experiment) -> list[Path]:
    """Search on validation (with folds, out-of-fold) predictions; write weights.json, search.csv and the study.

    What is unchanged is skipped. SpineError where a member was trained on a patient of theirs, unless that is allowed.
    """
    directory, settings = experiment.ensemble_directory, experiment.search
    run = ExperimentRun(experiment)
    predictions = run.predictions(experiment.search_split)
    learned = _learned(run, predictions)
    if not settings.allow_overlap:
        learned.refuse()
    hashes = {name: stored.hash for name, stored in predictions.stored.items()}
    folds = [experiment.stop_on, experiment.served] if experiment.folds else []
    asked = settings.model_dump(mode="json", exclude={"allow_overlap"})
    inputs_hash = fingerprint([asked, experiment.task, experiment.seed, hashes, *folds, *learned.notes])
    weights_file, table, study = (directory / name for name in ("weights.json", "search.csv", "study.db"))
    paths = [weights_file, table] if settings.storage else [weights_file, table, study]
    if all(path.exists() for path in paths) and read_if_whole(weights_file).get("inputs_hash") == inputs_hash:
        return paths
    directory.mkdir(parents=True, exist_ok=True)
    budget = budget_of(experiment, run.members, predictions.truth.paths)
    result = search_weights(
        *predictions.to_search(),
        experiment.task,
        settings.metric,
        settings.method,
        settings.step,
        seed=experiment.seed,
        trials=settings.trials,
        storage=settings.storage or f"sqlite:///{study}",
        study_name=f"{experiment.name}-{settings.name}-{inputs_hash[:8]}",
        iou_thresholds=settings.iou_thresholds,
        score_thresholds=settings.score_thresholds,
        temperature=settings.temperature,
        per_class=settings.per_class,
        budget=budget,
        progress=True,
        unfinished=directory / f"unfinished-{inputs_hash[:16]}.npy",
    )
    _write_points(result, experiment.task, table)
    found = _found_weights(experiment, result, predictions, budget, learned, inputs_hash)
    found.write(weights_file)
    return paths


def summary(experiment: Experiment) -> str:
    """What weights.json says of the search's score: what it is on other patients, and what flatters it."""
    weights = FoundWeights.read(experiment)
    return " ".join([weights.describe(), *weights.flattered])


def _learned(run: ExperimentRun, predictions: SplitPredictions) -> Learned:
    """With folds nothing to look for: every patient's predictions come from a model that has not learned from him."""
    members = {} if run.experiment.folds else run.members
    seen = {name: member.card.patients for name, member in members.items()}
    return find_learned(predictions.truth.patients, seen)


def _found_weights(
    experiment: Experiment,
    result: SearchResult,
    predictions: SplitPredictions,
    budget: Budget | None,
    learned: Learned,
    inputs_hash: str,
) -> FoundWeights:
    """The result with what it was found on, what it is worth on other patients, and what each member adds."""
    settings, truth, names = experiment.search, predictions.truth, tuple(result.weights)
    patients = sorted(set(truth.patients))
    context = SearchContext.of(predictions, result.metric, settings, result.fusion, tuple(result.temperatures.values()))
    chosen = np.array(list(result.weights.values()))
    return FoundWeights(
        name=settings.name,
        settings=settings.model_dump(mode="json"),
        task=experiment.task,
        metric=result.metric,
        method=result.method,
        step=result.step,
        weights=dict(result.weights),
        fusion=dict(result.fusion),
        temperatures=dict(result.temperatures),
        class_weights={name: list(shares) for name, shares in result.class_weights.items()},
        score=result.score,
        singles=dict(result.singles),
        equal=result.equal,
        undefined=_undefined(result, experiment.task),
        evaluated=result.evaluated,
        scored=result.scored,
        ties=result.ties,
        listed=len(result.best),
        why=result.why,
        split=experiment.search_split,
        folds=describe_folds(experiment),
        trained_on_searched=dict(learned.trained),
        flattered=learned.notes,
        counts=Counts(samples=len(truth.samples), units=len(set(truth.units)), patients=len(patients)),
        predictions={name: stored.hash for name, stored in predictions.stored.items()},
        patients=SearchedPatients(salt=salt_id(), searched=sorted(map(patient_hash, patients))),
        nested=find_nested_estimate(context, settings, chosen, result.score, experiment.seed, budget),
        contributions=find_contributions(context, settings, names, result.singles),
        budget=_kept(budget, settings, result) if budget else None,
        inputs_hash=inputs_hash,
    )


def _kept(budget: Budget, settings: SearchSettings, result: SearchResult) -> KeptBudget:
    """The budget's limits and members' costs; of a grid, how many of its vectors (of boxes: and thresholds) it left."""
    kept = KeptBudget(limits=dict(budget.limits), costs=budget.named(tuple(result.weights)))
    if settings.method != "grid":
        return kept
    fusions = len(settings.iou_thresholds) * len(settings.score_thresholds) if result.fusion else 1
    vectors = Simplex(len(result.weights), steps_of(settings.step)).size * fusions
    return kept.model_copy(update={"left": result.evaluated, "vectors": vectors})


def _undefined(result: SearchResult, task: str) -> dict[str, str]:
    """Why scores are null, where some are."""
    scores = {"score": result.score, "equal": result.equal, **{f"singles.{k}": v for k, v in result.singles.items()}}
    lacking = [name for name, score in scores.items() if np.isnan(score)]
    return dict.fromkeys(lacking, why_undefined(result.metric, task)) if lacking else {}


def _write_points(result: SearchResult, task: str, path: Path) -> None:
    """The best points as CSV, a column a member, of detection one a threshold, and the score, best first."""
    weights = weight_names(list(result.weights), [*result.fusion, result.metric])
    rows = [
        {**dict(zip(weights, point.weights.values(), strict=True)), **point.fusion, result.metric: point.score}
        for point in result.best
    ]
    table = pd.DataFrame(rows)
    if (undefined := table[result.metric].isna()).any():
        table["undefined"] = np.where(undefined, why_undefined(result.metric, task), "")
    write_sheet(table, path)
