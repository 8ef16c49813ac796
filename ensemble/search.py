"""The search stage: weights found on validation (with folds, out-of-fold) predictions; `search_weights` on arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ensemble.costs import budget_of
from ensemble.engine.grid.budget import Budget
from ensemble.engine.grid.simplex import Simplex
from ensemble.experiment_run import ExperimentRun
from ensemble.out_of_fold import describe_folds
from ensemble.problem_of import problem_of_split
from ensemble.results.found_weights import Counts, FoundWeights, KeptBudget, SearchedPatients
from ensemble.results.overlap import TrainingOverlap, find_training_overlap
from ensemble.results.searched import Searched
from ensemble.search_problem.base import SearchProblem
from ensemble.search_problem.nested_estimate import find_contributions, find_nested_estimate
from ensemble.search_problem.search_result import SearchResult, write_points
from ensemble.searched_decisions import find_decisions
from ensemble.split_predictions import SplitPredictions
from ensemble.weight_search import Bookkeeping, find_weights, search_weights
from spine.core.files import fingerprint, read_if_whole
from spine.core.privacy import patient_hash, salt_id
from spine.experiment.config import Experiment
from spine.experiment.stages import SearchSettings, steps_of
from spine.tasks import TASKS

__all__ = ["SearchResult", "run", "search_weights", "summary"]

VERSION = 3  # of what weights.json tells: what another version wrote is searched again


def run(experiment: Experiment) -> list[Path]:
    """Search on validation (with folds, out-of-fold) predictions; write weights.json, search.csv and the study.

    What is unchanged is skipped. SpineError where a member was trained on a patient of theirs, unless that is allowed.
    """
    directory, settings = experiment.ensemble_directory, experiment.search
    run = ExperimentRun(experiment)
    predictions = run.predictions(experiment.search_split)
    overlap = _training_overlap(run, predictions)
    if not settings.allow_overlap:
        overlap.raise_if_any()
    hashes = {name: stored.hash for name, stored in predictions.stored.items()}
    folds = [experiment.stop_on, experiment.served] if experiment.folds else []
    asked = {**settings.model_dump(mode="json", exclude={"allow_overlap"}), "rule": settings.served_rule}
    if not settings.weights:
        del asked["weights"]  # older versions knew none
    decide = [] if experiment.decide.asks_for_nothing else [experiment.decide.model_dump(mode="json")]
    inputs_hash = fingerprint(
        [asked, experiment.task, experiment.seed, hashes, *folds, *overlap.notes, *decide, salt_id(), VERSION]
    )
    weights_file, table, study = (directory / name for name in ("weights.json", "search.csv", "study.db"))
    paths = [weights_file, table] if settings.storage else [weights_file, table, study]
    if all(path.exists() for path in paths) and read_if_whole(weights_file).get("inputs_hash") == inputs_hash:
        return paths
    directory.mkdir(parents=True, exist_ok=True)
    budget = budget_of(experiment, run.members, predictions.truth.paths)
    problem = problem_of_split(experiment, predictions, budget)
    bookkeeping = Bookkeeping(
        storage=settings.storage or f"sqlite:///{study}",
        study_name=f"{experiment.name}-{settings.name}-{inputs_hash[:8]}",
        unfinished=directory / f"unfinished-{inputs_hash[:16]}.npy",
        progress=True,
    )
    result = find_weights(problem, settings, experiment.seed, bookkeeping, _of_validation(run, problem))
    write_points(result, experiment.task, table)
    weights = _found_weights(run, problem, result, overlap, inputs_hash)
    decisions = find_decisions(experiment, predictions, weights, result.rules)
    weights.model_copy(update={"decisions": decisions} if decisions else {}).write(weights_file)
    return paths


def _of_validation(run: ExperimentRun, problem: SearchProblem) -> np.ndarray | None:
    """With folds, which units (U,) are of the validation split's patients, if any are and others too; else None."""
    if not run.experiment.folds or problem.patients is None:
        return None
    splits, patient_of = run.manifest.splits, run.manifest.patient_of()
    samples = splits.loc[splits["split"] == "validation", "sample"]
    units = np.isin(problem.patients, sorted({patient_of[sample] for sample in samples}))
    return units if 0 < units.sum() < len(units) else None


def summary(experiment: Experiment) -> str:
    """What weights.json says of the rule, its scores on other patients too, what flatters them, and of decisions."""
    weights = FoundWeights.read(experiment)
    titles = TASKS[experiment.task].metrics.titles
    decided = weights.decisions.describe(experiment.labels) if weights.decisions else []
    return "\n".join([*Searched.of(weights).describe(titles), *weights.flattered, *decided])


def _training_overlap(run: ExperimentRun, predictions: SplitPredictions) -> TrainingOverlap:
    """With folds nothing to look for: every patient's predictions come from a model that has not learned from him."""
    members = {} if run.experiment.folds else run.members
    seen = {name: member.card.patients for name, member in members.items()}
    return find_training_overlap(predictions.truth.patients, seen)


def _found_weights(
    run: ExperimentRun,
    problem: SearchProblem,
    result: SearchResult,
    overlap: TrainingOverlap,
    inputs_hash: str,
) -> FoundWeights:
    """The result with what it was found on, what it is worth on other patients, and what each member adds."""
    experiment, settings, names = run.experiment, run.experiment.search, tuple(result.weights)
    predictions = run.predictions(experiment.search_split)
    truth = predictions.truth
    patients = sorted(set(truth.patients))
    found, budget, context = result.best[0], problem.budget, result.context
    assert context is not None  # a stage knows its patients
    class_weighted = np.array(list(result.weights.values())), result.score
    optimum = (np.array(list(found.weights.values())), found.score) if result.rules else class_weighted
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
        folds=describe_folds(experiment, run.members),
        trained_on_searched=dict(overlap.trained),
        flattered=overlap.notes,
        counts=Counts(samples=len(truth.samples), units=len(set(truth.units)), patients=len(patients)),
        predictions={name: stored.hash for name, stored in predictions.stored.items()},
        patients=SearchedPatients(salt=salt_id(), searched=sorted(map(patient_hash, patients))),
        nested=find_nested_estimate(context, settings, *optimum, result.resampled),
        contributions=find_contributions(context, settings, names, result.singles),
        budget=_kept(budget, settings, result) if budget else None,
        inputs_hash=inputs_hash,
        rule=result.rule,
        **(result.rules.written(names) if result.rules else {}),
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
    return dict.fromkeys(lacking, TASKS[task].metrics.why_undefined(result.metric)) if lacking else {}
