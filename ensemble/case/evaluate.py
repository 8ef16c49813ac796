"""A case judged on patients that none of its parts has seen: with the regions that it finds, and with the true ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ensemble.case.config import CaseSettings
from ensemble.case.parts import CaseParts, LoadExperiment, Part, open_parts
from ensemble.case.stages import Stages
from spine import metrics
from spine.core.files import write_json
from spine.core.privacy import patient_hash, salt_id
from spine.core.problems import SpineError
from spine.core.progress import track
from spine.dataset.detections import Detections
from spine.dataset.manifest import Manifest, rows
from spine.dataset.truth import BoxTruth
from spine.images.pictures import read_mask, read_picture
from spine.intake.crop import match_boxes
from spine.member.member import Member
from spine.member.run_model import load_model
from spine.metrics.matches import match_images
from spine.metrics.statistics import Interval, interval, patient_resamples
from spine.tasks import CASE

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["CaseEvaluation", "Measured", "evaluate_case"]

RESAMPLES, SEED = 2000, 0
SIDES = ("detected", "true")
DISCS = ("sample", "box", "level", "target", "value", "found", "detected", "true")
Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Measured:
    """One measure of a `part`, with the regions that were detected and with the true ones, None where there are none.

    `detected`, `true` and `difference` (detected less true) are values with 95 % intervals over patients, drawn alike.
    """

    part: str
    measure: str
    patients: int
    units: int
    detected: Interval
    true: Interval | None = None
    difference: Interval | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values; undefined ones are null."""
        told: dict[str, Any] = {"part": self.part, "measure": self.measure}
        told |= {"patients": self.patients, "units": self.units}
        for name in ("detected", "true", "difference"):
            if (value := getattr(self, name)) is not None:
                told[name] = {key: _finite(getattr(value, key)) for key in ("value", "low", "high")}
        return told


@dataclass(frozen=True)
class CaseEvaluation:
    """All measures; `found` and `true` count the graded discs, `left_out` the patients that a part has seen."""

    patients: int
    left_out: int
    discs: int
    found: int
    measures: tuple[Measured, ...]

    @property
    def summary(self) -> str:
        """Whom it was judged on, and how many of the graded discs were found."""
        seen = f"; {self.left_out} more were left out, since a part has seen them" if self.left_out else ""
        graded = f", {self.found} of {self.discs} graded discs found" if self.discs else ""
        return f"{self.patients} test patients{seen}{graded}"

    def table(self) -> Table:
        """For the terminal."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        table = Table(title="95 % intervals over patients", box=SIMPLE_HEAD, padding=0)
        for heading in ("", "measure", "patients", "detected regions", "true regions", "difference"):
            table.add_column(heading, justify="right" if heading == "patients" else "left", overflow="fold")
        for one in self.measures:
            values = [_told(value) for value in (one.detected, one.true, one.difference)]
            table.add_row(one.part, one.measure, str(one.patients), *values)
        return table

    def write(self, path: Path) -> Path:
        """As JSON."""
        told = {"patients": self.patients, "left_out": self.left_out, "discs": self.discs, "found": self.found}
        write_json({**told, "measures": [measured.to_json() for measured in self.measures]}, path)
        return path


def evaluate_case(settings: CaseSettings, load_experiment: LoadExperiment, data: Path | None = None) -> CaseEvaluation:
    """Judge the exported case on the test split of `data`, unless given that of its detector's experiment.

    Patients that any part was trained, stopped or searched on are left out. A disc is found where a detected box
    overlaps its true one by an IoU of 0.5; slices of one disc are averaged, as its truth is one. SpineError where the
    case was not exported as it is now, no patient is left, or nothing is known to judge it by.
    """
    parts = open_parts(settings, load_experiment)
    member = Member.open_for(settings.directory, CASE)
    manifest = Manifest.read(data or _data_of(settings, load_experiment))
    truth = BoxTruth.of_detection(manifest, "test", member.card.labels)
    kept, left_out = _unseen(truth, member)
    judged = _Judged(settings, parts, manifest, load_model(member), Stages(settings, parts))
    numbers = [number for number, patient in enumerate(truth.patients) if patient in kept]
    pictures = [judged.picture(truth, number) for number in track(numbers, "answering", len(numbers))]
    measures = [*_boxes(truth, numbers, pictures), *_grades(parts, pictures), *_maps(parts, pictures)]
    discs = pd.concat([picture.discs for picture in pictures])
    graded = discs.drop_duplicates(["sample", "box"])
    return CaseEvaluation(len(kept), left_out, len(graded), int(graded["found"].sum()), tuple(measures))


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


@dataclass(frozen=True)
class _Picture:
    """What was found in one picture: detections, a row for each graded disc and target, counts of pixels (C, 3)."""

    patient: str
    detections: Detections
    discs: pd.DataFrame
    pixels: Mapping[str, np.ndarray]  # "detected" and "true" -> counts


class _Judged:
    """The exported case, and its stages run on true regions."""

    def __init__(
        self, settings: CaseSettings, parts: CaseParts, manifest: Manifest, model: Any, stages: Stages
    ) -> None:
        self.settings, self.parts, self.manifest = settings, parts, manifest
        self.model, self.stages = model, stages

    def picture(self, truth: BoxTruth, number: int) -> _Picture:
        """Both answers to one picture."""
        sample, path = truth.samples[number], truth.paths[number]
        answer = self._served(path)
        pixels = read_picture(path, sample).pixels
        found = Detections.from_outputs(answer, 0)
        discs = self._discs(sample, truth.patients[number], found, answer, pixels)
        return _Picture(truth.patients[number], found, discs, self._counts(sample, answer, pixels))

    def _served(self, path: Path) -> Arrays:
        import tensorflow as tf

        served = self.model.signatures["serving_default"](image_bytes=tf.constant([path.read_bytes()]))
        return {name: value.numpy() for name, value in served.items()}

    def _discs(self, sample: str, patient: str, found: Detections, answer: Arrays, pixels: np.ndarray) -> pd.DataFrame:
        true = self._true_boxes(sample, self.settings.discs.label)
        matched = self._matched(sample, found, answer, true, pixels.shape)
        values = self.manifest.labels[(self.manifest.labels["sample"] == sample) & (self.manifest.labels["box"] != "")]
        graded = [
            self._disc(target, box, of_target[box["box"]], matched, answer, pixels)
            for target, part in self.parts.grades.items()
            for of_target in [dict(zip(*_columns(values, target), strict=True))]
            for box in rows(true)
            if of_target.get(box["box"]) in part.labels
        ]
        return pd.DataFrame(graded, columns=DISCS).assign(patient=patient)

    def _disc(
        self,
        target: str,
        box: Mapping[str, Any],
        value: str,
        matched: Mapping[str, int],
        answer: Arrays,
        pixels: np.ndarray,
    ) -> dict[str, Any]:
        """A row of `DISCS`: one graded disc, answered with its detected and with its true box."""
        part, row = self.parts.grades[target], matched.get(box["box"])
        corners = (box["x0"], box["y0"], box["x1"], box["y1"])
        return {
            **{"sample": box["sample"], "box": box["box"], "level": box["level"] or box["box"], "target": target},
            **{"value": part.labels.index(value), "found": row is not None},
            "detected": None if row is None else answer[f"disc_probabilities_{target}"][0, row],
            "true": self.stages.of_box(part, pixels, corners),
        }

    def _matched(
        self, sample: str, found: Detections, answer: Arrays, true: pd.DataFrame, size: tuple[int, ...]
    ) -> dict[str, int]:
        """True box -> the row of the answer that is that disc."""
        of_discs = np.flatnonzero(answer["disc_level"][0])
        corners = dict(zip(("x0", "y0", "x1", "y1"), found.in_pixels(*size)[of_discs].T, strict=True))
        detected = pd.DataFrame({"sample": sample, "label": self.settings.discs.label, "level": "", **corners})
        boxes = match_boxes(detected, true)["box"].astype(str)
        return {box: int(row) for box, row in zip(boxes, of_discs, strict=True) if box}

    def _counts(self, sample: str, answer: Arrays, pixels: np.ndarray) -> dict[str, np.ndarray]:
        images = self.manifest.images.set_index("sample")
        if not (part := self.parts.segmentation) or not images.loc[sample, "mask_sha256"]:
            return {}
        mask, classes = read_mask(self.manifest.mask_path(sample)), len(part.labels)
        counted = {"detected": metrics.segmentation.count(mask, answer["mask"][0], classes)}
        if region := self.settings.region:
            true = self._true_boxes(sample, region.label)
            box = None if true.empty else tuple(true.iloc[0][["x0", "y0", "x1", "y1"]])
            whole = self.stages.map_of(part, pixels, self.stages.grown(box, region.grow, pixels) if box else None)
            counted["true"] = metrics.segmentation.count(mask, whole.argmax(axis=-1), classes)
        return counted

    def _true_boxes(self, sample: str, label: str) -> pd.DataFrame:
        boxes = self.manifest.boxes
        return boxes[(boxes["sample"] == sample) & (boxes["label"] == label)].reset_index(drop=True)


def _columns(values: pd.DataFrame, target: str) -> tuple[list[str], list[str]]:
    """Boxes and their values of one target."""
    of_target = values[values["target"] == target]
    return of_target["box"].tolist(), of_target["value"].tolist()


def _boxes(truth: BoxTruth, numbers: Sequence[int], pictures: Sequence[_Picture]) -> Iterable[Measured]:
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


def _grades(parts: CaseParts, pictures: Sequence[_Picture]) -> Iterable[Measured]:
    """AUC of each target over the discs that were found, with their detected and with their true boxes."""
    discs = pd.concat([picture.discs for picture in pictures])
    for target, part in parts.grades.items():
        found = discs[(discs["target"] == target) & discs["found"]]
        if len(found):
            yield _paired(part, target, found)


def _paired(part: Part, target: str, discs: pd.DataFrame) -> Measured:
    """Slices of one disc with one grade are one unit; its probabilities are their mean."""
    units = [group for _, group in discs.groupby(["patient", "level", "value"], sort=True)]
    values = np.array([group["value"].iloc[0] for group in units])
    patients = [group["patient"].iloc[0] for group in units]
    by = {name: np.array([np.stack(group[name].to_list()).mean(axis=0) for group in units]) for name in SIDES}
    metric = metrics.classification.METRICS["roc_auc" if len(part.labels) == 2 else "balanced_accuracy"]
    statistics = {name: _of_weights(metric.function, values, side) for name, side in by.items()}
    return _compared(target, metric.title or "AUC", patients, statistics)


def _maps(parts: CaseParts, pictures: Sequence[_Picture]) -> Iterable[Measured]:
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


def _told(value: Interval | None) -> str:
    if value is None:
        return ""
    if not np.isfinite(value.value):
        return "undefined"
    return f"{value.value:.3f} ({value.low:.2f} to {value.high:.2f})"


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
