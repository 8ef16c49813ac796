"""Out-of-fold predictions: each patient's by the model of the fold that never learned from him, joined into one split.

A fold's own are stored below its `fold-<k>/`, the joined ones as the split `out-of-fold` of the member.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ensemble.results.found_weights import SearchedFolds
from spine.core.privacy import patient_hash
from spine.core.problems import SpineError
from spine.core.words import enumerated
from spine.dataset.manifest import OUT_OF_FOLD, Manifest
from spine.dataset.truth import AnyTruth
from spine.experiment.config import Experiment
from spine.experiment.folds import fold_of_patients, parts
from spine.experiment.truth import read_truth
from spine.member.member import Member
from spine.member.predict import is_current, predict_missing
from spine.predictions.predictions import AnyPredictions, index_of
from spine.tasks import TASKS
from spine.training.inputs import subset

__all__ = ["describe_folds", "predict_out_of_fold"]

SEARCHED = (
    "Weights were searched on out-of-fold predictions: every patient but those of test, predicted by that one of the "
    "{count} fold models of {whom} which did not learn from him."
)
STOPPED = {
    "fold": "The patients of a fold also stopped the training of its model, so that out-of-fold scores are somewhat "
    "flattered; `stop_on: inner` avoids it.",
    "inner": "Each fold model was stopped on a share of its training patients; the patients of its fold had no part in "
    "its training.",
}
ELSEWHERE = (
    "From elsewhere: {names}. What they say out-of-fold is taken on trust to be of models that had not seen the "
    "patients; how that is related to what is tested of them is not known here."
)
SERVED = {
    "mean": "What is served and tested of {whom} is the mean of its {count} fold models, not the single ones that "
    "were searched on.",
    "refit": "What is served and tested of {whom} is one network more, trained on all patients but those of test for "
    "the mean length of its {count} fold models, not the models that were searched on; nothing stopped it.",
}


def describe_folds(experiment: Experiment, members: Mapping[str, Member]) -> SearchedFolds | None:
    """The experiment's folds, with sentences for readers of weights.json; None without folds.

    Of external members nothing is known but what they brought.
    """
    if not experiment.folds:
        return None
    others = [name for name, member in members.items() if member.card.is_external]
    here = [name for name in members if name not in others]
    whom = "each member that was trained here" if others else "a member"
    sentences = (SEARCHED, STOPPED[experiment.stop_on], SERVED[experiment.served]) if here else ()
    notes = [sentence.format(count=experiment.folds, whom=whom) for sentence in sentences]
    notes += [ELSEWHERE.format(names=enumerated(others))] if others else []
    return SearchedFolds(count=experiment.folds, stop_on=experiment.stop_on, served=experiment.served, notes=notes)


def predict_out_of_fold(experiment: Experiment, manifest: Manifest, members: Sequence[Member]) -> None:
    """Store every member's out-of-fold predictions; what is up to date is kept.

    SpineError where a fold's model has seen a patient that it is to predict, or is not one that the member was made of,
    or where an external member brings none.
    """
    truth: Any = read_truth(experiment, manifest, OUT_OF_FOLD)
    fold_of = fold_of_patients(experiment, manifest)
    rows = [
        [row for row, patient in enumerate(truth.patients) if fold_of[patient] == fold]
        for fold in range(experiment.folds)
    ]
    of_folds = [subset(truth, own) for own in rows]
    for member in members:
        if not is_current(member, OUT_OF_FOLD, truth):
            _join(member, truth, _predict_folds(experiment, member, of_folds))


def _predict_folds(experiment: Experiment, member: Member, truths: Sequence[Any]) -> list[AnyPredictions]:
    """What each fold's model of a member says of the patients of its fold."""
    folds = _folds_of(experiment, member)
    for fold, truth in zip(folds, truths, strict=True):
        _require_unseen(fold, truth, experiment)
        predict_missing([fold], {OUT_OF_FOLD: truth}, experiment.measurements_directory)
    return [fold.predictions(OUT_OF_FOLD) for fold in folds]


def _folds_of(experiment: Experiment, member: Member) -> list[Member]:
    if member.card.is_external:
        raise SpineError(
            f"{member.name!r} was not trained here, so its folds are unknown; write its predictions of the split "
            f"{OUT_OF_FOLD} to {member.path / 'predictions' / OUT_OF_FOLD}, made by models that had not seen the "
            "patients"
        )
    folds = [Member.open(part.member_directory(member.name)) for part in parts(experiment)]
    if tuple(fold.card.model_hash for fold in folds) != member.card.folds:
        raise SpineError(
            f"{member.path} was not made from its folds as they are now; run `spine train EXPERIMENT` again"
        )
    return folds


def _require_unseen(fold: Member, own: AnyTruth, experiment: Experiment) -> None:
    seen = set(fold.card.patients.trained)
    if experiment.stop_on == "inner":
        seen |= set(fold.card.patients.stopped)
    if both := seen & set(map(patient_hash, set(own.patients))):
        raise SpineError(
            f"training overlap: the model in {fold.path} has seen {len(both)} of the {len(set(own.patients))} patients "
            "of its fold; run `spine train EXPERIMENT` again"
        )


def _join(member: Member, truth: AnyTruth, stored: Sequence[AnyPredictions]) -> None:
    """Write what the folds said as one split of the member, in the truth's order."""
    place = {sample: (of_fold, row) for of_fold in stored for row, sample in enumerate(of_fold.index["sample"])}
    answers: Any = (stored.of_sample(row) for stored, row in map(place.__getitem__, truth.samples))
    task, labels = member.card.task, member.card.labels
    head = {"split": OUT_OF_FOLD, "model_hash": member.card.maker_of(OUT_OF_FOLD), "truth_hash": truth.hash}
    TASKS[task].predictions.write(
        member.path / "predictions" / OUT_OF_FOLD, answers, index_of(truth, task), task=task, labels=labels, **head
    )
