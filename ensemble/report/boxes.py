"""Test images with the boxes of every row drawn into them, and which images are shown."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ensemble.evaluators.detection import DetectedRow, DetectionEvaluator
from ensemble.names import free
from ensemble.report.picture_grid import Line
from ensemble.report.pixels import grey_picture
from ensemble.report.tags import draw_tags, short_names
from spine.core.words import counted
from spine.images.tint import class_colour, rgb

__all__ = ["choose", "draw_boxes", "see_boxes", "see_errors", "worst"]

LONGEST = 300  # pixels of a picture's longer side in the page
TYPICAL, WORST = 2, 3  # lines of the grid
TRUTH = np.array([255, 255, 255])


def worst(evaluator: DetectionEvaluator, count: int) -> list[int]:
    """The numbers of the images with the ensemble's lowest F1, lowest first; those without an error are left out."""
    f1 = evaluator.f1_of_images(evaluator.ensemble)
    order = np.argsort(f1, kind="stable")  # NaN last
    return [int(number) for number in order[:count] if f1[number] < 1]


def choose(evaluator: DetectionEvaluator) -> list[tuple[str, int]]:
    """`typical` images, nearest the ensemble's median F1, and its `worst`; one a patient where there are enough."""
    f1 = evaluator.f1_of_images(evaluator.ensemble)
    bad = _one_a_patient(worst(evaluator, len(f1)), evaluator.patients)[:WORST]
    if np.isnan(f1).all():
        return []
    nearest = np.argsort(np.abs(f1 - np.nanmedian(f1)), kind="stable")
    near = [int(number) for number in nearest if np.isfinite(f1[number]) and number not in bad]
    typical = _one_a_patient(near, evaluator.patients)[:TYPICAL]
    return [("typical", number) for number in typical] + [("worst", number) for number in bad]


def _one_a_patient(numbers: Sequence[int], patients: np.ndarray) -> list[int]:
    seen: dict[str, int] = {}
    for number in numbers:
        seen.setdefault(patients[number], number)
    return list(seen.values())


def see_boxes(evaluator: DetectionEvaluator, number: int, why: str) -> Line:
    """One image as input, truth and as every row sees it, with the boxes that have the row's confidence."""
    truth, grey = evaluator.truth, _grey(evaluator, number)
    of_truth = draw_boxes(grey, _scaled(truth.boxes[number], truth.sizes[number], grey), truth.classes[number])
    rows = {row.name: _draw_row(grey, row, number, truth.labels) for row in evaluator.rows}
    captions = {row.name: _caption(evaluator, row, number) for row in evaluator.rows}
    whole, true = free("input", rows), free("truth", rows)
    captions[true] = counted(len(truth.boxes[number]), "box", "boxes")
    return Line(why, truth.samples[number], {whole: grey, true: of_truth, **rows}, captions)


def see_errors(evaluator: DetectionEvaluator, number: int) -> np.ndarray:
    """RGB of one image with the ensemble's boxes in colour over the true ones in white."""
    truth, grey = evaluator.truth, _grey(evaluator, number)
    canvas = draw_boxes(grey, _scaled(truth.boxes[number], truth.sizes[number], grey))
    return _draw_row(canvas, evaluator.ensemble, number, truth.labels)


def draw_boxes(
    picture: np.ndarray,
    boxes: np.ndarray,
    classes: np.ndarray | None = None,
    scores: np.ndarray | None = None,
    labels: Sequence[str] = (),
) -> np.ndarray:
    """RGB of a grey or RGB picture with boxes (n, 4) x0 y0 x1 y1 in its pixels.

    In the colours of their `classes` (n,), 1-based, or in white; beside each, where there are scores, the short name of
    its class, where there are several `labels`, and the score in percent.
    """
    canvas = np.repeat(picture[..., None], 3, axis=2) if picture.ndim == 2 else picture.copy()
    corners = [(int(x0), int(y0), int(x1), int(y1)) for x0, y0, x1, y1 in np.rint(boxes)]
    numbers = [0] * len(corners) if classes is None else [int(number) for number in classes]
    colours = [rgb(class_colour(number)) if number else TRUTH for number in numbers]
    for (x0, y0, x1, y1), colour in zip(corners, colours, strict=True):
        cv2.rectangle(canvas, (x0, y0), (x1 - 1, y1 - 1), colour.tolist(), 2, cv2.LINE_AA)
    if scores is not None:
        names = dict(enumerate(short_names(labels), start=1)) if len(labels) > 1 else {}  # of one it only takes room
        percent = [f"{100 * score:.0f}" for score in scores]
        texts = [f"{names.get(number, '')} {said}".strip() for number, said in zip(numbers, percent, strict=True)]
        draw_tags(canvas, corners, texts, colours)
    return canvas


def _draw_row(picture: np.ndarray, row: DetectedRow, number: int, labels: Sequence[str]) -> np.ndarray:
    detections = row.detections[number].above(row.confidence)
    boxes = detections.in_pixels(*picture.shape[:2])
    return draw_boxes(picture, boxes, detections.classes, detections.scores, labels)


def _caption(evaluator: DetectionEvaluator, row: DetectedRow, number: int) -> str:
    right, predicted, true = evaluator.boxes_of_images(row)[number]
    return f"{right} of {true}, {predicted - right} wrong"


def _grey(evaluator: DetectionEvaluator, number: int) -> np.ndarray:
    """The picture; black where it cannot be read."""
    truth = evaluator.truth
    grey = grey_picture(truth.paths[number], LONGEST)
    if grey is not None:
        return grey
    scale = LONGEST / max(truth.sizes[number])
    height, width = truth.sizes[number]
    return np.zeros((max(1, round(height * scale)), max(1, round(width * scale))), np.uint8)


def _scaled(boxes: np.ndarray, size: tuple[int, int], picture: np.ndarray) -> np.ndarray:
    """Boxes in pixels of an image of that (height, width), in those of its resized picture."""
    scale = np.array(picture.shape[1::-1]) / np.array(size[::-1])
    return boxes * np.tile(scale, 2)
