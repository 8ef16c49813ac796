"""What a detector finds in a dataset's pictures, beside what is true of them: the cost of imperfect detection."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from spine.annotations.levels import level_number
from spine.core.privacy import patient_hash, salt_id
from spine.core.problems import Problem, SpineError
from spine.core.progress import track
from spine.dataset.audit.parts import with_split
from spine.dataset.detections import Detections
from spine.dataset.manifest import BOXES, SPLIT_NAMES, Manifest
from spine.intake.crop import CropSettings, match_boxes
from spine.member.member import Member
from spine.member.run_model import detect_pictures, load_model

__all__ = ["COUNTS", "Detected", "detect_boxes"]

COUNTS = ("pictures", "true", "detected", "matched", "missed", "unmatched", "right_level", "mean_iou")


@dataclass(frozen=True)
class Detected:
    """A detector's boxes in the pictures of `manifest`, and the true ones of the same label.

    `boxes` has the columns of boxes.csv, `box` and `level` being those of the matched true box (without one "" and the
    number from below), and `score`, `number` (the level by counting from below) and `iou` with the true box.
    """

    manifest: Manifest
    label: str
    boxes: pd.DataFrame

    @property
    def true(self) -> pd.DataFrame:
        """The dataset's own boxes of the label; `found` tells whether a detected one matches."""
        true = self.manifest.boxes[self.manifest.boxes["label"] == self.label]
        pairs = self.boxes[["sample", "box"]].drop_duplicates().assign(found=True)
        joined = true.merge(pairs, on=["sample", "box"], how="left")
        return joined.assign(found=joined["found"].eq(True))

    def summary(self) -> pd.DataFrame:
        """COUNTS (columns) of each split and of all (rows).

        `right_level` counts the matched boxes whose true box has a level, and the same as counting from below gives;
        `mean_iou` is over matched boxes.
        """
        tables = [with_split(self.manifest, table) for table in (self.manifest.images, self.true, self.boxes)]
        known = [split for split in (*SPLIT_NAMES, "none") if split in set(tables[0]["split"])]
        parts = {split: [table[table["split"] == split] for table in tables] for split in known} | {"all": tables}
        counts = [_counts(*part) for part in parts.values()]
        return pd.DataFrame(counts, index=list(parts), columns=list(COUNTS))

    @property
    def missed(self) -> pd.DataFrame:
        """The true boxes that no detected one matches, with the columns of boxes.csv."""
        return self.true.loc[lambda each: ~each["found"], list(BOXES)]

    def problems(self) -> Iterator[Problem]:
        """That true boxes were missed, and that detected ones match none, as warnings; none where nothing is true."""
        true, unmatched = self.true, self.boxes[self.boxes["box"] == ""]
        if len(true) and len(self.missed):
            yield self._warning(f"{len(self.missed)} of {len(true)} true boxes were missed", self.missed, "missed.csv")
        if len(true) and len(unmatched):
            told = f"{len(unmatched)} of {len(self.boxes)} detected boxes match no true one"
            yield self._warning(told, unmatched, "detections.csv")

    def _warning(self, told: str, boxes: pd.DataFrame, file: str) -> Problem:
        samples = boxes["sample"].unique()
        reason = f"{self.label}: {told}, in {len(samples)} pictures, such as {samples[0]}"
        advice = f"see {file} of the crops; another confidence or detector may do better"
        return Problem(str(self.manifest.root), reason, advice, "warning")


def detect_boxes(manifest: Manifest, settings: CropSettings) -> tuple[Detected, list[Problem]]:
    """Run `settings.detector`, a member or an ensemble, over every picture of a dataset; and what is amiss with that.

    Of each picture the boxes of `settings.label` with a score of at least `settings.confidence` count, of `count` ones
    the best, and each matches at most one true box by an IoU of at least `settings.iou`. SpineError where the directory
    is no detector, or does not know the label.
    """
    member = _detector(settings)
    paths = [manifest.image_path(sample) for sample in manifest.images["sample"]]
    answers = track(detect_pictures(load_model(member), paths), "detecting", len(paths))
    wanted = 1 + member.card.labels.index(settings.label)
    tables = [
        _table(sample, _best(found, wanted, settings), (int(height), int(width)), settings.label)
        for found, (sample, height, width) in zip(
            answers, manifest.images[["sample", "height", "width"]].itertuples(index=False), strict=True
        )
    ]
    boxes = pd.concat(tables, ignore_index=True)
    if boxes.empty:
        raise SpineError(
            f"{settings.detector} finds no {settings.label!r} with a score of {settings.confidence} or more in "
            f"{len(paths)} pictures; lower `confidence`, or train it longer"
        )
    detected = Detected(manifest, settings.label, match_boxes(boxes, manifest.boxes, settings.iou))
    return detected, [*_seen_in_training(manifest, member), *detected.problems()]


def _detector(settings: CropSettings) -> Member:
    member = Member.open_for(settings.detector or Path(), "detection")
    if settings.label not in member.card.labels:
        known = ", ".join(member.card.labels)
        raise SpineError(f"the detector {member.path} has no label {settings.label!r}; its labels are {known}")
    return member


def _best(found: Detections, wanted: int, settings: CropSettings) -> Detections:
    sure = found.above(settings.confidence)
    boxes = sure.boxes
    # A box without area, as detectors give at an image's edge, cannot be cropped.
    has_area = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    return sure.take((sure.classes == wanted) & has_area).take(slice(settings.count))


def _table(sample: str, found: Detections, size: tuple[int, int], label: str) -> pd.DataFrame:
    in_pixels = found.in_pixels(*size).round(3)  # float32 reaches no further, and whole pixels stay whole
    corners = dict(zip(("x0", "y0", "x1", "y1"), in_pixels.T, strict=True))
    levels = found.levels()
    told = {"sample": sample, "box": "", "label": label, **corners, "level": levels.astype(str)}
    return pd.DataFrame({**told, "score": found.scores, "number": levels})[[*BOXES, "score", "number"]]


def _counts(images: pd.DataFrame, true: pd.DataFrame, boxes: pd.DataFrame) -> list[float]:
    matched = boxes[boxes["box"] != ""]
    numbered = true.assign(true_number=true["level"].map(level_number))[["sample", "box", "true_number"]]
    graded = matched.merge(numbered, on=["sample", "box"])
    right = (graded["true_number"] == graded["number"]).sum()
    counts = [
        len(images),
        len(true),
        len(boxes),
        len(matched),
        (~true["found"]).sum(),
        len(boxes) - len(matched),
        right,
    ]
    return [*map(int, counts), float(np.round(matched["iou"].mean(), 4))]


def _seen_in_training(manifest: Manifest, member: Member) -> Iterator[Problem]:
    """What the detector finds of patients it was trained on flatters it."""
    if member.card.patients.salt != salt_id():
        return
    trained = set(member.card.patients.trained)
    for split in ("validation", "test"):
        images = with_split(manifest, manifest.images)
        patients = images.loc[images["split"] == split, "patient"].unique()
        if seen := [patient for patient in patients if patient_hash(patient) in trained]:
            yield Problem(
                str(member.path),
                f"was trained on {len(seen)} of the {len(patients)} patients of {manifest.root}'s split {split}: it "
                "does better there than on patients it has not seen",
                "train it on the same dataset's splits",
                "warning",
            )
