"""The evaluate stage: one honest leaderboard of members, equal weights and the ensemble, on the test split.

Repeated slices of one disc are averaged to a unit before anything is scored; intervals come from a bootstrap over
patients, on the same resamples for every row. The best single member is the best on validation, since one chosen on
the test split would be flattered by the choice.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ensemble.contenders import Contender, Contenders, read_contenders, read_weights
from ensemble.overlap import Overlap, find_overlap
from ensemble.verdict import compare
from spine import metrics
from spine.config import Experiment
from spine.files import atomic_file, fingerprint, hash_directory, read_json, write_json
from spine.member import Member, Patients
from spine.privacy import salt_id
from spine.problems import SpineError
from spine.statistics import interval, patient_resamples

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["REPORTED", "leaderboard", "leaderboard_table", "read_metrics", "run"]

REPORTED = (
    *("roc_auc", "accuracy", "sensitivity", "specificity", "precision", "recall", "f1"),
    *("log_loss", "balanced_accuracy", "matthews", "brier"),
)
VERSION = 1  # of metrics.json: another one is computed afresh


def run(experiment: Experiment) -> list[Path]:
    """Write metrics.json and leaderboard.csv; SpineError where a test patient was seen before, unless allowed."""
    directory = experiment.evaluation_directory
    paths = [directory / "metrics.json", directory / "leaderboard.csv"]
    test = read_contenders(experiment, "test")
    inputs_hash = _inputs_hash(experiment, test)
    if all(path.exists() for path in paths) and read_json(paths[0]).get("inputs_hash") == inputs_hash:
        return paths
    overlap = find_overlap(test.patients, _sources(experiment))
    if not experiment.evaluate.allow_overlap:
        overlap.refuse()
    found = {**_evaluate(experiment, test, overlap), "inputs_hash": inputs_hash}
    _write_csv(found, paths[1])
    write_json(_finite(found), paths[0])
    return paths


def read_metrics(experiment: Experiment) -> dict[str, Any]:
    """What `run` wrote; SpineError where it has not."""
    path = experiment.evaluation_directory / "metrics.json"
    if not path.exists():
        raise SpineError(f"{path} does not exist; run `spine evaluate EXPERIMENT` first")
    return read_json(path)


def leaderboard(experiment: Experiment) -> Table:
    """The table that the command line prints at the end."""
    return leaderboard_table(read_metrics(experiment))


def leaderboard_table(found: dict[str, Any]) -> Table:
    """A compact table of metrics.json's rows: AUC and accuracy with intervals, and the rates."""
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    counts = found["counts"]
    table = Table(
        title=f"{escape(found['experiment'])}: {counts['patients']} test patients, {counts['units']} units, "
        f"{found['bootstrap']['confidence'] * 100:g} % intervals over patients",
        caption=escape(" ".join([*found["notes"], found["verdict"]])),
        box=SIMPLE_HEAD,
        padding=0,
    )
    for heading in ("", "weight", "AUC", "accuracy", "sens.", "spec.", "F1"):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=bool(heading), overflow="fold")
    for row in found["rows"]:
        values = [_with_interval(row["metrics"][name]) for name in ("roc_auc", "accuracy")]
        values += [_number(row["metrics"][name]["value"]) for name in ("sensitivity", "specificity", "f1")]
        weight = "" if row["weight"] is None else f"{row['weight']:.2f}"
        table.add_row(escape(row["name"]), weight, *values, style="bold" if row["kind"] == "ensemble" else None)
    return table


def _inputs_hash(experiment: Experiment, test: Contenders) -> str:
    members = [Member.open(experiment.member_directory(name)) for name in experiment.members]
    stored = [
        hash_directory(member.path / "predictions" / split) for member in members for split in ("validation", "test")
    ]
    settings = [experiment.evaluate.model_dump(), experiment.seed, VERSION, salt_id()]
    return fingerprint(
        [stored, [m.card.model_dump() for m in members], read_weights(experiment), test.truth.hash, settings]
    )


def _sources(experiment: Experiment) -> dict[str, Patients]:
    members = {name: Member.open(experiment.member_directory(name)).card.patients for name in experiment.members}
    return {**members, "the search": Patients(**read_weights(experiment)["patients"])}


def _evaluate(experiment: Experiment, test: Contenders, overlap: Overlap) -> dict[str, Any]:
    settings, weights = experiment.evaluate, read_weights(experiment)
    headline = metrics.HEADLINE[experiment.task]
    draws = patient_resamples(test.patients, settings.resamples, experiment.seed)
    validation = _scores(read_contenders(experiment, "validation"), weights["metric"])
    best, best_on_test = _best(test, validation, weights["metric"]), _best(test, _scores(test, headline), headline)
    comparisons = [
        compare(test, other, role, draws, settings.confidence, headline)
        for other, role in ((best, "the best single member on validation"), (test.equal, "equal weights"))
    ]
    return {
        "experiment": experiment.name,
        "task": experiment.task,
        "target": experiment.target,
        "labels": list(experiment.labels),
        "split": "test",
        "headline": headline,
        "verdict": _verdict(test, comparisons),
        "counts": _counts(test),
        "bootstrap": {**settings.model_dump(include={"resamples", "confidence"}), "seed": experiment.seed},
        "overlap": asdict(overlap),
        "notes": overlap.notes,
        "search": {key: weights.get(key) for key in ("metric", "method", "step", "score")},
        "validation": validation,
        "best_on_validation": best.name,
        "best_on_test": best_on_test.name,
        "rows": [_row(row, test, draws, settings.confidence) for row in test.rows],
        "comparisons": comparisons,
    }


def _verdict(test: Contenders, comparisons: list[dict[str, Any]]) -> str:
    if len(test.members) == 1:
        return f"{test.members[0].name} is the only member: there is no ensemble to judge."
    return comparisons[0]["verdict"]


def _counts(test: Contenders) -> dict[str, Any]:
    classes = np.bincount(test.values, minlength=len(test.truth.labels)).tolist()
    return {
        "patients": len(set(test.patients)),
        "units": len(test.values),
        "rows": len(test.truth.samples),
        "units_per_class": dict(zip(test.truth.labels, classes, strict=True)),
    }


def _scores(contenders: Contenders, metric: str) -> dict[str, float]:
    function = metrics.metric(metric).function
    return {row.name: float(function(contenders.values, row.probabilities)) for row in contenders.rows}


def _best(contenders: Contenders, scores: dict[str, float], metric: str) -> Contender:
    """The best member by `scores`, the first on a tie; an undefined score is the worst."""
    sign = 1 if metrics.metric(metric).higher_is_better else -1
    return max(contenders.members, key=lambda row: np.nan_to_num(sign * scores[row.name], nan=-np.inf))


def _row(row: Contender, test: Contenders, draws: np.ndarray, confidence: float) -> dict[str, Any]:
    found = {}
    for name in REPORTED:
        function = metrics.METRICS[name].function
        found[name] = asdict(
            interval(lambda w, f=function: f(test.values, row.probabilities, w), draws, confidence)  # type: ignore[misc]
        )
    confusion = metrics.confusion(test.values, row.probabilities).astype(int).tolist()
    return {"name": row.name, "kind": row.kind, "weight": row.weight, "metrics": found, "confusion": confusion}


def _write_csv(found: dict[str, Any], path: Path) -> None:
    import pandas as pd

    counts = {key: found["counts"][key] for key in ("patients", "units", "rows")}
    rows = [
        {key: row[key] for key in ("name", "kind", "weight")}
        | counts
        | {
            name + suffix: value[key]
            for name, value in row["metrics"].items()
            for suffix, key in (("", "value"), ("_low", "low"), ("_high", "high"))
        }
        for row in found["rows"]
    ]
    with atomic_file(path) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False)


def _finite(value: Any) -> Any:
    """JSON knows no NaN: null instead."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _with_interval(found: dict[str, Any]) -> str:
    if found["low"] is None:
        return _number(found["value"])
    return f"{_number(found['value'])} ({found['low']:.2f}–{found['high']:.2f})"
