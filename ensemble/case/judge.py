"""Pictures whose truth is known, answered twice: by the case as it is served, and by its stages on true regions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ensemble.case.config import CaseSettings
from ensemble.case.parts import CaseParts
from ensemble.case.stages import Stages
from ensemble.fusion.pieces import postprocess
from spine import metrics
from spine.core.problems import SpineError
from spine.core.refusals import as_yaml
from spine.dataset.detections import Detections
from spine.dataset.manifest import Manifest, rows
from spine.dataset.truth import BoxTruth, Region, pictures_of, unit_of
from spine.images.pictures import read_mask, read_picture
from spine.intake.crop import match_boxes
from spine.member.run_model import answer_picture

__all__ = ["Judge", "JudgedPicture"]

DISCS = ("sample", "box", "unit", "target", "value", "found", "detected", "true")
Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class JudgedPicture:
    """What was found in one picture: detections, a row for each graded disc and target, counts of pixels (C, 3)."""

    patient: str
    detections: Detections
    discs: pd.DataFrame
    pixels: Mapping[str, np.ndarray]  # "detected" and "true" -> counts


class Judge:
    """The exported case, and its stages run on true regions."""

    def __init__(
        self, settings: CaseSettings, parts: CaseParts, manifest: Manifest, model: Any, stages: Stages
    ) -> None:
        self.settings, self.parts, self.manifest = settings, parts, manifest
        _require_masks_of(parts, manifest)
        self.model, self.stages = model, stages
        self.images = manifest.images.set_index("sample")

    def picture(self, truth: BoxTruth, number: int) -> JudgedPicture:
        """Both answers to one picture."""
        sample = truth.samples[number]
        (picture,) = pictures_of(self.manifest, [sample])
        answer = answer_picture(self.model, picture)
        pixels = read_picture(picture.picture, sample).pixels
        found = Detections.from_outputs(answer, 0)
        discs = self._discs(sample, truth.patients[number], found, answer, picture, pixels)
        return JudgedPicture(truth.patients[number], found, discs, self._counts(sample, answer, pixels))

    def _discs(
        self, sample: str, patient: str, found: Detections, answer: Arrays, picture: Region, pixels: np.ndarray
    ) -> pd.DataFrame:
        true = self._true_boxes(sample, self.settings.discs.label)
        matched = self._matched(sample, found, answer, true, pixels.shape)
        values = self.manifest.labels[(self.manifest.labels["sample"] == sample) & (self.manifest.labels["box"] != "")]
        graded = [
            self._disc(target, box, of_target[box["box"]], matched, answer, picture, pixels)
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
        picture: Region,
        pixels: np.ndarray,
    ) -> dict[str, Any]:
        """A row of `DISCS`: one graded disc, answered with its detected and with its true box."""
        part, row = self.parts.grades[target], matched.get(box["box"])
        corners = (box["x0"], box["y0"], box["x1"], box["y1"])
        index, image = part.labels.index(value), self.images.loc[box["sample"]]
        unit = unit_of(image["patient"], image["study"], box["level"], index, f"{box['sample']}/{box['box']}")
        return {
            **{"sample": box["sample"], "box": box["box"], "unit": unit, "target": target},
            **{"value": index, "found": row is not None},
            "detected": None if row is None else answer[f"disc_probabilities_{target}"][0, row],
            "true": self.stages.of_box(part, picture, pixels, corners),
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
        if not (part := self.parts.segmentation) or not self.images.loc[sample, "mask_sha256"]:
            return {}
        mask, classes = read_mask(self.manifest.mask_path(sample)), len(part.labels)
        counted = {"detected": metrics.segmentation.count(mask, answer["mask"][0], classes)}
        if region := self.settings.region:
            true = self._true_boxes(sample, region.label)
            box = None if true.empty else tuple(true.iloc[0][["x0", "y0", "x1", "y1"]])
            whole = self.stages.map_of(part, pixels, self.stages.grown(box, region.grow, pixels) if box else None)
            counted["true"] = metrics.segmentation.count(mask, postprocess(whole, part.pieces), classes)
        return counted

    def _true_boxes(self, sample: str, label: str) -> pd.DataFrame:
        boxes = self.manifest.boxes
        return boxes[(boxes["sample"] == sample) & (boxes["label"] == label)].reset_index(drop=True)


def _require_masks_of(parts: CaseParts, manifest: Manifest) -> None:
    """SpineError where the masks have other classes than the case, or the same in another order."""
    part = parts.segmentation
    if part and manifest.images["mask_sha256"].any() and tuple(part.labels[1:]) != manifest.mask_labels:
        raise SpineError(
            f"the masks of {manifest.root} hold {as_yaml(manifest.mask_labels)} as the classes 1, 2 ..., the case "
            f"answers {as_yaml(part.labels[1:])}; give a dataset whose masks have these classes, in this order"
        )


def _columns(values: pd.DataFrame, target: str) -> tuple[list[str], list[str]]:
    """Boxes and their values of one target."""
    of_target = values[values["target"] == target]
    return of_target["box"].tolist(), of_target["value"].tolist()
