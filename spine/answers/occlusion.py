"""Occlusion: how much less a model says of a thing where a part of the picture is covered.

Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014. It asks a model only for its
answers, so it explains any, such as a detector, or one of which nothing but the SavedModel is at hand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["Patches", "occlusion"]

Box = tuple[int, int, int, int]  # x0 y0 x1 y1 in pixels, half-open


@dataclass(frozen=True)
class Patches:
    """Squares of `side` pixels at every `step`, in rows, that together cover a box; at its edge they are cut off."""

    box: Box
    side: int
    step: int

    @classmethod
    def over(cls, box: Box, along: int) -> Patches:
        """About `along` steps along the longer side of a box; a patch is two steps wide, so that neighbours overlap."""
        x0, y0, x1, y1 = box
        step = max(1, round(max(x1 - x0, y1 - y0) / along))
        return cls(box, 2 * step, step)

    def boxes(self) -> list[Box]:
        """Each patch's x0 y0 x1 y1."""
        x0, y0, x1, y1 = self.box
        columns, rows = self._starts(x0, x1), self._starts(y0, y1)
        return [(max(x0, x), max(y0, y), min(x1, x + self.side), min(y1, y + self.side)) for y in rows for x in columns]

    def _starts(self, first: int, stop: int) -> range:
        """From half a patch before the first pixel on, so that each pixel is covered by as many."""
        return range(first - self.side + self.step, stop, self.step)


def occlusion(
    picture: np.ndarray,
    score: Callable[[np.ndarray], np.ndarray],
    patches: Patches,
    *,
    batch: int = 16,
    advance: Callable[[float], None] = lambda share: None,
) -> np.ndarray:
    """How far each of K scores falls where a pixel is covered, (K, H, W): the mean over the patches that cover it.

    `score` gives (N, K) of pictures (N, H, W), at most `batch` of them. A patch has the mean grey of what is looked at:
    `patches.box`. `advance` is told the share that is done.
    """
    boxes = patches.boxes()
    x0, y0, x1, y1 = patches.box
    grey = picture[y0:y1, x0:x1].mean()
    whole = score(picture[np.newaxis])[0]
    fall, count = np.zeros((len(whole), *picture.shape)), np.zeros(picture.shape)
    for start in range(0, len(boxes), batch):
        some = boxes[start : start + batch]
        scores = score(np.stack([_covered(picture, box, grey) for box in some]))
        for (left, top, right, bottom), values in zip(some, scores, strict=True):
            fall[:, top:bottom, left:right] += (whole - values)[:, np.newaxis, np.newaxis]
            count[top:bottom, left:right] += 1
        advance((start + len(some)) / len(boxes))
    return fall / np.maximum(count, 1)


def _covered(picture: np.ndarray, box: Box, grey: float) -> np.ndarray:
    x0, y0, x1, y1 = box
    covered = picture.copy()
    covered[y0:y1, x0:x1] = grey
    return covered
