"""The evaluate stage: one honest leaderboard of members, equal weights and the ensemble, on the test split.

What a row is measured by is the task's (`ensemble.evaluators`); here is what every task shares. Intervals come from a
bootstrap over patients, on the same resamples for every row. The best single member is the best on validation, since
one chosen on the test split would be flattered by the choice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ensemble.costs import Cost, costs_of
from ensemble.evaluators.resampled_scores import ResampledScores
from ensemble.evaluators.rows import EvaluatedRow, Evaluator
from ensemble.evaluators.seconds import Timing, seconds_of
from ensemble.evaluators.verdict import compare
from ensemble.experiment_run import ExperimentRun
from ensemble.fusion.fuse import without_zeros
from ensemble.leaderboard import leaderboard_table, write_leaderboard
from ensemble.other_dataset import cost, describe, predict_other_dataset
from ensemble.results.evaluation import (
    Alternative,
    Bootstrap,
    Comparison,
    Evaluation,
    LeftOut,
    Row,
    RowCost,
    settings_of_judging,
)
from ensemble.results.few_patients import caution
from ensemble.results.found_weights import FoundWeights
from ensemble.results.overlap import SEARCH, Overlap, early_stopped_on_searched, find_overlap
from ensemble.results.searched import Searched
from ensemble.serving.exported import describe_lacking_model, exported, not_exportable_reason
from ensemble.split_predictions import SplitPredictions
from ensemble.tasks import ENSEMBLE_TASKS
from spine.core.files import fingerprint, read_if_whole, with_nulls
from spine.core.privacy import salt_id
from spine.core.problems import write_sheet
from spine.experiment.config import Experiment
from spine.member.member import Member, Patients
from spine.tasks import TASKS

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["leaderboard", "run"]

VERSION = 17  # of metrics.json: another one is computed afresh


def run(experiment: Experiment, dataset: Path | None = None) -> list[Path]:
    """Write metrics.json, leaderboard.csv and the task's own tables; SpineError where a test patient was seen before.

    Unless the experiment allows it: then the files say so. With `dataset`, the same members and weights are judged on
    its test split instead, and the files lie apart.
    """
    names = ("metrics.json", "leaderboard.csv", *ENSEMBLE_TASKS[experiment.task].evaluator.TABLES)
    run = ExperimentRun(experiment)
    paths = [run.evaluation_directory(dataset) / name for name in names]
    split = predict_other_dataset(run, dataset) if dataset else run.predictions("test")
    served = exported(run)
    inputs_hash = _inputs_hash(run, split, served)
    if all(path.exists() for path in paths) and read_if_whole(paths[0]).get("inputs_hash") == inputs_hash:
        return paths
    overlap = find_overlap(split.truth.patients, _sources(run))
    if not experiment.evaluate.allow_overlap:
        overlap.raise_if_any()
    validation = run.evaluator(run.weights.split)
    servable = _servable(run, served, validation.ensemble.name)
    models = {name: member.model for name, member in servable.items() if member.may_run}
    timing = cache(partial(seconds_of, paths=split.truth.paths))  # what a row and what a model take is one measurement
    validation = validation.completed(validation, {}, timing)  # what is settled on it holds there too
    test = run.evaluator_of(split, alternatives=True).completed(validation, models, timing)
    evaluation = _evaluate(run, test, validation, overlap).model_copy(
        update={
            "costs": _costs(experiment, test, servable, timing),
            "inputs_hash": inputs_hash,
            "judged_hash": split.hash,
            "settings_hash": settings_of_judging(experiment),
        }
    )
    if dataset:
        own = run.evaluator("test").completed(validation, {}, timing)
        evaluation = _of_other_dataset(evaluation, experiment, dataset, test, own)
    for path, table in zip(paths[2:], test.tables(), strict=True):
        write_sheet(table, path)
    write_leaderboard(evaluation, paths[1])
    evaluation.write(paths[0])
    return paths


def _of_other_dataset(
    evaluation: Evaluation, experiment: Experiment, dataset: Path, test: Evaluator, own: Evaluator
) -> Evaluation:
    """The same, with what rows have there above what they have on their `own` dataset."""
    settings, headline = experiment.evaluate, evaluation.headline
    against = cost(test, own, headline, settings.resamples, settings.confidence, experiment.seed)
    notes = (*describe(experiment, dataset, test, own, against, headline), *evaluation.notes)
    return evaluation.model_copy(
        update={"dataset": dataset.resolve().name, "against_own_dataset": against, "notes": notes}
    )


def leaderboard(experiment: Experiment, dataset: Path | None = None) -> Table:
    """The table that the command line prints at the end."""
    return leaderboard_table(ExperimentRun(experiment).evaluation(dataset))


def _inputs_hash(run: ExperimentRun, split: SplitPredictions, served: Member | None) -> str:
    """Of all that is read; the weights name the validation predictions, which were checked."""
    experiment, weights = run.experiment, run.weights
    cards = [member.card.model_dump() for member in run.members.values()]
    settings = [settings_of_judging(experiment), weights.given, experiment.ordinal, VERSION, salt_id()]
    model = served.card.model_hash if served else not_exportable_reason(run.members, weights)
    return fingerprint([split.hash, cards, weights.as_json(), settings, model])


def _sources(run: ExperimentRun) -> dict[str, Patients]:
    patients = {name: member.card.patients for name, member in run.members.items()}
    return {**patients, SEARCH: run.weights.searched_patients}


def _servable(run: ExperimentRun, served: Member | None, ensemble: str) -> dict[str, Member]:
    """Row -> what has a SavedModel of it, of members and the exported `ensemble`; equal weights have none."""
    rows = {**run.members, ensemble: served}
    return {name: member for name, member in rows.items() if member and member.has_model}


def _evaluate(run: ExperimentRun, test: Evaluator, validation: Evaluator, overlap: Overlap) -> Evaluation:
    experiment, weights = run.experiment, run.weights
    scores = ResampledScores.of(test, experiment.evaluate, experiment.seed)
    headline = scores.headline
    on_validation = _scores(validation, weights.metric)
    best, best_on_test = _best(test, on_validation, weights.metric), _best(test, _scores(test, headline), headline)
    searched_on = "out-of-fold predictions" if weights.is_out_of_fold else "validation"
    comparisons = (
        compare(scores, test.equal, "equal weights"),
        compare(scores, best, f"the best single member on {searched_on}"),
        *(compare(scores, row, "the weights given by hand") for row in test.given),
    )
    settings = experiment.evaluate
    return test.EVALUATION(
        experiment=experiment.name,
        task=experiment.task,
        target=experiment.target,
        labels=experiment.labels,
        split="test",
        dataset=experiment.data.name,
        headline=headline,
        verdict=_verdict(test, comparisons),
        units=test.UNITS,
        names=dict(test.names),
        counts=test.counts,
        bootstrap=Bootstrap(resamples=settings.resamples, confidence=settings.confidence, seed=experiment.seed),
        overlap=overlap,
        notes=tuple(_notes(run, test, overlap)),
        search=Searched.of(weights),
        stopped_on_searched=_stopped_on_searched(run),
        validation=with_nulls(on_validation),
        best_on_validation=best.name,
        best_on_test=best_on_test.name,
        rows=tuple(_row(row, scores) for row in test.rows),
        comparisons=comparisons,
        without=tuple(_without(row, scores) for row in test.reduced),
        given=weights.given,
        alternatives=tuple(_alternative(row, weights, scores) for row in test.alternatives),
        pairs=test.pairs.rates([row.name for row in test.members], scores.measure),
        costs={},
        undefined=_undefined(on_validation, weights.metric, experiment.task),
        **test.further(scores.draws, scores.confidence),
    )


def _stopped_on_searched(run: ExperimentRun) -> tuple[str, ...]:
    """The members whose training stopped on patients that weights were chosen on; of folds the notes tell it."""
    return () if run.weights.folds else tuple(early_stopped_on_searched(_sources(run)))


def _notes(run: ExperimentRun, test: Evaluator, overlap: Overlap) -> list[str]:
    weights = run.weights
    return [
        *overlap.notes,
        *describe_lacking_model(run.members, weights),
        *_not_run(run.members),
        *filter(None, [caution(test.counts.patients)]),
        *test.notes,
        *weights.flattered,
        *(weights.folds.notes if weights.folds else ()),
    ]


def _not_run(members: Mapping[str, Member]) -> list[str]:
    """Which members' SavedModels may not run here, so that nobody wonders why they have no time."""
    strange = [name for name, member in members.items() if member.has_model and not member.may_run]
    if not strange:
        return []
    return [
        f"Not timed: {', '.join(strange)}, whose SavedModel was not made in this project and is not trusted here "
        "(`spine predict EXPERIMENT --trust`)."
    ]


def _verdict(test: Evaluator, comparisons: Sequence[Comparison]) -> str:
    if len(test.members) == 1:
        return f"{test.members[0].name} is the only member: there is no ensemble to judge."
    return " ".join(one.verdict for one in comparisons)


def _scores(evaluator: Evaluator, metric: str) -> dict[str, float]:
    return {row.name: float(evaluator.score(row, metric)) for row in evaluator.rows}


def _best(evaluator: Evaluator, scores: dict[str, float], metric: str) -> EvaluatedRow:
    """The best member by `scores`, the first on a tie; an undefined score is the worst."""
    sign = 1 if TASKS[evaluator.TASK].metrics.named(metric).higher_is_better else -1
    return max(evaluator.members, key=lambda row: np.nan_to_num(sign * scores[row.name], nan=-np.inf))


def _undefined(scores: Mapping[str, float], metric: str, task: str) -> dict[str, str]:
    """Row -> why it has no score."""
    return {name: TASKS[task].metrics.why_undefined(metric) for name, score in scores.items() if not np.isfinite(score)}


def _row(row: EvaluatedRow, scores: ResampledScores) -> Row:
    written: Row = scores.rows.written(row, {name: scores.of_row(row, name) for name in scores.rows.reported})
    return written


def _without(row: EvaluatedRow, scores: ResampledScores) -> LeftOut:
    """The headline without one member of weight above 0, and what the ensemble with it is ahead of that."""
    headline = scores.headline
    return LeftOut(
        name=row.name,
        weight=row.weight or 0.0,
        score=scores.of_row(row, headline),
        difference=scores.estimate(scores.ahead_of(row, headline), headline),
    )


def _alternative(row: EvaluatedRow, weights: FoundWeights, scores: ResampledScores) -> Alternative:
    """The headline with other weights, and what the served ones are ahead of that."""
    headline, other = scores.headline, weights.alternatives()[row.name]
    return Alternative(
        name=row.name,
        weights=other.weights,
        fusion=other.fusion,
        score=scores.of_row(row, headline),
        difference=scores.estimate(scores.ahead_of(row, headline), headline),
    )


def _costs(experiment: Experiment, test: Evaluator, servable: dict[str, Member], timing: Timing) -> dict[str, RowCost]:
    """Row -> seconds an image and megabytes, of those that are known.

    Equal and given weights, and an ensemble that was not exported, cost the sum of the members they run: they are
    `summed`.
    """
    measured = costs_of(experiment, servable, timing)
    weighed = [row.name for row in test.members if row.weight]
    runs = {test.equal.name: list(experiment.members), test.ensemble.name: weighed}
    runs |= {name: list(without_zeros(weights)) for name, weights in experiment.given_weights.items()}
    sums = {
        name: Cost.sum_of([measured[member] for member in of])
        for name, of in runs.items()
        if name not in measured and all(member in measured for member in of)
    }
    return {name: RowCost(**asdict(cost), summed=name in sums) for name, cost in {**measured, **sums}.items()}
