"""A case judged on patients that none of its parts has seen: with the regions that it finds, and with the true ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ensemble.case.config import CaseSettings
from ensemble.case.decided import shares_of
from ensemble.case.evaluation import CaseEvaluation, Measured
from ensemble.case.export import hash_of
from ensemble.case.judge import Judge, JudgedPicture
from ensemble.case.parts import CaseParts, LoadExperiment, Part, open_parts
from ensemble.case.stages import Stages
from spine import metrics
from spine.core.privacy import patient_hash, salt_id
from spine.core.problems import SpineError
from spine.core.progress import track
from spine.dataset.manifest import Manifest
from spine.dataset.truth import BoxTruth
from spine.member.member import Member
from spine.member.run_model import load_model
from spine.metrics.matches import match_images
from spine.metrics.statistics import interval, patient_resamples
from spine.tasks import CASE

__all__ = ["evaluate_case"]

RESAMPLES, SEED = 2000, 0
SIDES = ("detected", "true")


def evaluate_case(settings: CaseSettings, load_experiment: LoadExperiment, data: Path | None = None) -> CaseEvaluation:
    """Judge the exported case on the test split of `data`, unless given that of its detector's experiment.

    Patients that any part was trained, stopped or searched on are left out. A disc is found where a detected box
    overlaps its true one by an IoU of 0.5; slices of one disc are averaged, as its truth is one. SpineError where the
    case was not exported as it is now, no patient is left, or nothing is known to judge it by.
    """
    parts = open_parts(settings, load_experiment)
    member = Member.open_for(settings.directory, CASE)
    if member.card.config_hash != hash_of(settings, parts):
        raise SpineError(
            f"the model in {member.path} is of other settings or runs than now; run `spine export` of the case again"
        )
    manifest = Manifest.read(data or _data_of(settings, load_experiment))
    truth = BoxTruth.of_detection(manifest, "test", member.card.labels)
    kept, left_out = _unseen(truth, member)
    judged = Judge(settings, parts, manifest, load_model(member), Stages(settings, parts))
    numbers = [number for number, patient in enumerate(truth.patients) if patient in kept]
    pictures = [judged.picture(truth, number) for number in track(numbers, "answering", len(numbers))]
    measures = [*_boxes(truth, numbers, pictures), *_grades(parts, pictures), *_maps(parts, pictures)]
    discs = pd.concat([picture.discs for picture in pictures])
    graded = discs.drop_duplicates(["sample", "box"])
    named = ("detection", *parts.grades, *(["segmentation"] if parts.segmentation else []))
    return CaseEvaluation(len(kept), left_out, len(graded), int(graded["found"].sum()), tuple(measures), named)


def _data_of(settings: CaseSettings, load_experiment: LoadExperiment) -> Path:
    if settings.detector.is_dir():
        raise SpineError(f"the detector {settings.detector} names no dataset; give one with --data")
    return load_experiment(settings.detector).data


def _unseen(truth: BoxTruth, member: Member) -> tuple[set[str], int]:
    """The patients that no part has seen, and how many were."""
    seen = member.card.patients
    if seen.salt and seen.salt != salt_id():
        raise SpineError(
            f"{member.path} names its patients by another salt ({seen.salt}; here it is {salt_id()}), so those that it "
            "was trained on cannot be told; put the .spine-salt back that it was trained with"
        )
    known = {*seen.trained, *seen.stopped, *seen.searched}
    patients = set(truth.patients)
    unseen = {patient for patient in patients if patient_hash(patient) not in known}
    if not unseen:
        raise SpineError(
            f"every test patient was seen by a part of {member.name!r}; chain runs that share one split of the patients"
        )
    return unseen, len(patients) - len(unseen)


def _boxes(truth: BoxTruth, numbers: Sequence[int], pictures: Sequence[JudgedPicture]) -> Iterable[Measured]:
    matches = match_images(_some(truth, numbers), [picture.detections for picture in pictures], areas=("all",))
    patients = [picture.patient for picture in pictures]
    draws = patient_resamples(patients, RESAMPLES, SEED)
    for name in ("map50", "map50_95"):
        metric = metrics.detection.METRICS[name]
        value = interval(_of_weights(metric.function, matches), draws)
        yield Measured("detection", metric.title, len(set(patients)), len(pictures), value)


def _some(truth: BoxTruth, numbers: Sequence[int]) -> BoxTruth:
    fields = ("samples", "patients", "paths", "sizes", "boxes", "classes")
    return BoxTruth(truth.labels, *(tuple(getattr(truth, name)[number] for number in numbers) for name in fields))


def _grades(parts: CaseParts, pictures: Sequence[JudgedPicture]) -> Iterable[Measured]:
    """AUC of each target over the discs that were found, with their detected and with their true boxes; and what its
    decisions are worth.
    """
    discs = pd.concat([picture.discs for picture in pictures])
    for target, part in parts.grades.items():
        found = discs[(discs["target"] == target) & discs["found"]]
        if len(found):
            yield from _paired(part, target, found)


def _paired(part: Part, target: str, discs: pd.DataFrame) -> Iterable[Measured]:
    """Slices of one disc with one grade are one unit; its probabilities are their mean."""
    units = [group for _, group in discs.groupby("unit", sort=True)]
    values = np.array([group["value"].iloc[0] for group in units])
    patients = [group["patient"].iloc[0] for group in units]
    by = {name: np.array([np.stack(group[name].to_list()).mean(axis=0) for group in units]) for name in SIDES}
    metric = metrics.classification.METRICS["roc_auc" if len(part.labels) == 2 else "balanced_accuracy"]
    statistics = {name: _of_weights(metric.function, values, side) for name, side in by.items()}
    yield _compared(target, metric.title or "AUC", patients, statistics)
    if part.decisions:
        shares = {name: shares_of(part.decisions, side, values, patients) for name, side in by.items()}
        for measure in shares["true"]:
            yield _compared(target, measure, patients, {name: of_side[measure] for name, of_side in shares.items()})


def _maps(parts: CaseParts, pictures: Sequence[JudgedPicture]) -> Iterable[Measured]:
    """Dice of the whole pictures that have a mask."""
    masked = [picture for picture in pictures if picture.pixels]
    if not masked:
        return
    metric = metrics.segmentation.METRICS["dice_foreground"]
    sides = [side for side in SIDES if side in masked[0].pixels]
    counts = {side: np.stack([picture.pixels[side] for picture in masked]) for side in sides}
    statistics = {side: _of_weights(metric.function, counts[side]) for side in sides}
    yield _compared("segmentation", metric.title, [picture.patient for picture in masked], statistics)


def _compared(
    part: str, measure: str, patients: Sequence[str], statistics: Mapping[str, Callable[[np.ndarray], Any]]
) -> Measured:
    draws = patient_resamples(patients, RESAMPLES, SEED)
    detected = interval(statistics["detected"], draws)
    if "true" not in statistics:
        return Measured(part, measure, len(set(patients)), len(patients), detected)
    true = interval(statistics["true"], draws)
    difference = interval(lambda weights: statistics["detected"](weights) - statistics["true"](weights), draws)
    return Measured(part, measure, len(set(patients)), len(patients), detected, true, difference)


def _of_weights(function: Callable[..., Any], *arguments: Any) -> Callable[[np.ndarray], Any]:
    return lambda weights: function(*arguments, weights)
