"""Detections matched to true boxes, each image once, as pycocotools does: all that the metrics need to know.

Within an image and a class the detections, best first, each take the unmatched true box of the highest IoU of at least
a threshold. That depends on the one image only, so what follows from it, weighted in any way, starts from `Matches`.

An area range asks about boxes of some sizes, in pixels of the image as stored: true boxes outside it are ignored, and
so are detections that match an ignored box, or match none and lie outside the range themselves.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from spine.core.problems import SpineError
from spine.dataset.detections import Detections

if TYPE_CHECKING:
    from spine.dataset.truth import BoxTruth

__all__ = ["AREAS", "IOUS", "MOST", "Matches", "match_images"]

IOUS = tuple(np.linspace(0.5, 0.95, 10).tolist())  # COCO's
MOST = 100  # detections of a class that count in an image, COCO's
AREAS = {  # COCO's, in square pixels
    "all": (0.0, 1e10),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}


@dataclass(frozen=True)
class Matches:
    """What became of D detections of K classes in N images, at T IoU thresholds and A area ranges; best score first.

    `images` (D,) and `classes` (D,) are 0-based indices, `ranks` (D,) the place among the detections of that class in
    that image. `right` and `wrong` (A, T, D) tell which match a true box and which none; neither is ignored. `truths`
    (N, A, K) counts the true boxes.
    """

    images: np.ndarray
    classes: np.ndarray
    ranks: np.ndarray
    scores: np.ndarray
    right: np.ndarray
    wrong: np.ndarray
    truths: np.ndarray
    areas: tuple[str, ...]
    ious: tuple[float, ...]

    @classmethod
    def of_images(cls, matches: Sequence[Matches], images: np.ndarray) -> Matches:
        """Of several detectors on the same images, each for its own: `images` (K, N) bool, every image in one row."""
        own = [mask[one.images] for one, mask in zip(matches, images, strict=True)]

        def joined(name: str) -> np.ndarray:
            return np.concatenate([getattr(one, name)[..., kept] for one, kept in zip(matches, own, strict=True)], -1)

        names = ("images", "classes", "ranks", "scores", "right", "wrong")
        columns = {name: joined(name) for name in names}
        order = np.lexsort([columns[name] for name in ("ranks", "images", "classes")] + [-columns["scores"]])
        ordered = {name: values[..., order] for name, values in columns.items()}
        return cls(**ordered, truths=matches[0].truths, areas=matches[0].areas, ious=matches[0].ious)

    @property
    def size(self) -> tuple[int, int]:
        """How many images and classes."""
        images, _, classes = self.truths.shape
        return images, classes

    def area(self, name: str) -> int:
        """Where an area range is; SpineError where it was not matched."""
        if name not in self.areas:
            raise SpineError(f"area {name!r} was not matched; it is one of {', '.join(self.areas)}")
        return self.areas.index(name)

    def iou(self, threshold: float) -> int:
        """Where an IoU threshold is; SpineError where it was not matched."""
        found = np.flatnonzero(np.isclose(self.ious, threshold))
        if not len(found):
            raise SpineError(f"IoU {threshold} was not matched; it is one of {', '.join(map(str, self.ious))}")
        return int(found[0])


def match_images(
    truth: BoxTruth,
    detections: Iterable[Detections],
    *,
    ious: Sequence[float] = IOUS,
    areas: Sequence[str] = tuple(AREAS),
) -> Matches:
    """Match each image's detections, in the order of `truth`; fewer `ious` and `areas` take proportionally less time.

    SpineError where there are not as many images, or a detection has a class beyond the labels.
    """
    found = tuple(detections)
    _check(truth, found)
    evaluations = _evaluate(truth, found, ious, areas)  # (K, A, N)
    cells = [cell for of_class in evaluations for cell in zip(*of_class, strict=True)]  # each K and N, of A
    lengths = [0 if cell[0] is None else len(cell[0]["dtScores"]) for cell in cells]
    number = np.repeat(np.arange(len(cells)), lengths)
    scores = np.concatenate([np.zeros(0), *(cell[0]["dtScores"] for cell in cells if cell[0])])
    order = np.argsort(-scores, kind="stable")  # ties as in COCOeval: by image, then as given
    ignored, matched = (_flags(cells, name, len(ious), len(areas))[..., order] for name in ("dtIgnore", "dtMatches"))
    ranks = np.concatenate([np.zeros(0, int), *map(np.arange, lengths)])
    return Matches(
        images=number[order] % len(truth),
        classes=number[order] // len(truth),
        ranks=ranks[order],
        scores=scores[order],
        right=matched & ~ignored,
        wrong=~matched & ~ignored,
        truths=np.moveaxis(_count_truths(evaluations), -1, 0).swapaxes(1, 2),
        areas=tuple(areas),
        ious=tuple(ious),
    )


def _check(truth: BoxTruth, found: Sequence[Detections]) -> None:
    if len(found) != len(truth):
        raise SpineError(f"detections of {len(found)} images were given; the truth has {len(truth)}")
    for sample, of_one in zip(truth.samples, found, strict=True):
        highest = of_one.classes.max(initial=0)
        if highest > len(truth.labels):
            raise SpineError(
                f"{sample} has a detection of class {highest}; the labels are {list(truth.labels)}, 1-based"
            )


def _evaluate(
    truth: BoxTruth, found: Sequence[Detections], ious: Sequence[float], areas: Sequence[str]
) -> list[list[list[Any]]]:
    """COCOeval's own record of each class, area range and image; None where there is neither box nor detection."""
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):  # it tells its every step
        evaluation = COCOeval(_coco(truth, _true_boxes(truth)), _coco(truth, _found_boxes(truth, found)), "bbox")
        settings = evaluation.params
        settings.iouThrs, settings.maxDets = np.array(ious), [MOST]
        settings.areaRng, settings.areaRngLbl = [AREAS[name] for name in areas], list(areas)
        evaluation.evaluate()
    shape = (len(truth.labels), len(areas), len(truth))
    records = np.empty(len(evaluation.evalImgs), object)
    records[:] = evaluation.evalImgs
    return records.reshape(shape).tolist()


def _coco(truth: BoxTruth, boxes: Iterator[tuple[int, int, np.ndarray, float]]) -> Any:
    """A COCO data set in memory of (image, class, x0 y0 x1 y1, score)."""
    from pycocotools.coco import COCO

    annotations = [
        {
            "id": number,  # from 1: COCOeval takes a match with box 0 for none
            "image_id": image,
            "category_id": category,
            "bbox": [x0, y0, x1 - x0, y1 - y0],
            "area": (x1 - x0) * (y1 - y0),
            "iscrowd": 0,
            "score": score,
        }
        for number, (image, category, (x0, y0, x1, y1), score) in enumerate(boxes, start=1)
    ]
    coco = COCO()
    coco.dataset = {
        "images": [{"id": image} for image in range(len(truth))],
        "categories": [{"id": number} for number in range(1, len(truth.labels) + 1)],
        "annotations": annotations,
    }
    coco.createIndex()
    return coco


def _true_boxes(truth: BoxTruth) -> Iterator[tuple[int, int, np.ndarray, float]]:
    for image, (boxes, classes) in enumerate(zip(truth.boxes, truth.classes, strict=True)):
        for box, category in zip(boxes.astype(np.float64), classes, strict=True):
            yield image, int(category), box.tolist(), 1.0


def _found_boxes(truth: BoxTruth, found: Sequence[Detections]) -> Iterator[tuple[int, int, np.ndarray, float]]:
    for image, (of_one, size) in enumerate(zip(found, truth.sizes, strict=True)):
        for box, category, score in zip(of_one.in_pixels(*size), of_one.classes, of_one.scores, strict=True):
            yield image, int(category), box.tolist(), float(score)


def _flags(cells: Sequence[Sequence[Any]], name: str, ious: int, areas: int) -> np.ndarray:
    """One of COCOeval's flags of all detections, (A, T, D)."""
    nothing = np.zeros((areas, ious, 0))
    blocks = [np.stack([record[name] for record in cell]) for cell in cells if cell[0]]
    return np.concatenate([nothing, *blocks], axis=-1).astype(bool)


def _count_truths(evaluations: list[list[list[Any]]]) -> np.ndarray:
    """How many true boxes are not ignored, (K, A, N)."""

    def count(record: Any) -> int:
        return 0 if record is None else int((np.asarray(record["gtIgnore"]) == 0).sum())

    return np.array([[[count(record) for record in row] for row in of_class] for of_class in evaluations])
