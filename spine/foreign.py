"""Members from elsewhere: what a model of any framework says, stored so that search and evaluate take it.

`docs/foreign_members.md` shows how. The experiment names such a member with `foreign: true` in place of settings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from spine.config import Experiment, Foreign
from spine.manifest import OUT_OF_FOLD, Manifest
from spine.member import Card, Member, Patients
from spine.predictions import BoxPredictions, Predictions, index_of
from spine.privacy import patient_hash, salt_id
from spine.problems import SpineError
from spine.truth import AnyTruth, read_truth

__all__ = ["read_samples", "require_predictions", "write_foreign"]


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


def require_predictions(experiment: Experiment, names: Iterable[str]) -> None:
    """SpineError where one of these members from elsewhere lacks predictions, of the dataset as it is, that it has to
    bring: of the search's split and test, or, where it has a SavedModel, out-of-fold ones alone.
    """
    for name in names:
        member = Member.open(experiment.member_directory(name))
        of_all = (experiment.search_split, "test")
        asked = of_all if member.card.kind == "foreign" else [split for split in of_all if split == OUT_OF_FOLD]
        if missing := [split for split in asked if not _holds(member, split, read_samples(experiment, split))]:
            unseen = ", those out-of-fold by models that had not seen the patients" if OUT_OF_FOLD in missing else ""
            raise SpineError(
                f"{name!r} comes from elsewhere, and its stored predictions are not of {' and '.join(missing)} as the "
                f"dataset is now; write them to {member.path} first{unseen}, as docs/foreign_members.md tells"
            )


def _holds(member: Member, split: str, truth: AnyTruth) -> bool:
    try:
        return member.predictions(split).truth_hash == truth.hash
    except SpineError:  # none there, unreadable, or of another model
        return False


def _store(path: Path, predictions: Any, experiment: Experiment, split: str) -> None:
    truth, task = read_samples(experiment, split), experiment.task
    write: Any = BoxPredictions.write if task == "detection" else Predictions.write
    head = {"split": split, "model_hash": "", "truth_hash": truth.hash}
    write(path, predictions, index_of(truth, task), task=task, labels=experiment.labels, **head)


def _patients(trained: Iterable[str], stopped: Iterable[str]) -> Patients:
    hashes = [tuple(sorted(map(patient_hash, set(patients)))) for patients in (trained, stopped)]
    return Patients(salt=salt_id(), trained=hashes[0], stopped=hashes[1]) if any(hashes) else Patients()
