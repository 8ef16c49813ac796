"""All members' detections as one table of rows, and their fusion for one weight vector: `fuse_boxes`, made fast."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ensemble.engine.boxes.cluster_boxes import cluster_boxes
from ensemble.engine.scoring.compiled import compiled
from ensemble.fusion.fuse_boxes import BoxFusion, by_score, comparable
from spine.core.problems import SpineError
from spine.dataset.detections import Detections

__all__ = ["BoxRows", "FusedRows"]


@dataclass(frozen=True)
class FusedRows:
    """Fused detections of all images, image by image and best first: `boxes` (R, 4) float32, y1x1y2x2 in [0, 1],
    `scores` (R,) float32 and `classes` (R,); those of image n are rows offsets[n]..offsets[n + 1].
    """

    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray
    offsets: np.ndarray


@dataclass(frozen=True)
class BoxRows:
    """Detections of `members` in `images` images: rows sorted by image, then member, then as the member gave them.

    `boxes` (R, 4), `scores` (R,) in float64, `classes`, `member` and `image` (R,) int64.
    """

    members: int
    images: int
    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray
    member: np.ndarray
    image: np.ndarray

    @classmethod
    def from_members(cls, members: Mapping[str, Sequence[Detections]], images: int) -> BoxRows:
        """Read each member's detections once; SpineError where they are not of so many images."""
        listed = {name: list(detections) for name, detections in members.items()}
        for name, detections in listed.items():
            if len(detections) != images:
                raise SpineError(
                    f"member {name!r} has predictions of {len(detections)} images, the truth has {images}; "
                    "predict all on the same samples"
                )
        parts = [one for alike in zip(*listed.values(), strict=True) for one in alike]
        lengths = [len(one) for one in parts]
        return cls(
            len(listed),
            images,
            np.concatenate([one.boxes for one in parts]).astype(np.float64),
            np.concatenate([one.scores for one in parts]).astype(np.float64),
            np.concatenate([one.classes for one in parts]),
            np.repeat(np.tile(np.arange(len(listed)), images), lengths),
            np.repeat(np.repeat(np.arange(images), len(listed)), lengths),
        )

    def comparable(self, fusion: BoxFusion) -> BoxRows:
        """Without the rows that take no part in that fusion, whatever the weights."""
        return self._take(comparable(self.boxes, self.scores, fusion.score_threshold))

    def _take(self, rows: np.ndarray) -> BoxRows:
        columns = (self.boxes, self.scores, self.classes, self.member, self.image)
        return BoxRows(self.members, self.images, *(values[rows] for values in columns))

    def fused(self, weights: np.ndarray, iou_threshold: float) -> FusedRows:
        """What `fuse_boxes` gives for weights (M,) in each image, from comparable rows."""
        weighted = self.scores * weights[self.member]
        order = np.lexsort((-weighted, self.image))  # stable, and 0 at an image's end
        order = order[weighted[order] > 0]
        image, classes = self.image[order], self.classes[order]
        fused, means, sizes, began = compiled(cluster_boxes)(
            iou_threshold, self.boxes[order], weighted[order], classes, self._offsets(image)
        )
        kept = sizes > 0
        positive = weights[weights > 0]
        scores = means[kept] * np.minimum(len(positive), sizes[kept]) / positive.sum()
        return self._sorted(fused[kept], scores, classes[began[kept]], image[kept])

    def _sorted(self, boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, image: np.ndarray) -> FusedRows:
        boxes, scores = boxes.astype(np.float32), scores.astype(np.float32)
        order = by_score(boxes, scores, classes, image)
        return FusedRows(boxes[order], np.minimum(scores[order], 1), classes[order], self._offsets(image[order]))

    def _offsets(self, image: np.ndarray) -> np.ndarray:
        return np.searchsorted(image, np.arange(self.images + 1))

    @cached_property
    def hash(self) -> str:
        """Fingerprint of all that the members detect."""
        digest = hashlib.sha256(repr((self.members, self.images)).encode())
        for values in (self.boxes, self.scores, self.classes, self.member, self.image):
            digest.update(np.ascontiguousarray(values).tobytes())
        return digest.hexdigest()
