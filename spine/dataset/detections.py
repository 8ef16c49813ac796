"""What a detector says of one image: boxes with a score and a class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from spine.core.problems import SpineError

__all__ = ["OUTPUTS", "Detections", "ious", "require_boxes"]

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
        require_boxes("", self.boxes, self.scores, self.classes)
        if (np.diff(self.scores) > 0).any():
            raise SpineError("scores rise; sort by `Detections.from_arrays`")

    @classmethod
    def from_arrays(cls, boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray) -> Detections:
        """Detections in any order, sorted by score (ties keep their order); rounding errors at 0 and 1 are cut off."""
        boxes, scores = _without_rounding("boxes", boxes).reshape(-1, 4), _without_rounding("scores", scores)
        classes = _whole(classes)
        if not scores.shape == classes.shape == boxes.shape[:1]:
            raise _misshapen("", boxes, scores, classes)
        order = np.argsort(-scores, kind="stable")
        return cls(boxes[order], scores[order], classes[order])

    @classmethod
    def from_outputs(cls, outputs: Mapping[str, np.ndarray], number: int) -> Detections:
        """Those of one image of a request, from the outputs of a detector's SavedModel as arrays."""
        count = float(outputs["num_detections"][number])
        most = min(len(outputs[name][number]) for name in OUTPUTS[:3])
        if not (count.is_integer() and 0 <= count <= most):  # NaN and infinity are no integers
            raise SpineError(f"num_detections is {count:g}; give a whole number from 0 to the {most} rows of the boxes")
        boxes, scores, classes = (outputs[name][number][: int(count)] for name in OUTPUTS[:3])
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


def ious(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union (..., G, D) of boxes (..., G, 4) and others (..., D, 4), corners in one order and frame.

    The first two numbers of a box are its least corner. 0 of two boxes without area.
    """
    first, second = boxes[..., :, np.newaxis, :], others[..., np.newaxis, :, :]
    low, high = np.maximum(first[..., :2], second[..., :2]), np.minimum(first[..., 2:], second[..., 2:])
    inner = np.prod(np.maximum(high - low, 0), axis=-1)
    union = sum(np.prod(one[..., 2:] - one[..., :2], axis=-1) for one in (first, second)) - inner
    return np.divide(inner, union, out=np.zeros(inner.shape), where=union > 0)


def require_boxes(
    whose: str, boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, labels: Sequence[str] = ()
) -> None:
    """SpineError unless boxes (n, 4) are y1 x1 y2 x2 in [0, 1] with y1 <= y2 and x1 <= x2, scores (n,) lie in [0, 1],
    and classes (n,) are whole numbers from 1 to the number of `labels`, where these are known.

    Of stored ones, `ROUNDING` beyond 0 and 1 is let through: it is cut off where a picture's are read.
    """
    prefix = f"{whose}: " if whose else ""
    n = len(scores) if scores.ndim else -1
    if boxes.shape != (n, 4) or scores.shape != (n,) or classes.shape != (n,):
        raise _misshapen(prefix, boxes, scores, classes)
    slack = ROUNDING if labels else 0
    for name, values in (("boxes", boxes), ("scores", scores)):
        if values.dtype.kind != "f":
            raise SpineError(f"{prefix}there are {name} of {values.dtype}; give floating-point numbers")
        if not (inside := (values >= -slack) & (values <= 1 + slack)).all():  # NaN is neither
            raise SpineError(f"{prefix}{name} hold {values[~inside][0]}; they lie in [0, 1]")
    if (turned := (boxes[:, :2] > boxes[:, 2:]).any(axis=1)).any():
        raise SpineError(
            f"{prefix}row {turned.argmax()} is a box that ends before it starts, {boxes[turned.argmax()].tolist()}; "
            "give y1 x1 y2 x2 with y1 <= y2 and x1 <= x2"
        )
    if classes.dtype.kind not in "iu":
        raise SpineError(f"{prefix}there are classes of {classes.dtype}; give whole numbers, 1-based as in a label map")
    if n and classes.min() < 1:
        raise SpineError(f"{prefix}classes hold {classes.min()}; they are 1-based, as in a label map")
    if n and labels and classes.max() > len(labels):
        raise SpineError(f"{whose} holds class {classes.max()}; the labels are {list(labels)}, 1-based")


def _misshapen(told: str, boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray) -> SpineError:
    return SpineError(
        f"{told}boxes are {boxes.shape}, scores {scores.shape}, classes {classes.shape}; give (n, 4), (n,) and (n,)"
    )


def _without_rounding(name: str, values: np.ndarray) -> np.ndarray:
    """As float32, what rounding carried beyond 0 and 1 cut off; SpineError where these are no real numbers."""
    values = np.asarray(values)
    if values.dtype.kind not in "fiu":
        raise SpineError(f"{name} hold {values.dtype}; give floating-point numbers in [0, 1]")
    with np.errstate(over="ignore"):
        values = values.astype(np.float32)
    near = (values > -ROUNDING) & (values < 1 + ROUNDING)
    return np.where(near, np.clip(values, 0, 1), values)


def _whole(classes: np.ndarray) -> np.ndarray:
    """Class numbers as int64; a SavedModel gives them as float32."""
    classes = np.asarray(classes)
    if classes.dtype.kind not in "fiu" or not (np.isfinite(classes) & (classes == np.rint(classes))).all():
        raise SpineError(f"classes hold {classes.dtype} that are no whole numbers; they are 1-based, as in a label map")
    return classes.astype(np.int64)
