"""Members made of their folds, between train and predict: the mean of the folds' models, or the refit, is served."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ensemble.experiment_run import ExperimentRun
from ensemble.export import publish_fused
from ensemble.fusion.fuse import Mean
from ensemble.fusion.fuse_boxes import BoxFusion
from ensemble.tasks import ENSEMBLE_TASKS
from spine.core.files import atomic_directory, fingerprint
from spine.core.processes import exclusive_lock
from spine.experiment.config import REFIT, Experiment
from spine.experiment.folds import parts, refit
from spine.member.member import Card, Member, Patients
from spine.member.serving import next_version, package_versions

__all__ = ["run"]


def run(experiment: Experiment, names: Sequence[str] = ()) -> list[Path]:
    """Publish each member from its trained folds, as `served` says; what is unchanged, or external, is kept.

    SpineError where a fold, or the refit, is not trained.
    """
    directories = [experiment.member_directory(name) for name in names or experiment.members]
    run = ExperimentRun(experiment)
    for directory in directories:
        if not Member.is_external(directory):
            _join(run, directory)
    return directories


def _join(run: ExperimentRun, directory: Path) -> None:
    experiment = run.experiment
    folds = [Member.open(part.member_directory(directory.name)) for part in parts(experiment)]
    sources = folds
    if experiment.served == REFIT:
        sources = [*folds, Member.open(refit(experiment).member_directory(directory.name))]
    config_hash = fingerprint(
        [experiment.served, [(source.card.config_hash, source.card.model_hash) for source in sources]]
    )
    if Member.is_complete(directory, config_hash):
        return
    with exclusive_lock(directory):
        _prepare_directory(directory)
        publish = _refit if experiment.served == REFIT else _mean
        card = publish(run, directory, sources)
        patients = Patients.union([source.card.patients for source in sources])
        hashes = tuple(fold.card.model_hash for fold in folds)
        Member.publish(
            directory, card.model_copy(update={"config_hash": config_hash, "folds": hashes, "patients": patients})
        )


def _prepare_directory(directory: Path) -> None:
    """Take away what an earlier training or joining left, all but the folds."""
    (directory / "member.json").unlink(missing_ok=True)  # first: what is half gone is no member
    for entry in directory.glob("[!.]*"):  # locks are hidden, and stay
        if entry.is_file():
            entry.unlink()
        elif entry.name != REFIT and not entry.name.startswith("fold-"):
            shutil.rmtree(entry)


def _mean(run: ExperimentRun, directory: Path, folds: Sequence[Member]) -> Card:
    """All folds' models in one, of equal weight; of detection by weighted boxes fusion with its own thresholds."""
    boxes = BoxFusion() if ENSEMBLE_TASKS[run.experiment.task].fuses_boxes else None
    version, parity = publish_fused(run, folds, Mean((1 / len(folds),) * len(folds)), boxes, directory)
    first = folds[0].card
    return Card(
        name=first.name,
        task=first.task,
        labels=first.labels,
        kind="folds",
        input=first.input,
        outputs={**first.outputs, **ENSEMBLE_TASKS[first.task].outputs},
        versions=package_versions(),
        model_hash=Member.hash_model(version),
        details={
            **_sums(folds),
            **_settings(run.experiment),
            **({"fusion": asdict(boxes)} if boxes else {}),
            "parity": parity,
        },
    )


def _refit(run: ExperimentRun, directory: Path, sources: Sequence[Member]) -> Card:
    """The refit's own model and card, as it would be without folds."""
    refitted = sources[-1]
    with atomic_directory(next_version(directory)) as temporary:
        shutil.copytree(refitted.trusted_model, temporary, dirs_exist_ok=True)
    shutil.copy(refitted.path / "history.csv", directory)
    return refitted.card.model_copy(update={"details": {**refitted.card.details, **_settings(run.experiment)}})


def _settings(experiment: Experiment) -> dict[str, Any]:
    return {"served": experiment.served, "fold_models": experiment.folds, "stop_on": experiment.stop_on}


def _sums(folds: Sequence[Member]) -> dict[str, Any]:
    """What all the folds' models together have and took, where each tells it, and what they have alike."""
    details = [fold.card.details for fold in folds]
    summed = ("parameters", "epochs", "training_seconds")
    sums = {key: sum(fold[key] for fold in details) for key in summed if all(key in fold for fold in details)}
    same = {key: details[0][key] for key in ("network", "segmenter", "masks") if key in details[0]}
    return {**{key: value for key, value in same.items() if all(fold.get(key) == value for fold in details)}, **sums}
