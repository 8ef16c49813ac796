"""Weighted boxes fusion in the TensorFlow graph: what `fuse_boxes` computes, for a batch, inside the served model.

Boxes of all images are compared step by step, strongest first; a step looks at one box of each image. Sums and
comparisons have the library's precision, so that near thresholds the graph decides as the search did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from ensemble.fusion.fuse_boxes import BoxFusion
from spine.dataset.detections import OUTPUTS

__all__ = ["fuse_boxes_in_graph"]

Tensor = Any  # TensorFlow ships no types that a checker could read


class _Rows(NamedTuple):
    """Members' boxes side by side, strongest first: boxes (N, K, 4), weighted scores and classes (N, K, 1) float64.

    A score of 0 marks a row that is no box.
    """

    boxes: Tensor
    scores: Tensor
    classes: Tensor


class _Clusters(NamedTuple):
    """What is known of clusters, in the order they began: boxes and sums of score times box (..., 4), sum of scores,
    number of boxes and class (..., 1); zero where there is none.

    Travels through the loop as one tensor (N, K, 11) float64: a step then reads and writes one row of each image.
    """

    boxes: Tensor
    sums: Tensor
    totals: Tensor
    sizes: Tensor
    classes: Tensor

    @classmethod
    def of(cls, packed: Tensor) -> _Clusters:
        """Unpacked."""
        return cls(*tf.split(packed, _WIDTHS, axis=-1))


_WIDTHS = [4, 4, 1, 1, 1]


def fuse_boxes_in_graph(
    outputs: Sequence[Mapping[str, Tensor]], weights: Sequence[float], fusion: BoxFusion
) -> dict[str, Tensor]:
    """Fuse detectors' outputs, each with its weight above 0, into outputs of the same names and types.

    `detection_boxes` (N, K, 4), y1x1y2x2 in [0, 1], `detection_scores` and `detection_classes` (N, K) and
    `num_detections` (N), K being the sum of the members' own and rows past `num_detections` zero.
    """
    rows = _strongest_first(outputs, weights, fusion.score_threshold)
    count = tf.math.count_nonzero(rows.scores, axis=[1, 2], dtype=tf.int32)
    most = tf.reduce_max(tf.concat([count, [0]], axis=0))  # all that follow it are padding in every image
    found = _cluster(_Rows(*(values[:, :most] for values in rows)), fusion.iou_threshold)
    answers = _in_order(found, _scores(found, weights))
    padding = [[0, 0], [0, tf.shape(rows.scores)[1] - most], [0, 0]]
    boxes, scores, classes = (
        tf.ensure_shape(tf.pad(values, padding), [None, *rows.boxes.shape[1:2], values.shape[2]]) for values in answers
    )
    number = tf.math.count_nonzero(found.sizes, axis=[1, 2], dtype=outputs[0]["num_detections"].dtype)
    return dict(zip(OUTPUTS, (boxes, scores[..., 0], classes[..., 0], number), strict=True))


def _strongest_first(outputs: Sequence[Mapping[str, Tensor]], weights: Sequence[float], threshold: float) -> _Rows:
    parts = [_weighted(one, weight, threshold) for one, weight in zip(outputs, weights, strict=True)]
    rows = _Rows(*(tf.concat(values, axis=1) for values in zip(*parts, strict=True)))
    order = tf.argsort(rows.scores[..., 0], direction="DESCENDING", stable=True)
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
    classes = tf.cast(output["detection_classes"], tf.float64)
    return _Rows(boxes, weighted[..., None], classes[..., None])


def _cluster(rows: _Rows, threshold: float) -> _Clusters:
    shape, packed = tf.shape(rows.scores), tf.concat(rows, axis=-1)
    _, clusters, _ = tf.while_loop(
        lambda row, *_: row < shape[1],
        lambda row, clusters, end: (row + 1, *_add(packed[:, row], clusters, end, threshold)),
        (tf.constant(0), tf.zeros([shape[0], shape[1], sum(_WIDTHS)], tf.float64), tf.zeros(shape[:1], tf.int32)),
    )
    return _Clusters.of(clusters)


def _add(row: Tensor, clusters: Tensor, end: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """Put one box of each image into the cluster that it overlaps most, or begin one with it at number `end` (N,)."""
    box, score, label = tf.split(row, [4, 1, 1], axis=-1)
    ious = tf.where(clusters[..., -1] == label, _iou(box[:, None], clusters[..., :4]), tf.constant(-1, tf.float64))
    matched = tf.reduce_max(ious, axis=1) > threshold
    home = tf.where(matched, tf.argmax(ious, axis=1, output_type=tf.int32), end)
    place = tf.stack([tf.range(tf.shape(home)[0]), home], axis=1)
    before = tf.gather_nd(clusters, place)
    old = _Clusters.of(before)
    sums, totals = _as_float32(old.sums + score * box), old.totals + score
    boxes = tf.where(matched[:, None], _as_float32(sums / totals), box)
    after = tf.concat(_Clusters(boxes, sums, totals, old.sizes + 1, label), axis=-1)
    clusters = tf.tensor_scatter_nd_update(clusters, place, tf.where(score > 0, after, before))
    return clusters, end + tf.cast(~matched & (score[:, 0] > 0), tf.int32)


def _as_float32(values: Tensor) -> Tensor:
    """Rounded as the library rounds its running means."""
    return tf.cast(tf.cast(values, tf.float32), tf.float64)


def _iou(box: Tensor, others: Tensor) -> Tensor:
    """Intersection over union (N, K) of boxes (N, 1, 4) with others (N, K, 4), all y1x1y2x2."""
    sides = tf.minimum(box[..., 2:], others[..., 2:]) - tf.maximum(box[..., :2], others[..., :2])
    shared = tf.reduce_prod(tf.maximum(sides, 0), axis=-1)
    areas = [tf.reduce_prod(one[..., 2:] - one[..., :2], axis=-1) for one in (others, box)]
    return tf.math.divide_no_nan(shared, areas[0] + areas[1] - shared)


def _scores(found: _Clusters, weights: Sequence[float]) -> Tensor:
    """Each cluster's score (N, K, 1) float32; 0 where there is none."""
    means = tf.math.divide_no_nan(found.totals, found.sizes)
    return tf.cast(means * tf.minimum(found.sizes, len(weights)) / sum(weights), tf.float32)


def _in_order(found: _Clusters, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes, scores and classes, float32, by falling score, then class and corner; empty clusters last."""
    boxes, classes = tf.cast(found.boxes, tf.float32), tf.cast(found.classes, tf.float32)
    order = tf.argsort(boxes[..., 1], stable=True)
    for key in (boxes[..., 0], classes[..., 0], -scores[..., 0]):
        order = tf.gather(order, tf.argsort(tf.gather(key, order, batch_dims=1), stable=True), batch_dims=1)
    boxes, scores, classes = (tf.gather(values, order, batch_dims=1) for values in (boxes, scores, classes))
    return tf.clip_by_value(boxes, 0, 1), tf.minimum(scores, 1), classes
