"""Weighted boxes fusion in the TensorFlow graph: what `fuse_boxes` computes, for a batch, inside the served model.

Boxes of all images are compared step by step, strongest first; a step looks at one box of each image. Sums and
comparisons have the library's precision, so that near thresholds the graph decides as the search did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from ensemble.fuse_boxes import BoxFusion
from spine.detections import OUTPUTS

__all__ = ["fuse_boxes_in_graph"]

Tensor = Any  # TensorFlow ships no types that a checker could read


class _Rows(NamedTuple):
    """Members' boxes side by side, strongest first: boxes (N, K, 4), weighted scores and classes (N, K) float64.

    A score of 0 marks a row that is no box.
    """

    boxes: Tensor
    scores: Tensor
    classes: Tensor


class _Clusters(NamedTuple):
    """Clusters so far, in the order they began: (N, K, 4) and (N, K), zero from number `end` (N,) on."""

    boxes: Tensor
    sums: Tensor  # float32, of score times box
    totals: Tensor  # of scores
    sizes: Tensor
    classes: Tensor
    end: Tensor


def fuse_boxes_in_graph(
    outputs: Sequence[Mapping[str, Tensor]], weights: Sequence[float], fusion: BoxFusion
) -> dict[str, Tensor]:
    """Fuse detectors' outputs, each with its weight above 0, into outputs of the same names and types.

    `detection_boxes` (N, K, 4), y1x1y2x2 in [0, 1], `detection_scores` and `detection_classes` (N, K) and
    `num_detections` (N), K being the sum of the members' own and rows past `num_detections` zero.
    """
    rows = _strongest_first(outputs, weights, fusion.score_threshold)
    count = tf.math.count_nonzero(rows.scores, axis=1)
    most = tf.reduce_max(tf.concat([count, [0]], axis=0))  # all that follow it are padding in every image
    found = _cluster(_Rows(*(values[:, :most] for values in rows)), fusion.iou_threshold)
    places = tf.shape(rows.scores)[1]
    boxes, scores, classes = _in_order(found, _scores(found, weights))
    padding = [[0, 0], [0, places - tf.cast(most, tf.int32)]]
    answers = (
        tf.ensure_shape(tf.pad(boxes, [*padding, [0, 0]]), [None, rows.boxes.shape[1], 4]),
        tf.ensure_shape(tf.pad(scores, padding), [None, rows.boxes.shape[1]]),
        tf.ensure_shape(tf.pad(classes, padding), [None, rows.boxes.shape[1]]),
        tf.cast(found.end, outputs[0]["num_detections"].dtype),
    )
    return dict(zip(OUTPUTS, answers, strict=True))


def _strongest_first(outputs: Sequence[Mapping[str, Tensor]], weights: Sequence[float], threshold: float) -> _Rows:
    parts = [_weighted(one, weight, threshold) for one, weight in zip(outputs, weights, strict=True)]
    rows = _Rows(*(tf.concat(values, axis=1) for values in zip(*parts, strict=True)))
    order = tf.argsort(rows.scores, direction="DESCENDING", stable=True)
    return _Rows(*(tf.gather(values, order, batch_dims=1) for values in rows))


def _weighted(output: Mapping[str, Tensor], weight: float, threshold: float) -> _Rows:
    """One member's rows; what is padding, below the threshold or without area gets the score 0."""
    boxes, scores = (
        tf.cast(tf.clip_by_value(output[name], 0, 1), tf.float64) for name in ("detection_boxes", "detection_scores")
    )
    places = tf.range(tf.shape(scores)[1])
    counts = places < tf.cast(output["num_detections"], tf.int32)[:, None]
    counts &= (scores >= threshold) & tf.reduce_all(boxes[..., 2:] > boxes[..., :2], axis=-1)
    weighted = tf.where(counts, scores * weight, tf.zeros_like(scores))
    return _Rows(boxes, weighted, tf.cast(output["detection_classes"], tf.float64))


def _cluster(rows: _Rows, threshold: float) -> _Clusters:
    shape = tf.shape(rows.scores)
    start = _Clusters(
        boxes=tf.zeros_like(rows.boxes),
        sums=tf.zeros_like(rows.boxes, tf.float32),
        totals=tf.zeros_like(rows.scores),
        sizes=tf.zeros_like(rows.scores),
        classes=tf.zeros_like(rows.scores),
        end=tf.zeros(shape[:1], tf.int32),
    )
    _, found = tf.while_loop(
        lambda row, _: row < shape[1],
        lambda row, clusters: (row + 1, _add(_Rows(*(values[:, row] for values in rows)), clusters, threshold)),
        (tf.constant(0), start),
    )
    return found


def _add(box: _Rows, clusters: _Clusters, threshold: float) -> _Clusters:
    """Put one box of each image, (N, 4) and (N,), into the cluster that it overlaps most, or begin one with it."""
    corners, score, label = box.boxes[:, None], box.scores[:, None], box.classes[:, None]
    ious = tf.where(clusters.classes == label, _iou(corners, clusters.boxes), -tf.ones_like(clusters.totals))
    matched = tf.reduce_max(ious, axis=1) > threshold
    home = tf.where(matched, tf.argmax(ious, axis=1, output_type=tf.int32), clusters.end)
    there = (tf.range(tf.shape(ious)[1]) == home[:, None]) & (score > 0)
    corner = there[:, :, None]
    grown = tf.cast(tf.cast(clusters.sums, tf.float64) + score[:, :, None] * corners, tf.float32)
    sums = tf.where(corner, grown, clusters.sums)
    totals = tf.where(there, clusters.totals + score, clusters.totals)
    mean = tf.cast(tf.cast(sums, tf.float64) / totals[:, :, None], tf.float32)
    mean = tf.where(matched[:, None, None], tf.cast(mean, tf.float64), corners)
    return _Clusters(
        boxes=tf.where(corner, mean, clusters.boxes),
        sums=sums,
        totals=totals,
        sizes=clusters.sizes + tf.cast(there, tf.float64),
        classes=tf.where(there, label, clusters.classes),
        end=clusters.end + tf.cast(~matched & (box.scores > 0), tf.int32),
    )


def _iou(box: Tensor, others: Tensor) -> Tensor:
    """Intersection over union (N, K) of boxes (N, 1, 4) with others (N, K, 4), all y1x1y2x2."""
    sides = tf.minimum(box[..., 2:], others[..., 2:]) - tf.maximum(box[..., :2], others[..., :2])
    shared = tf.reduce_prod(tf.maximum(sides, 0), axis=-1)
    areas = [tf.reduce_prod(one[..., 2:] - one[..., :2], axis=-1) for one in (others, box)]
    return tf.math.divide_no_nan(shared, areas[0] + areas[1] - shared)


def _scores(found: _Clusters, weights: Sequence[float]) -> Tensor:
    """Each cluster's score (N, K) float32; 0 where there is none."""
    means = tf.math.divide_no_nan(found.totals, found.sizes)
    return tf.cast(means * tf.minimum(found.sizes, len(weights)) / sum(weights), tf.float32)


def _in_order(found: _Clusters, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes, scores and classes, float32, by falling score, then class and corner; empty clusters last."""
    boxes, classes = tf.cast(found.boxes, tf.float32), tf.cast(found.classes, tf.float32)
    order = tf.argsort(boxes[..., 1], stable=True)
    for key in (boxes[..., 0], classes, -scores):
        order = tf.gather(order, tf.argsort(tf.gather(key, order, batch_dims=1), stable=True), batch_dims=1)
    boxes, scores, classes = (tf.gather(values, order, batch_dims=1) for values in (boxes, scores, classes))
    return boxes, tf.minimum(scores, 1), classes
