"""Members from elsewhere: what a model of any framework says, stored so that search and evaluate take it.

`docs/foreign_members.md` shows how. The experiment names such a member with `foreign: true` in place of settings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from spine.config import Experiment, Foreign
from spine.manifest import Manifest
from spine.member import Card, Member, Patients
from spine.predictions import BoxPredictions, Predictions, index_of
from spine.privacy import patient_hash, salt_id
from spine.problems import SpineError
from spine.truth import AnyTruth, read_truth

__all__ = ["read_samples", "write_foreign"]


def read_samples(experiment: Experiment, split: str) -> AnyTruth:
    """The samples of a split in the order of their predictions: `samples`, `patients`, `paths` and `sizes` of pictures.

    And what is true of them: `values` (N,), class indices, of classification; of segmentation masks (H, W), by
    iterating; of detection `boxes` and `classes`. `split` is train, validation, test or, with folds, out-of-fold.
    """
    return read_truth(experiment, Manifest.read(experiment.data), split)


def write_foreign(
    experiment: Experiment,
    name: str,
    said: Mapping[str, Any],
    *,
    trained: Iterable[str] = (),
    stopped: Iterable[str] = (),
) -> Member:
    """Store what a foreign member `said` of each split, by its name, and publish the member.

    Of a split, in the order of `read_samples`: probabilities (N, C) of classification; of segmentation an array
    (H, W, C) a picture, at its own size, one after the other; of detection a `spine.detections.Detections` a picture.
    `trained` and `stopped` are the patients that its training learned from and was stopped on: without them an
    evaluation on a patient it has seen goes unnoticed, and says so. SpineError where the experiment has no such foreign
    member, or there are not as many predictions as samples.
    """
    if not isinstance(experiment.members.get(name), Foreign):
        raise SpineError(
            f"{experiment.name} has no foreign member {name!r}; write `{name}: {{foreign: true}}` among its members"
        )
    directory = experiment.member_directory(name)
    for split, predictions in said.items():
        _store(directory / "predictions" / split, predictions, experiment, split)
    patients = _patients(trained, stopped)
    card = Card(name=name, task=experiment.task, labels=experiment.labels, kind="foreign", patients=patients)
    return Member.publish(directory, card)


def _store(path: Path, predictions: Any, experiment: Experiment, split: str) -> None:
    truth, task = read_samples(experiment, split), experiment.task
    write: Any = BoxPredictions.write if task == "detection" else Predictions.write
    head = {"split": split, "model_hash": "", "truth_hash": truth.hash}
    write(path, predictions, index_of(truth, task), task=task, labels=experiment.labels, **head)


def _patients(trained: Iterable[str], stopped: Iterable[str]) -> Patients:
    hashes = [tuple(sorted(map(patient_hash, set(patients)))) for patients in (trained, stopped)]
    return Patients(salt=salt_id(), trained=hashes[0], stopped=hashes[1]) if any(hashes) else Patients()
