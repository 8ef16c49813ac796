"""Training one member: `python -m classification.train EXPERIMENT.yaml --member NAME [key=value ...]`.

Cheap to import: TensorFlow comes in when training starts, after its start-up noise has been silenced.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from classification.config import Settings
from spine.config import Experiment, load_experiment
from spine.files import fingerprint, read_json, write_json
from spine.manifest import Manifest
from spine.member import Card, Member, Patients
from spine.problems import SpineError
from spine.quiet import silence_tensorflow

if TYPE_CHECKING:
    from classification.fit import Fitting

__all__ = ["main", "seed_of", "train"]


def train(experiment: Experiment, member: str) -> Path:
    """Train one member, publish its directory and return it.

    A member that is complete with the same settings, data and splits is left as it is; a killed run resumes after its
    last complete epoch; with anything else changed the training starts afresh.
    """
    if member not in experiment.members:
        raise SpineError(f"member {member!r} is not in {experiment.name}; its members: {', '.join(experiment.members)}")
    manifest = Manifest.read(experiment.data)
    config_hash = experiment.member_hash(member, manifest.data_hash, manifest.splits_hash)
    directory = experiment.member_directory(member)
    if _is_complete(directory, config_hash):
        return directory
    _open_directory(directory, experiment, member, config_hash)
    fitting = _fitting(experiment, member, manifest)
    _publish(fitting, experiment, config_hash)
    fitting.checkpoints.clear()
    return directory


def seed_of(experiment: Experiment, member: str) -> int:
    """The member's own seed: members of one experiment must not err alike."""
    return int(fingerprint([experiment.seed, member])[:7], 16)


def _is_complete(directory: Path, config_hash: str) -> bool:
    return (directory / "member.json").exists() and Member.open(directory).card.config_hash == config_hash


def _open_directory(directory: Path, experiment: Experiment, member: str, config_hash: str) -> None:
    """Make room for a training, or find the same one under way."""
    mark = directory / "training.json"
    if not mark.exists() or read_json(mark)["config_hash"] != config_hash:
        (directory / "member.json").unlink(missing_ok=True)  # first: what is half gone is no member
        shutil.rmtree(directory, ignore_errors=True)
        only = experiment.model_copy(update={"members": {member: experiment.members[member]}})
        only.write(directory / "config.yaml")
        write_json({"config_hash": config_hash}, mark)
    shutil.rmtree(directory / "model", ignore_errors=True)  # of a run killed before its member.json


def _fitting(experiment: Experiment, member: str, manifest: Manifest) -> Fitting:
    silence_tensorflow()
    from classification.data import Data
    from classification.fit import Fitting

    settings: Settings = experiment.members[member]
    seed = seed_of(experiment, member)
    data = Data.of(experiment, manifest, settings, seed)
    return Fitting(member, settings, data, seed, experiment.member_directory(member))


def _publish(fitting: Fitting, experiment: Experiment, config_hash: str) -> Member:
    from classification.export import export, signature_of
    from classification.fit import best_network
    from spine.serving import package_versions

    history = fitting.run()
    network = best_network(fitting)
    version = export(network, fitting.settings, fitting.directory)
    inputs, outputs = signature_of(fitting.settings, len(experiment.labels))
    card = Card(
        name=fitting.name,
        task="classification",
        labels=experiment.labels,
        input=inputs,
        outputs=outputs,
        versions=package_versions(),
        config_hash=config_hash,
        model_hash=Member.hash_model(version),
        patients=_patients(fitting),
        details={"network": fitting.settings.network, "parameters": network.count_params(), **_told(history)},
    )
    return Member.publish(fitting.directory, card)


def _patients(fitting: Fitting) -> Patients:
    from spine.privacy import patient_hash, salt_id

    trained, stopped = (
        tuple(sorted(map(patient_hash, set(truth.patients)))) for truth in (fitting.data.train, fitting.data.validation)
    )
    return Patients(salt=salt_id(), trained=trained, stopped=stopped)


def _told(history: Any) -> dict[str, Any]:
    best = history.best
    seconds = sum(float(row["seconds"]) for row in history.rows)
    told = {"epochs": len(history), "best_epoch": int(best["epoch"]), "training_seconds": round(seconds, 1)}
    return {**told, "val_loss": float(best["val_loss"]), "val_accuracy": float(best["val_accuracy"])}


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def _command(
    experiment: Annotated[Path, typer.Argument(metavar="EXPERIMENT", help="The experiment's YAML file.")],
    member: Annotated[str, typer.Option("--member", "-m", help="The member to train.")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...")] = None,
) -> None:
    """Train one classification member; a killed run resumes after its last complete epoch."""
    typer.echo(str(train(load_experiment(experiment, overrides or ()), member)))


def main() -> None:
    """A SpineError becomes one message and exit status 1."""
    try:
        app()
    except SpineError as error:
        typer.secho(f"error: {error}", fg="red", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
