"""The evaluate stage: one honest leaderboard of members, equal weights and the ensemble, on the test split.

What a row is measured by is the task's (`ensemble.judge`); here is what every task shares. Intervals come from a
bootstrap over patients, on the same resamples for every row. The best single member is the best on validation, since
one chosen on the test split would be flattered by the choice.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ensemble.contenders import JUDGES, Contender, Contenders, judge, read_weights
from ensemble.costs import Cost, costs_of
from ensemble.elsewhere import cost, predict_elsewhere, told
from ensemble.leaderboard import leaderboard_table, write_leaderboard
from ensemble.overlap import SEARCH, Overlap, find_overlap, stopped_on_searched
from ensemble.predictions import SplitPredictions, read_split
from ensemble.served import exported, why_none
from ensemble.served import told as told_of_model
from ensemble.undefined import explained
from ensemble.verdict import Score, compare, difference, remembered
from ensemble.written import MetricsFile
from spine import metrics
from spine.config import Experiment
from spine.files import fingerprint, read_if_whole, read_json, with_nulls, write_json
from spine.manifest import OUT_OF_FOLD
from spine.member import Member, Patients
from spine.privacy import salt_id
from spine.problems import SpineError, write_sheet
from spine.shapes import as_written
from spine.statistics import interval, patient_resamples

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["evaluation_directory", "leaderboard", "read_metrics", "run"]

ENOUGH_PATIENTS = 10  # in test; below, the report warns
VERSION = 10  # of metrics.json: another one is computed afresh
SEARCHED = ("task", "metric", "method", "step", "score", "fusion", "split", "nested", "contributions", "temperatures")


def run(experiment: Experiment, dataset: Path | None = None) -> list[Path]:
    """Write metrics.json, leaderboard.csv and the task's own tables; SpineError where a test patient was seen before.

    Unless the experiment allows it: then the files say so. With `dataset`, the same members and weights are judged on
    its test split instead, and the files lie apart.
    """
    names = ("metrics.json", "leaderboard.csv", *JUDGES[experiment.task].TABLES)
    paths = [evaluation_directory(experiment, dataset) / name for name in names]
    split = predict_elsewhere(experiment, dataset) if dataset else read_split(experiment, "test")
    weights = read_weights(experiment)  # once: it checks them against the hashes of all validation predictions
    served = exported(experiment, weights)
    inputs_hash = _inputs_hash(experiment, weights, split, served)
    if all(path.exists() for path in paths) and read_if_whole(paths[0]).get("inputs_hash") == inputs_hash:
        return paths
    overlap = find_overlap(split.truth.patients, _sources(experiment, weights))
    if not experiment.evaluate.allow_overlap:
        overlap.refuse()
    validation = judge(experiment, read_split(experiment, weights["split"]), weights)
    servable = _servable(experiment, served, validation.ensemble.name)
    models = {name: member.model for name, member in servable.items() if member.may_run}
    test = judge(experiment, split, weights).completed(validation, models)
    found = _evaluate(experiment, weights, test, validation, overlap)
    found |= {"costs": _costs(experiment, test, servable), "inputs_hash": inputs_hash}
    if dataset:
        own = judge(experiment, read_split(experiment, "test"), weights).completed(validation, {})
        found |= _elsewhere(experiment, dataset, test, own, found["notes"])
    _write(found, test, paths)
    return paths


def evaluation_directory(experiment: Experiment, dataset: Path | None) -> Path:
    """Where `run` writes, of the experiment's own dataset and of others."""
    own = experiment.evaluation_directory
    return own.with_name(f"{own.name}-{dataset.resolve().name}") if dataset else own


def _elsewhere(
    experiment: Experiment, dataset: Path, test: Contenders, own: Contenders, notes: list[str]
) -> dict[str, Any]:
    settings, headline = experiment.evaluate, metrics.HEADLINE[experiment.task]
    against = cost(test, own, headline, settings.resamples, settings.confidence, experiment.seed)
    return {
        "dataset": dataset.resolve().name,
        "against_own_dataset": against,
        "notes": [*told(experiment, dataset, test, own, against, headline), *notes],
    }


def _write(found: dict[str, Any], test: Contenders, paths: list[Path]) -> None:
    for path, table in zip(paths[2:], test.tables(), strict=True):
        write_sheet(table, path)
    told = explained(with_nulls(found))
    write_leaderboard(told, paths[1])
    write_json(told, paths[0])


def read_metrics(experiment: Experiment, dataset: Path | None = None) -> dict[str, Any]:
    """What `run` wrote; SpineError where it has not."""
    path = evaluation_directory(experiment, dataset) / "metrics.json"
    if not path.exists():
        raise SpineError(f"{path} does not exist; run `spine evaluate EXPERIMENT` first")
    return read_json(path, "run `spine evaluate EXPERIMENT` again", as_written(MetricsFile))


def leaderboard(experiment: Experiment, dataset: Path | None = None) -> Table:
    """The table that the command line prints at the end."""
    return leaderboard_table(read_metrics(experiment, dataset))


def _inputs_hash(
    experiment: Experiment, weights: dict[str, Any], split: SplitPredictions, served: Member | None
) -> str:
    """Of all that is read; `weights` names the validation predictions, which were checked."""
    stored = [predictions.hash for predictions in split.stored.values()]
    cards = [Member.open(experiment.member_directory(name)).card.model_dump() for name in experiment.members]
    settings = [experiment.evaluate.model_dump(), experiment.seed, VERSION, salt_id()]
    model = served.card.model_hash if served else why_none(experiment, weights)
    return fingerprint([stored, cards, weights, split.truth.hash, settings, model])


def _sources(experiment: Experiment, weights: dict[str, Any]) -> dict[str, Patients]:
    members = {name: Member.open(experiment.member_directory(name)).card.patients for name in experiment.members}
    return {**members, SEARCH: Patients(**weights["patients"])}


def _servable(experiment: Experiment, served: Member | None, ensemble: str) -> dict[str, Member]:
    """Row -> what has a SavedModel of it, of members and the exported `ensemble`; equal weights have none."""
    members = {name: Member.open(experiment.member_directory(name)) for name in experiment.members}
    rows = {**members, ensemble: served}
    return {name: member for name, member in rows.items() if member and member.has_model}


def _evaluate(
    experiment: Experiment, weights: dict[str, Any], test: Contenders, validation: Contenders, overlap: Overlap
) -> dict[str, Any]:
    settings = experiment.evaluate
    headline = metrics.HEADLINE[experiment.task]
    draws = patient_resamples(test.patients, settings.resamples, experiment.seed)
    on_validation = _scores(validation, weights["metric"])
    best, best_on_test = _best(test, on_validation, weights["metric"]), _best(test, _scores(test, headline), headline)
    score = remembered(test, draws)
    comparisons = [
        compare(test, other, role, draws, settings.confidence, headline, score)
        for other, role in ((best, f"the best single member on {_searched(weights)}"), (test.equal, "equal weights"))
    ]
    return {
        "experiment": experiment.name,
        "task": experiment.task,
        "target": experiment.target,
        "labels": list(experiment.labels),
        "split": "test",
        "dataset": experiment.data.name,
        "headline": headline,
        "verdict": _verdict(test, comparisons),
        "units": test.UNITS,
        "names": dict(test.names),
        "counts": test.counts,
        "bootstrap": {**settings.model_dump(include={"resamples", "confidence"}), "seed": experiment.seed},
        "overlap": asdict(overlap),
        "notes": [
            *overlap.notes,
            *told_of_model(experiment, weights),
            *_not_run(experiment),
            *_few(test),
            *test.notes,
            *weights.get("flattered", ()),
            *weights.get("folds", {}).get("notes", ()),
        ],
        "search": {key: weights.get(key) for key in SEARCHED},
        "stopped_on_searched": [] if "folds" in weights else stopped_on_searched(_sources(experiment, weights)),
        "validation": on_validation,
        "best_on_validation": best.name,
        "best_on_test": best_on_test.name,
        "rows": [_row(row, test, draws, settings.confidence, score) for row in test.rows],
        "comparisons": comparisons,
        "without": _without(test, draws, settings.confidence, headline, score),
        "pairs": test.pairs.told([row.name for row in test.members], draws, settings.confidence),
    }


def _searched(weights: dict[str, Any]) -> str:
    return "out-of-fold predictions" if weights["split"] == OUT_OF_FOLD else "validation"


def _not_run(experiment: Experiment) -> list[str]:
    """Which members' SavedModels may not run here, so that nobody wonders why they have no time."""
    members = {name: Member.open(experiment.member_directory(name)) for name in experiment.members}
    strange = [name for name, member in members.items() if member.has_model and not member.may_run]
    if not strange:
        return []
    return [
        f"Not timed: {', '.join(strange)}, whose SavedModel was not made in this project and is not trusted here "
        "(`spine predict EXPERIMENT --trust`)."
    ]


def _few(test: Contenders) -> list[str]:
    """Resampling so few patients gives intervals that are too narrow, and misses what other patients would show."""
    patients = test.counts["patients"]
    if patients >= ENOUGH_PATIENTS:
        return []
    told = f"There {'is' if patients == 1 else 'are'} only {patients} test patient{'s' if patients != 1 else ''}"
    return [f"{told}: too few to judge by. Intervals are rough, and other patients may give quite other figures."]


def _verdict(test: Contenders, comparisons: list[dict[str, Any]]) -> str:
    if len(test.members) == 1:
        return f"{test.members[0].name} is the only member: there is no ensemble to judge."
    return comparisons[0]["verdict"]


def _scores(contenders: Contenders, metric: str) -> dict[str, float]:
    return {row.name: float(contenders.score(row, metric)) for row in contenders.rows}


def _best(contenders: Contenders, scores: dict[str, float], metric: str) -> Contender:
    """The best member by `scores`, the first on a tie; an undefined score is the worst."""
    sign = 1 if metrics.metric(metric, contenders.TASK).higher_is_better else -1
    return max(contenders.members, key=lambda row: np.nan_to_num(sign * scores[row.name], nan=-np.inf))


def _row(row: Contender, test: Contenders, draws: np.ndarray, confidence: float, score: Score) -> dict[str, Any]:
    found = {name: asdict(interval(partial(score, row, name), draws, confidence)) for name in test.reported}
    return {"name": row.name, "kind": row.kind, "weight": row.weight, "metrics": found, **test.details(row)}


def _without(
    test: Contenders, draws: np.ndarray, confidence: float, headline: str, score: Score
) -> list[dict[str, Any]]:
    """Of each member of weight above 0: the headline without it, and what the ensemble with it is ahead of that."""
    return [
        {
            "name": row.name,
            "weight": row.weight,
            "score": asdict(interval(partial(score, row, headline), draws, confidence)),
            "difference": asdict(difference(test, row, headline, draws, confidence, score)),
        }
        for row in test.reduced
    ]


def _costs(experiment: Experiment, test: Contenders, servable: dict[str, Member]) -> dict[str, Any]:
    """Row -> seconds an image and megabytes, of those that are known.

    Equal weights, and an ensemble that was not exported, cost the sum of the members they run: they are `summed`.
    """
    measured = costs_of(experiment, servable, test.truth.paths)
    weighed = [row.name for row in test.members if row.weight]
    runs = {test.equal.name: list(experiment.members), test.ensemble.name: weighed}
    sums = {
        name: Cost.sum_of([measured[member] for member in of])
        for name, of in runs.items()
        if name not in measured and all(member in measured for member in of)
    }
    return {name: {**asdict(cost), "summed": name in sums} for name, cost in {**measured, **sums}.items()}
