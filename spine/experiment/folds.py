"""Folds of the patients: every patient but those of test is predicted by a model that never learned from him.

The training of one fold is an experiment of its own, whose `fold` is set, on the dataset as `view` shows it: so every
task trains a fold as it trains anything else, and no patient of test is in sight.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

import pandas as pd

from spine.core.files import fingerprint
from spine.core.problems import SpineError
from spine.dataset.manifest import OUT_OF_FOLD, Manifest
from spine.dataset.splits import folds, split_by_fractions
from spine.experiment.config import REFIT, Experiment
from spine.member.member import Member
from spine.tasks import TASKS

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["fold_of_patients", "part_hash", "parts", "refit", "refit_epochs", "stages", "view"]

INNER = 0.15  # of a fold's training patients, those who stop it where `stop_on` is inner


def parts(experiment: Experiment) -> tuple[Experiment, ...]:
    """The experiments whose members are trained before any is served: one a fold, or the experiment itself."""
    if not experiment.folds:
        return (experiment,)
    return tuple(experiment.model_copy(update={"fold": number}) for number in range(experiment.folds))


def refit(experiment: Experiment) -> Experiment:
    """The experiment whose members learn from the patients of all folds; to be trained after them."""
    return experiment.model_copy(update={"fold": REFIT})


def stages(experiment: Experiment) -> tuple[tuple[Experiment, ...], ...]:
    """The experiments whose members are trained, a stage when the one before has ended: `parts`, then refits."""
    return (parts(experiment), *([(refit(experiment),)] if experiment.served == REFIT else []))


def refit_epochs(experiment: Experiment, member: str) -> dict[str, int]:
    """Phase -> epochs of a member's refit: the mean over the folds of those that led to each one's best epoch."""
    cards = [Member.open(part.member_directory(member)).card for part in parts(experiment)]
    of_folds: list[Mapping[str, int]] = [card.details["lengths"] for card in cards]
    phases = dict.fromkeys(phase for epochs in of_folds for phase in epochs)
    return {phase: int(sum(epochs.get(phase, 0) for epochs in of_folds) / len(of_folds) + 0.5) for phase in phases}


def part_hash(experiment: Experiment, member: str, seen: Manifest) -> str:
    """Fingerprint of all that a training depends on; `seen` is the dataset as `view` shows it."""
    hashed = experiment.member_hash(member, seen.data_hash, seen.splits_hash)
    return fingerprint([hashed, refit_epochs(experiment, member)]) if experiment.fold == REFIT else hashed


def view(experiment: Experiment, manifest: Manifest) -> Manifest:
    """The dataset as the training of `experiment.fold` sees it, test left out.

    A fold's own patients are its validation and all others are train. Where `stop_on` is inner its own are left out,
    and a share of the others is validation. Of a refit all are train. SpineError where the experiment has folds and
    tells none.
    """
    if not experiment.folds:
        return manifest
    if experiment.fold is None:
        raise SpineError(
            f"{experiment.name} has {experiment.folds} folds, each trained by itself: add fold=0 to "
            f"fold={experiment.folds - 1} or fold={REFIT}, or let `spine train EXPERIMENT` train them all"
        )
    split_of = _split_of(experiment, manifest)
    split = manifest.splits["sample"].map(manifest.patient_of()).map(split_of)
    seen = manifest.splits.assign(split=split, fold="")
    return replace(manifest, splits=seen[split.notna()])


def fold_of_patients(experiment: Experiment, manifest: Manifest) -> dict[str, int]:
    """Patient -> fold, 0-based, of all patients but those of test: as splits.csv has it, else drawn from the seed.

    The draw is stratified by the target's values, the boxes' labels, or whether there is a mask. SpineError where a
    patient is in test too, or the dataset's folds are not those that the experiment asks for.
    """
    samples = manifest.samples_in(OUT_OF_FOLD)
    patient_of = manifest.patient_of()
    tested = set(manifest.splits.loc[manifest.splits["split"] == "test", "sample"].map(patient_of))
    if both := sorted({patient_of[sample] for sample in samples} & tested):
        raise SpineError(
            f"{len(both)} patients of {manifest.root} are in test and in another split; see its splits.csv"
        )
    stored = manifest.splits.set_index("sample").loc[samples, "fold"]
    if (stored != "").any():
        return _stored_folds(stored, [patient_of[sample] for sample in samples], experiment, manifest)
    drawn = _draw(experiment, manifest, samples)
    return {patient: int(fold) for patient, fold in drawn.items()}


def _stored_folds(
    stored: pd.Series, patients: Sequence[str], experiment: Experiment, manifest: Manifest
) -> dict[str, int]:
    names = sorted(set(stored))
    pairs = sorted(set(zip(patients, stored, strict=True)))
    if len(names) != experiment.folds or "" in names or len(pairs) != len(set(patients)):
        raise SpineError(
            f"{manifest.root}/splits.csv divides {len(set(patients))} patients into the folds {names}, and the "
            f"experiment asks for {experiment.folds}: set `folds` to the dataset's own, each patient in one of them, "
            "or build the dataset without folds"
        )
    return {patient: names.index(fold) for patient, fold in pairs}


def _draw(experiment: Experiment, manifest: Manifest, samples: Sequence[str]) -> Mapping[str, str]:
    patient_of, labels_of = manifest.patient_of(), _labels_of(experiment, manifest)
    patients = tuple(patient_of[sample] for sample in samples)
    labels = tuple(tuple(labels_of.get(sample, ())) for sample in samples)
    return _drawn(patients, experiment.folds, experiment.seed, labels)


@lru_cache(maxsize=2)  # every fold of every member asks for the same draw
def _drawn(patients: tuple[str, ...], count: int, seed: int, labels: tuple[tuple[str, ...], ...]) -> Mapping[str, str]:
    return MappingProxyType(folds(patients, count, seed, labels))


def _labels_of(experiment: Experiment, manifest: Manifest) -> Mapping[str, Iterable[str]]:
    """Sample -> what is to be alike in all folds: of targets that are trained together, the values of each."""
    strata = TASKS[experiment.task].strata
    if not experiment.heads:
        return strata(manifest, experiment.target, experiment.labels)
    values: dict[str, list[str]] = {}
    for head in experiment.heads:
        for sample, own in strata(manifest, head.target, head.labels).items():
            values.setdefault(sample, []).extend(f"{head.target} {value}" for value in own)
    return values


def _split_of(experiment: Experiment, manifest: Manifest) -> dict[str, str]:
    """Patient -> train or validation of the experiment's fold."""
    fold_of = fold_of_patients(experiment, manifest)
    if experiment.fold == REFIT:
        return dict.fromkeys(fold_of, "train")
    if experiment.stop_on == "fold":
        return {patient: "validation" if fold == experiment.fold else "train" for patient, fold in fold_of.items()}
    patient_of, labels_of = manifest.patient_of(), _labels_of(experiment, manifest)
    samples = [sample for sample in manifest.samples_in(OUT_OF_FOLD) if fold_of[patient_of[sample]] != experiment.fold]
    return split_by_fractions(
        [patient_of[sample] for sample in samples],
        {"train": 1 - INNER, "validation": INNER},
        experiment.seed,
        [labels_of.get(sample, ()) for sample in samples],
    )
