"""Readers of a run's files: members, predictions, weights, metrics and records, of each task."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.experiments import validate_experiment
from spine.dataset.manifest import Manifest
from spine.experiment.config import Experiment
from spine.member.member import Member
from tests.hostile.readers import Found, Reader

__all__ = ["OF_RUNS"]

_PATIENTS = {"train": 1, "validation": 3, "test": 3}
_TASKS = ("classification", "segmentation", "detection")
_MEMBERS = ("a", "b")


def _experiment_of(folder: Path, task: str) -> Experiment:

    settings: dict[str, Any] = {
        "classification": {"target": "degeneration", "labels": ["healthy", "degenerated"]},
        "segmentation": {"labels": ["background", "vertebra", "disc", "canal"]},
        "detection": {"labels": ["bright", "dark"]},
    }[task]
    own = {"network": "plain_cnn", "weights": "none"} if task == "classification" else {}
    places = {"data": folder / "data", "runs": folder / "runs"}
    small = {"search": {"resamples": 0}, "evaluate": {"resamples": 100}}
    raw = {"name": "small", "task": task, "members": dict.fromkeys(_MEMBERS, own), **settings, **places, **small}
    return validate_experiment(raw, "the experiment of the test")


def _run(folder: Path, task: str) -> None:
    """An experiment as its stages leave it, with weights and an evaluation."""
    from ensemble import evaluate
    from spine.core.files import read_json, write_json
    from tests import detection_on_disk, experiment_on_disk

    write = {
        "classification": experiment_on_disk.write_experiment,
        "segmentation": experiment_on_disk.write_segmentation_experiment,
        "detection": detection_on_disk.write_detection_experiment,
    }[task]
    made = write(folder, members=_MEMBERS, patients=_PATIENTS)
    if made.name != "small":  # the task's helper has a name of its own
        made.directory.rename(folder / "runs" / "small")
    experiment = _experiment_of(folder, task)
    path = experiment.ensemble_directory / "weights.json"
    found = read_json(path)
    found["metric"] = {"classification": "accuracy", "segmentation": "dice_foreground"}.get(task, found["metric"])
    write_json(found, path)
    evaluate.run(experiment)
    for name in _MEMBERS:
        experiment.write(experiment.member_directory(name) / "config.yaml")


_RUNS = {task: partial(_run, task=task) for task in _TASKS}  # each of all readers of that task


def _judge(folder: Path, task: str, split: str = "test") -> Found:
    """All rows of the leaderboard of one split, scored: what the members said, and what the weights make of it."""
    from ensemble.experiment_run import ExperimentRun
    from spine.tasks import TASKS

    experiment = _experiment_of(folder, task)
    evaluator = ExperimentRun(experiment).evaluator(split)
    told = {
        f"{row.kind} {row.name}": float(evaluator.score(row, TASKS[task].metrics.headline)) for row in evaluator.rows
    }
    return Found(told=told, wrong=_wrong_predictions(experiment, split))


def _search(folder: Path, task: str) -> Found:
    """The predictions of the search's split, as the search takes them."""
    from ensemble.experiment_run import ExperimentRun

    experiment = _experiment_of(folder, task)
    split = ExperimentRun(experiment).predictions(experiment.search_split)
    split.to_search()
    return Found(told=split.truth.hash, wrong=_wrong_predictions(experiment, experiment.search_split))


def _wrong_predictions(experiment: Experiment, split: str) -> str:
    """What was taken and is no prediction, by NumPy and pandas alone: numbers that are none, rows of other samples."""
    manifest = Manifest.read(experiment.data)
    expected = [one for one in manifest.images["sample"] if one in set(manifest.samples_in(split))]
    for name in _MEMBERS:
        folder = experiment.member_directory(name) / "predictions" / split
        index = pd.read_csv(folder / "index.csv", dtype=str, keep_default_na=False)
        if index["sample"].tolist() != expected:
            return f"index.csv of {name} tells {index['sample'].tolist()[:2]} ..., the split {expected[:2]} ..."
        for file in folder.glob("*.npy"):
            if fault := _fault(file):
                return f"{file.name} of {name} {fault}"
    return ""


def _fault(file: Path) -> str:
    values = np.load(file, allow_pickle=False)
    if values.dtype.kind not in "fiu":
        return f"holds {values.dtype}"
    if not np.isfinite(values).all():
        return "holds what is not finite"
    most = np.inf if file.name == "detection_classes.npy" else 1.001
    if values.size and (values.min() < (1 if most == np.inf else -0.001) or values.max() > most):
        return f"reaches from {values.min()} to {values.max()}"
    if file.name == "probabilities.npy" and not np.allclose(values.sum(-1, dtype=np.float64), 1, atol=0.02):
        return "holds rows that do not sum to 1"
    return ""


def _weights(folder: Path, task: str) -> Found:
    from ensemble.experiment_run import ExperimentRun
    from ensemble.search import summary
    from ensemble.serving.exported import describe_lacking_model

    experiment = _experiment_of(folder, task)
    run = ExperimentRun(experiment)
    found = run.weights
    shares = np.array(list(found.weights.values()), float)
    wrong = "" if (shares >= 0).all() and abs(shares.sum() - 1) < 1e-6 else f"the weights are {shares.tolist()}"
    judged = _judge(folder, task)
    return Found(told=[judged.told, describe_lacking_model(run.members, found), summary(experiment)], wrong=wrong)


def _metrics(folder: Path, task: str) -> Found:
    from ensemble import evaluate

    experiment = _experiment_of(folder, task)
    table = evaluate.leaderboard(experiment)
    cells = [list(column.cells) for column in table.columns]
    return Found(told=cells, wrong="the leaderboard tells NaN" if "nan" in repr(cells).lower() else "")


def _evaluate(folder: Path, task: str) -> Found:
    from ensemble import evaluate

    experiment = _experiment_of(folder, task)
    evaluate.run(experiment)
    return _metrics(folder, task)


def _trained(folder: Path, task: str) -> Found:
    """What a member was trained with, beside what the experiment says."""
    from spine.experiment.trained import as_trained, trained_otherwise

    experiment = _experiment_of(folder, task)
    return Found(told=[trained_otherwise(experiment), repr(as_trained(experiment)).replace(str(folder), "")])


def _report(folder: Path, task: str) -> Found:
    """The report, its figures among it, those for documents of one pixel: to encode them takes longer than the rest."""
    import pytest

    from ensemble import report
    from tests.figures_of_a_pixel import write_pixels

    experiment = _experiment_of(folder, task)
    with pytest.MonkeyPatch.context() as patch:
        write_pixels(patch)
        return Found(told=[path.name for path in report.run(experiment)])


def _journal(folder: Path) -> None:
    """The record of a search, as Optuna keeps it in a file."""
    import optuna

    folder.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(storage=_storage(folder), study_name="weights")
    study.optimize(lambda trial: trial.suggest_float("weight", 0, 1), n_trials=3)


def _open_journal(folder: Path) -> Found:
    """As the search opens it: where the study was lost, it begins anew."""
    import optuna

    study = optuna.create_study(storage=_storage(folder), study_name="weights", load_if_exists=True)
    return Found(told=[trial.params for trial in study.trials])


def _storage(folder: Path) -> Any:
    from ensemble.record.storage import JOURNAL, open_storage

    return open_storage(f"{JOURNAL}{folder / 'study.log'}")


def _card(folder: Path, task: str) -> Found:
    experiment = _experiment_of(folder, task)
    member = Member.open(experiment.member_directory("a"))
    Member.is_complete(member.path, member.card.config_hash)
    return Found(told=[member.card.model_dump(mode="json"), _judge(folder, task).told])


def _of_run(
    name: str, victim: str, kind: str, ways: tuple[Callable[..., Found], ...], seeds: int, **more: Any
) -> list[Reader]:
    """The reader of a file of a run, of each task."""
    tasks = more.pop("tasks", _TASKS)
    return [
        Reader(
            *(f"{name} of {task}", f"runs/small/{victim}", kind, _RUNS[task]),
            tuple(partial(way, task=task) for way in ways),
            seeds=seeds,
            **more,
        )
        for task in tasks
    ]


_TEST, _BOXES = "members/a/predictions/test", ("detection",)
_SEARCHED = "members/a/predictions/validation"
_TOLD_BY_FOLDER = ("predictions/test", "predictions/validation", "member 'a", "'a' and 'b'")  # or by whose they are
_DENSE = ("classification", "segmentation")
OF_RUNS = [
    *_of_run("predictions.json", f"{_TEST}/predictions.json", "json", (_judge,), 20, names=_TOLD_BY_FOLDER),
    *_of_run("index.csv", f"{_TEST}/index.csv", "table", (_judge,), 18, names=_TOLD_BY_FOLDER),
    *_of_run("probabilities", f"{_TEST}/probabilities.npy", "npy", (_judge,), 14, names=_TOLD_BY_FOLDER, tasks=_DENSE),
    *(
        reader
        for part in ("boxes", "scores", "classes")
        for reader in _of_run(
            *(part, f"{_TEST}/detection_{part}.npy", "npy", (_judge,), 14), names=_TOLD_BY_FOLDER, tasks=_BOXES
        )
    ),
    *_of_run("searched index", f"{_SEARCHED}/index.csv", "table", (_search,), 17, names=_TOLD_BY_FOLDER),
    *_of_run("searched", f"{_SEARCHED}/probabilities.npy", "npy", (_search,), 14, names=_TOLD_BY_FOLDER, tasks=_DENSE),
    *_of_run("weights.json", "ensembles/weighted/weights.json", "json", (_weights,), 20),
    *_of_run("metrics.json", "evaluation/metrics.json", "json", (_metrics, _evaluate), 20),
    *_of_run("trained", "members/a/config.yaml", "yaml", (_trained,), 22, tasks=("classification",)),
    *_of_run("history.csv", "members/a/history.csv", "table", (_report,), 9, tasks=("classification",)),
    Reader("journal", "study.log", "", _journal, (_open_journal,), seeds=12),
    *_of_run("member.json", "members/a/member.json", "json", (_card,), 20, names=("members/a/",)),
]
