"""Match fused boxes to true ones in one numba loop, as `spine.metrics.matches.match_images` does by pycocotools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ensemble.engine.boxes.box_rows import FusedRows
from ensemble.engine.scoring.compiled import compiled
from spine.dataset.truth import BoxTruth
from spine.metrics.matches import AREAS, MOST, Matches

__all__ = ["Matcher", "match_boxes"]


@dataclass(frozen=True)
class Matcher:
    """True boxes as a table of rows, to match many fusions with: `boxes` (G, 4) float64 x0 y0 x1 y1 in pixels,
    `classes` (G,) 1-based, image n's at rows offsets[n]..offsets[n + 1]; `sizes` (N, 2) are heights and widths.
    """

    labels: int
    boxes: np.ndarray
    classes: np.ndarray
    offsets: np.ndarray
    sizes: np.ndarray
    ious: tuple[float, ...]
    areas: tuple[str, ...]

    @classmethod
    def of_truth(cls, truth: BoxTruth, ious: Sequence[float], areas: Sequence[str]) -> Matcher:
        """For one truth, at those IoU thresholds and area ranges (names of `AREAS`)."""
        return cls(
            len(truth.labels),
            np.concatenate(truth.boxes).astype(np.float64).reshape(-1, 4),
            np.concatenate(truth.classes),
            np.cumsum([0, *map(len, truth.boxes)]),
            np.array(truth.sizes, np.float64),
            tuple(ious),
            tuple(areas),
        )

    def match(self, fused: FusedRows) -> Matches:
        """What `spine.metrics.matches.match_images` gives, those of one score in the order of images and rows."""
        image = np.repeat(np.arange(len(self.sizes)), np.diff(fused.offsets))
        pixels = fused.boxes[:, [1, 0, 3, 2]] * self.sizes[image][:, [1, 0, 1, 0]]
        right, wrong, ranks = compiled(match_boxes)(
            *(pixels, fused.classes, fused.offsets, self.boxes, self.classes, self.offsets),
            *(np.array(self.ious), self._ranges, self.labels, MOST),
        )
        order = np.argsort(-fused.scores, kind="stable")
        order = order[ranks[order] < MOST]
        return Matches(
            images=image[order],
            classes=fused.classes[order] - 1,
            ranks=ranks[order],
            scores=fused.scores[order].astype(np.float64),
            right=right[..., order],
            wrong=wrong[..., order],
            truths=self._truths,
            areas=self.areas,
            ious=self.ious,
        )

    @property
    def _ranges(self) -> np.ndarray:
        return np.array([AREAS[name] for name in self.areas])

    @property
    def _truths(self) -> np.ndarray:
        """How many true boxes (N, A, K) lie in each area range."""
        area = (self.boxes[:, 2] - self.boxes[:, 0]) * (self.boxes[:, 3] - self.boxes[:, 1])
        image = np.repeat(np.arange(len(self.sizes)), np.diff(self.offsets))
        counts = np.zeros((len(self.sizes), len(self.areas), self.labels), np.int64)
        for number, (least, most) in enumerate(self._ranges):
            inside = (area >= least) & (area <= most)
            np.add.at(counts, (image[inside], number, self.classes[inside] - 1), 1)
        return counts


def match_boxes(
    detected: np.ndarray,
    detected_classes: np.ndarray,
    detected_offsets: np.ndarray,
    true: np.ndarray,
    true_classes: np.ndarray,
    true_offsets: np.ndarray,
    ious: np.ndarray,
    ranges: np.ndarray,
    labels: int,
    most: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For numba: which detected boxes (D, 4) are `right` and `wrong` (A, T, D), and their `ranks` (D,) in their image
    and class.

    Boxes are x0 y0 x1 y1 in pixels, images' rows between offsets, detected ones best first. Of equal IoUs the last true
    box is taken, one inside the area range before one outside, as COCOeval does.
    """
    right = np.zeros((len(ranges), len(ious), len(detected)), np.bool_)
    wrong = np.zeros(right.shape, np.bool_)
    ranks = np.zeros(len(detected), np.int64)
    overlaps = np.zeros(len(true))
    taken = np.zeros((len(ranges), len(ious), len(true)), np.bool_)
    for image in range(len(detected_offsets) - 1):
        seen = np.zeros(labels + 1, np.int64)
        for d in range(detected_offsets[image], detected_offsets[image + 1]):
            ranks[d] = seen[detected_classes[d]]
            seen[detected_classes[d]] += 1
            if ranks[d] >= most:
                continue
            x, y = detected[d, 0], detected[d, 1]
            wide, high = detected[d, 2] - x, detected[d, 3] - y
            for g in range(true_offsets[image], true_offsets[image + 1]):
                left, top = true[g, 0], true[g, 1]
                width, height = true[g, 2] - left, true[g, 3] - top
                across = max(min(x + wide, left + width) - max(x, left), 0.0)
                shared = across * max(min(y + high, top + height) - max(y, top), 0.0)
                overlaps[g] = shared / (wide * high + width * height - shared) if shared > 0 else 0.0
            for a in range(len(ranges)):
                outside = wide * high < ranges[a, 0] or wide * high > ranges[a, 1]
                for t in range(len(ious)):
                    matched, inside, highest = -1, False, min(ious[t], 1 - 1e-10)
                    for g in range(true_offsets[image], true_offsets[image + 1]):
                        if true_classes[g] != detected_classes[d] or taken[a, t, g]:
                            continue
                        area = (true[g, 2] - true[g, 0]) * (true[g, 3] - true[g, 1])
                        counts = ranges[a, 0] <= area <= ranges[a, 1]
                        # A true box outside the range is taken only where none inside can be.
                        least = highest if counts == inside or matched < 0 else min(ious[t], 1 - 1e-10)
                        if overlaps[g] >= least and (counts or not inside):
                            matched, inside, highest = g, counts, overlaps[g]
                    if matched >= 0:
                        taken[a, t, matched] = True
                    right[a, t, d] = inside
                    wrong[a, t, d] = matched < 0 and not outside
    return right, wrong, ranks
