"""How far a case's SavedModel is from its stages run one after another: detect, cut out, store, predict, fuse."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ensemble.case.config import CaseSettings
from ensemble.case.parts import CaseParts, Part
from ensemble.fusion.fuse_boxes import fuse_boxes
from ensemble.serving.parity import distance
from spine.core.problems import SpineError
from spine.dataset.detections import Detections
from spine.images.pictures import read_picture, write_png16
from spine.intake.crop import expand_box
from spine.member.run_model import detect_pictures, load_model, predict_pictures

__all__ = ["CASE_PARITY", "Stages", "measure_case_parity", "require_case_parity"]

CASE_PARITY = 1e-4  # the largest difference allowed of probabilities, and of the boxes' corners and scores

Box = tuple[int, int, int, int]  # x0 y0 x1 y1 in whole pixels


def require_case_parity(saved: Path, settings: CaseSettings, parts: CaseParts, pictures: Sequence[Path]) -> float:
    """The largest difference of the saved model from its stages on these pictures; SpineError above `CASE_PARITY`."""
    import tensorflow as tf

    difference = measure_case_parity(tf.saved_model.load(str(saved)), Stages(settings, parts), pictures)
    if difference > CASE_PARITY:
        raise SpineError(
            f"the chained model differs from its stages run one by one by {difference:.2e}, more than "
            f"{CASE_PARITY:.0e}; it was not published. Report this with the case file and its configs"
        )
    return difference


def measure_case_parity(model: Any, stages: Stages, pictures: Sequence[Path]) -> float:
    """Largest absolute difference of boxes and scores, and with the model's own boxes of all probabilities."""
    return max((_of_picture(model, stages, picture) for picture in pictures), default=0.0)


class Stages:
    """The parts of a case as commands would run them one after another, members by themselves and fused by NumPy."""

    def __init__(self, settings: CaseSettings, parts: CaseParts) -> None:
        self.settings, self.parts = settings, parts
        self._models = {(part.name, member.name): load_model(member) for part in parts.all for member in part.members}

    def detect(self, picture: Path) -> Detections:
        """The detector's boxes in a picture's file that are sure enough for any part."""
        part = self.parts.detector
        members = [next(detect_pictures(model, [picture])) for model in self._of(part)]
        fused = fuse_boxes(members, part.weights, part.boxes) if part.boxes else members[0]
        cuts = [cut for cut in (self.settings.discs, self.settings.region) if cut]
        return fused.above(min(cut.confidence for cut in cuts))

    def probabilities(self, part: Part, pixels: np.ndarray) -> np.ndarray:
        """Fused probabilities of a cut-out, stored as the intake stores crops."""
        with tempfile.TemporaryDirectory() as folder:
            write_png16(pixels, file := Path(folder) / "crop.png")
            outputs = [next(predict_pictures(model, [file]))[0] for model in self._of(part)]
        return part.mean([output.astype(np.float64) for output in outputs])

    def _of(self, part: Part) -> list[Any]:
        return [self._models[part.name, member.name] for member in part.members]


def _of_picture(model: Any, stages: Stages, picture: Path) -> float:
    import tensorflow as tf

    served = model.signatures["serving_default"](image_bytes=tf.constant([picture.read_bytes()]))
    answer = {name: value.numpy() for name, value in served.items()}
    pixels = read_picture(picture, picture.name).pixels
    found = Detections.from_outputs(answer, 0)
    differences = [distance(found, stages.detect(picture))]
    differences += _of_discs(answer, found, pixels, stages)
    if segmentation := stages.parts.segmentation:
        expected = _map_of(segmentation, found, pixels, stages)
        differences.append(float(np.abs(answer["probabilities"][0] - expected).max()))
    return max(differences)


def _of_discs(answer: Mapping[str, np.ndarray], found: Detections, pixels: np.ndarray, stages: Stages) -> list[float]:
    rows = np.flatnonzero(answer["disc_level"][0])
    boxes = [_grown(found, int(row), stages.settings.discs.grow, pixels) for row in rows]
    return [
        float(
            np.abs(answer[f"disc_probabilities_{target}"][0, row] - stages.probabilities(part, _cut(pixels, box))).max()
        )
        for target, part in stages.parts.grades.items()
        for row, box in zip(rows, boxes, strict=True)
    ]


def _map_of(part: Part, found: Detections, pixels: np.ndarray, stages: Stages) -> np.ndarray:
    """Probabilities (H, W, C): of the picture, or of the best region and background around it."""
    whole = np.zeros((*pixels.shape, len(part.labels)))
    whole[..., 0] = 1
    box: Box | None = (0, 0, pixels.shape[1], pixels.shape[0]) if len(found) else None
    if region := stages.settings.region:
        which = 1 + stages.parts.detector.labels.index(region.label)
        rows = np.flatnonzero((found.classes == which) & (found.scores >= region.confidence))
        box = _grown(found, int(rows[0]), region.grow, pixels) if len(rows) else None
    if box:
        x0, y0, x1, y1 = box
        whole[y0:y1, x0:x1] = stages.probabilities(part, _cut(pixels, box))
    return whole


def _grown(found: Detections, row: int, grow: float, pixels: np.ndarray) -> Box:
    x0, y0, x1, y1 = found.in_pixels(*pixels.shape)[row].round(3).tolist()
    return expand_box((x0, y0, x1, y1), grow, *pixels.shape)


def _cut(pixels: np.ndarray, box: Box) -> np.ndarray:
    x0, y0, x1, y1 = box
    return pixels[y0:y1, x0:x1]
