"""What a detector says of one image: boxes with a score and a class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from spine.problems import SpineError

__all__ = ["OUTPUTS", "Detections"]

OUTPUTS = ("detection_boxes", "detection_scores", "detection_classes", "num_detections")  # of a detector's SavedModel

ROUNDING = 1e-4  # how far float32 arithmetic may carry a corner or a score out of [0, 1]


@dataclass(frozen=True)
class Detections:
    """The n detections of one image, best first; none is (0, 4), (0,), (0,).

    `boxes` (n, 4) float32 are y1 x1 y2 x2 in [0, 1] of the image, `scores` (n,) float32 in [0, 1] descending, `classes`
    (n,) int64 1-based as in a label map. SpineError where that does not hold.
    """

    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray

    def __post_init__(self) -> None:
        n = len(self.scores)
        if self.boxes.shape != (n, 4) or self.scores.shape != (n,) or self.classes.shape != (n,):
            raise SpineError(
                f"boxes are {self.boxes.shape}, scores {self.scores.shape}, classes {self.classes.shape}; "
                "give (n, 4), (n,) and (n,)"
            )
        for name, values in (("boxes", self.boxes), ("scores", self.scores)):
            if not ((values >= 0) & (values <= 1)).all():  # NaN is neither
                raise SpineError(f"{name} hold {values[~((values >= 0) & (values <= 1))][0]}; they lie in [0, 1]")
        if (self.boxes[:, :2] > self.boxes[:, 2:]).any():
            raise SpineError("a box ends before it starts; give y1 x1 y2 x2 with y1 <= y2 and x1 <= x2")
        if (np.diff(self.scores) > 0).any():
            raise SpineError("scores rise; sort by `Detections.from_arrays`")
        if n and self.classes.min() < 1:
            raise SpineError(f"classes hold {self.classes.min()}; they are 1-based, as in a label map")

    @classmethod
    def from_arrays(cls, boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray) -> Detections:
        """Detections in any order, sorted by score (ties keep their order); rounding errors at 0 and 1 are cut off."""
        scores = _without_rounding(scores)
        order = np.argsort(-scores, kind="stable")
        boxes = _without_rounding(boxes).reshape(-1, 4)
        return cls(boxes[order], scores[order], np.asarray(classes).astype(np.int64)[order])

    @classmethod
    def from_outputs(cls, outputs: Mapping[str, np.ndarray], number: int) -> Detections:
        """Those of one image of a request, from the outputs of a detector's SavedModel as arrays."""
        n = int(outputs["num_detections"][number])
        boxes, scores, classes = (outputs[name][number][:n] for name in OUTPUTS[:3])
        return cls.from_arrays(boxes, scores, classes)

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, rows: slice | np.ndarray) -> Detections:
        """Those of a slice or of a mask (n,), still best first."""
        return Detections(self.boxes[rows], self.scores[rows], self.classes[rows])

    def above(self, confidence: float) -> Detections:
        """Those with a score of at least `confidence`."""
        return self.take(self.scores >= confidence)

    def levels(self) -> np.ndarray:
        """Numbers (n,) from below among those of the same class: 1 is the lowest, which of discs is L5/S1."""
        levels = np.zeros(len(self), np.int64)
        centres = self.boxes[:, 0] + self.boxes[:, 2]
        for found in (np.flatnonzero(self.classes == one) for one in np.unique(self.classes)):
            levels[found[np.argsort(-centres[found], kind="stable")]] = 1 + np.arange(len(found))
        return levels

    def in_pixels(self, height: int, width: int) -> np.ndarray:
        """Boxes (n, 4) float64 as x0 y0 x1 y1, 0-based half-open pixels of an image of that size."""
        return self.boxes[:, [1, 0, 3, 2]] * np.array([width, height, width, height], np.float64)


def _without_rounding(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, np.float32)
    near = (values > -ROUNDING) & (values < 1 + ROUNDING)
    return np.where(near, np.clip(values, 0, 1), values)
