"""Weighted boxes fusion, the fusion rule of detectors: boxes that overlap become their score-weighted mean.

Solovyev, Wang and Gabruseva, "Weighted boxes fusion: Ensembling boxes from different object detection models", Image
and Vision Computing 107, 2021, by the authors' library. The exported graph holds the same rule in `fuse_boxes_graph`,
the search in `engine.boxes.cluster_boxes`; tests hold all three together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spine.core.problems import SpineError
from spine.dataset.detections import Detections

__all__ = ["BoxFusion", "by_score", "comparable", "fuse_boxes"]

APART = 1e-13  # what tells equal scores apart, of 1; hundreds of them vanish in float32


@dataclass(frozen=True)
class BoxFusion:
    """When boxes become one: where the IoU of a box with the fused one so far is above `iou_threshold`.

    Boxes with a score below `score_threshold` are left out before scores are weighted. SpineError outside [0, 1).
    """

    iou_threshold: float = 0.55
    score_threshold: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (("iou_threshold", self.iou_threshold), ("score_threshold", self.score_threshold)):
            if not 0 <= value < 1:
                raise SpineError(f"{name} is {value!r}; give a number from 0 to below 1")


def fuse_boxes(members: Sequence[Detections], weights: Sequence[float], fusion: BoxFusion = BoxFusion()) -> Detections:
    """What an ensemble detects in one image: `members`, what each detects in it, fused with a weight for each.

    A cluster's score is the mean of its boxes' score times weight, times the number of its boxes (at most that of
    members), over the sum of weights. Members of weight 0 are dropped before. Sorted by falling score, equal scores by
    class and corner; of boxes with one weighted score the first member's comes first. A score above 1, where one member
    puts several boxes on one object, becomes 1. SpineError on weights that do not hold.
    """
    _require_weights(members, weights)
    from ensemble_boxes import weighted_boxes_fusion

    kept = [_part(member, fusion) for member, weight in zip(members, weights, strict=True) if weight > 0]
    positive = [float(weight) for weight in weights if weight > 0]
    boxes, scores, classes = weighted_boxes_fusion(
        [member.boxes for member in kept],  # y1x1y2x2 where it says x1y1x2y2: the rule treats both axes alike
        _apart([member.scores for member in kept], positive),
        [member.classes for member in kept],
        weights=positive,
        iou_thr=fusion.iou_threshold,
    )
    boxes, scores = boxes.astype(np.float32), scores.astype(np.float32)
    order = by_score(boxes, scores, classes)
    # A mean of boxes at the image's edge may end a last digit beyond it.
    return Detections(boxes[order].clip(0, 1), np.minimum(scores[order], 1), classes[order].astype(np.int64))


def comparable(boxes: np.ndarray, scores: np.ndarray, score_threshold: float) -> np.ndarray:
    """Which boxes (n, 4) take part: those with an area, and a score above 0 (a mean weighs by it) and the threshold."""
    # In float64, as the library and the graph compare: float32 has no 0.7.
    strong = (scores > 0) & (scores.astype(np.float64) >= score_threshold)
    return strong & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)


def by_score(boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, *first: np.ndarray) -> np.ndarray:
    """The order (n,) of fused boxes (n, 4): by the keys in `first`, falling score, class and corner."""
    return np.lexsort((boxes[:, 1], boxes[:, 0], classes, -scores, *first))


def _part(member: Detections, fusion: BoxFusion) -> Detections:
    rows = comparable(member.boxes, member.scores, fusion.score_threshold)
    return Detections(member.boxes[rows], member.scores[rows], member.classes[rows])


def _apart(scores: list[np.ndarray], weights: list[float]) -> list[np.ndarray]:
    """The scores of each member in float64; where weighted ones are equal, moved apart by the least that tells them
    apart, earlier members and boxes first: the library's own sort leaves their order open.
    """
    weighted = np.concatenate(
        [member.astype(np.float64) * weight for member, weight in zip(scores, weights, strict=True)]
    )
    moved = np.ones(len(weighted))
    if len(np.unique(weighted)) < len(weighted):
        moved[np.argsort(-weighted, kind="stable")] -= APART * np.arange(len(weighted))
    parts = np.split(moved, np.cumsum([len(member) for member in scores])[:-1])
    return [member * part for member, part in zip(scores, parts, strict=True)]


def _require_weights(members: Sequence[Detections], weights: Sequence[float]) -> None:
    """The library turns a wrong number of weights silently into ones, and checks nothing else."""
    if len(members) != len(weights) or not len(members):
        raise SpineError(
            f"{len(members)} members and {len(weights)} weights; give each member one weight, and at least one"
        )
    if not (np.isfinite(weights).all() and min(weights) >= 0 and max(weights) > 0):
        raise SpineError(f"the weights are {list(weights)}; give numbers of 0 or more, one of them above 0")
