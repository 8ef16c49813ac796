"""Training one member of any task: its directory from start to `member.json`.

Cheap to import: TensorFlow comes in when training starts, after its start-up noise has been silenced.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from spine.core.files import fingerprint, read_if_whole, write_json
from spine.core.near_names import did_you_mean
from spine.core.problems import SpineError
from spine.core.processes import exclusive_lock
from spine.core.quiet import silence_tensorflow
from spine.dataset.manifest import Manifest
from spine.experiment.config import REFIT, Experiment
from spine.experiment.dataset import read_dataset
from spine.experiment.folds import refit_epochs, view
from spine.experiment.foresight import require_strangers
from spine.experiment.outcomes import Outcome, is_trained, outcomes
from spine.member.member import Card, Member, Patients
from spine.training.fitting import Fitting
from spine.training.history import History

__all__ = ["FittingOf", "seed_of", "train_member"]

FittingOf = Callable[[Experiment, str, Manifest, int], Fitting]


def train_member(fitting_of: FittingOf, experiment: Experiment, member: str, batch: int | None = None) -> Path:
    """Train one member, publish its directory and return it; `fitting_of(experiment, member, manifest, seed)` is how.

    What else the same training gives (`spine.experiment.outcomes`) is published with it. `batch` is how many pictures a
    step takes in place of what the settings say, where memory is short: the member counts as theirs, and its card tells
    the batch.

    A member that is complete with the same settings, data and splits is left as it is; a killed run resumes after its
    last complete epoch; with anything else changed the training starts afresh. SpineError where another process trains
    it at the moment.
    """
    if member not in experiment.members:
        raise SpineError(
            f"member {member!r} is not in {experiment.name}; its members: {', '.join(experiment.members)}"
            f"{did_you_mean(member, experiment.members)}"
        )
    dataset = read_dataset(experiment)
    manifest = view(experiment, dataset)
    directory = experiment.member_directory(member)
    if is_trained(experiment, member, manifest):
        return directory
    require_strangers(experiment, dataset, [member])
    silence_tensorflow()
    first, *others = outcomes(experiment, member)
    fitting = fitting_of(_with_batch(first, batch), first.member, manifest, seed_of(experiment, first.member))
    if experiment.fold == REFIT:
        fitting = replace(fitting, epochs_per_phase=refit_epochs(experiment, member))
    with exclusive_lock(first.directory) if fitting.is_chief else nullcontext():
        history = fitting.run(lambda: _open_directory(first, first.config_hash(manifest)))
        if fitting.is_chief:
            for outcome in others:
                _begin_afresh(outcome)
                _publish(fitting.outcome(outcome), history, outcome, outcome.config_hash(manifest), batch)
            # Last of all: once the first is a member, nothing is left to be published.
            own = fitting.outcome(first) if others else fitting
            _publish(own, history, first, first.config_hash(manifest), batch)
            fitting.checkpoints.clear()
    return directory


def _with_batch(outcome: Outcome, batch: int | None) -> Experiment:
    """Its experiment, with another batch of the member where one is given."""
    experiment = outcome.experiment
    if batch is None:
        return experiment
    settings = experiment.members[outcome.member].model_copy(update={"batch": batch})
    return experiment.model_copy(update={"members": {**experiment.members, outcome.member: settings}})


def seed_of(experiment: Experiment, member: str) -> int:
    """The member's own seed: members of one experiment must not err alike."""
    return int(fingerprint([experiment.seed, member])[:7], 16)


def _open_directory(outcome: Outcome, config_hash: str) -> None:
    """Make room for a training, or find the same one under way; what failed or lost its model begins afresh."""
    directory = outcome.directory
    mark = directory / "training.json"
    under_way = read_if_whole(mark).get("config_hash") == config_hash
    if not under_way or (directory / "member.json").exists():
        _begin_afresh(outcome)
        write_json({"config_hash": config_hash}, mark)
    shutil.rmtree(directory / "model", ignore_errors=True)  # of a run killed before its member.json


def _begin_afresh(outcome: Outcome) -> None:
    """A directory that holds nothing but what the member is trained from."""
    directory, experiment = outcome.directory, outcome.experiment
    (directory / "member.json").unlink(missing_ok=True)  # first: what is half gone is no member
    shutil.rmtree(directory, ignore_errors=True)
    only = experiment.model_copy(update={"members": {outcome.member: experiment.members[outcome.member]}})
    only.write(directory / "config.yaml")


def _publish(fitting: Fitting, history: History, outcome: Outcome, config_hash: str, batch: int | None) -> Member:
    from spine.member.serving import package_versions

    history = fitting.own_history(history)
    history.write(fitting.directory / "history.csv")
    network = fitting.best_network()
    version = fitting.export(network)
    inputs, outputs = fitting.signature()
    card = Card(
        name=fitting.name,
        task=outcome.experiment.task,
        labels=outcome.experiment.labels,
        input=inputs,
        outputs=outputs,
        versions=package_versions(),
        config_hash=config_hash,
        model_hash=Member.hash_model(version),
        patients=_patients(fitting),
        details={
            "network": network.name,
            "parameters": network.count_params(),
            **_training_details(history, fitting.best_epoch()),
            **fitting.details,
            **({} if batch is None else {"batch": batch}),
        },
    )
    return Member.publish(fitting.directory, card)


def _patients(fitting: Fitting) -> Patients:
    from spine.core.privacy import patient_hash, salt_id

    trained, stopped = (
        tuple(sorted(map(patient_hash, () if truth is None else set(truth.patients))))
        for truth in (fitting.data.train, fitting.data.validation)
    )
    own = Patients(salt=salt_id(), trained=trained, stopped=stopped)
    return Patients.union([own, *(part for part in fitting.parts_patients if part.salt)])


def _training_details(history: History, best_epoch: int) -> dict[str, Any]:
    best = history.rows[best_epoch - 1]
    seconds = sum(float(row["seconds"]) for row in history.rows)
    details = {
        "epochs": len(history),
        "best_epoch": best_epoch,
        "lengths": history.epochs_per_phase,
        "training_seconds": round(seconds, 1),
    }
    return {**details, **{name: float(value) for name, value in best.items() if name.startswith("val_")}}
