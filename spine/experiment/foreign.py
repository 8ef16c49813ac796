"""External members: what a model of any framework says, stored so that search and evaluate take it.

`docs/foreign_members.md` shows how. The experiment names such a member with `foreign: true` in place of settings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from spine.core.privacy import patient_hash, salt_id
from spine.core.problems import SpineError
from spine.dataset.manifest import OUT_OF_FOLD
from spine.dataset.truth import AnyTruth
from spine.experiment.config import Experiment, Foreign
from spine.experiment.dataset import read_dataset
from spine.experiment.truth import read_truth
from spine.member.member import Card, Member, Patients
from spine.predictions.predictions import index_of
from spine.tasks import TASKS

__all__ = ["read_samples", "require_predictions", "write_foreign"]


def read_samples(experiment: Experiment, split: str) -> AnyTruth:
    """The samples of a split in the order of their predictions: `samples`, `patients`, `paths` and `sizes` of pictures.

    And what is true of them: `values` (N,), class indices, of classification; of segmentation masks (H, W), by
    iterating; of detection `boxes` and `classes`. `split` is train, validation, test or, with folds, out-of-fold.
    """
    return read_truth(experiment, read_dataset(experiment), split)


def write_foreign(
    experiment: Experiment,
    name: str,
    predicted: Mapping[str, Any],
    *,
    trained: Iterable[str] = (),
    stopped: Iterable[str] = (),
) -> Member:
    """Store what a foreign member `predicted` of each split, by its name, and publish the member.

    Of a split, in the order of `read_samples`: probabilities (N, C) of classification; of segmentation an array
    (H, W, C) a picture, at its own size, one after the other; of detection a `spine.dataset.detections.Detections` a
    picture.
    `trained` and `stopped` are the patients that its training learned from and was stopped on: without them an
    evaluation on a patient it has seen goes unnoticed, and says so. SpineError, before anything is published, where the
    experiment has no such foreign member, or what is said of a sample has another shape than the sample's, or is no
    probabilities.
    """
    if not isinstance(experiment.members.get(name), Foreign):
        raise SpineError(
            f"{experiment.name} has no foreign member {name!r}; write `{name}: {{foreign: true}}` among its members"
        )
    directory = experiment.member_directory(name)
    patients = _patients(trained, stopped)
    with ExitStack() as stack:  # all splits, or none
        for split, predictions in predicted.items():
            _store(stack, directory / "predictions" / split, predictions, experiment, split)
    card = Card(name=name, task=experiment.task, labels=experiment.labels, kind="foreign", patients=patients)
    return Member.publish(directory, card)


def require_predictions(experiment: Experiment, names: Iterable[str]) -> None:
    """SpineError where one of these external members lacks predictions, of the dataset as it is, that it has to
    bring: of the search's split and test, or, where it has a SavedModel, out-of-fold ones alone.
    """
    for name in names:
        member = Member.open(experiment.member_directory(name))
        of_all = (experiment.search_split, "test")
        asked = of_all if member.card.kind == "foreign" else [split for split in of_all if split == OUT_OF_FOLD]
        reasons = {split: member.why_stale(split, read_samples(experiment, split)) for split in asked}
        if missing := [split for split, reason in reasons.items() if reason]:
            unseen = ", those out-of-fold by models that had not seen the patients" if OUT_OF_FOLD in missing else ""
            raise SpineError(
                f"{name!r} is an external member, and its stored predictions are not of {' and '.join(missing)} as the "
                f"dataset is now: {'; '.join(reasons[split] for split in missing)}. Write them to {member.path} "
                f"first{unseen} (docs/foreign_members.md)"
            )


def _store(stack: ExitStack, path: Path, predicted: Any, experiment: Experiment, split: str) -> None:
    """Write what was said of a split to where it is published when `stack` closes well."""
    truth, task = read_samples(experiment, split), experiment.task
    head = {"task": task, "labels": experiment.labels, "split": split, "model_hash": "", "truth_hash": truth.hash}
    row, index = TASKS[task], index_of(truth, task)
    with _named(split):
        stack.enter_context(row.predictions.writing(path, row.checked(predicted, truth), index, head))


@contextmanager
def _named(split: str) -> Iterator[None]:
    """Say of which split an error tells."""
    try:
        yield
    except SpineError as error:
        raise SpineError(f"{split}: {error}") from None


def _patients(trained: Iterable[str], stopped: Iterable[str]) -> Patients:
    for name, patients in (("trained", trained), ("stopped", stopped)):
        if isinstance(patients, str):  # its letters would be taken for patients
            raise SpineError(f"{name} is the text {patients!r}; give a list of patients")
    hashes = [tuple(sorted(map(patient_hash, set(patients)))) for patients in (trained, stopped)]
    return Patients(salt=salt_id(), trained=hashes[0], stopped=hashes[1]) if any(hashes) else Patients()
