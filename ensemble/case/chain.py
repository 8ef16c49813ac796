"""Detector, classifiers of its discs and segmentation as one module: a picture is decoded once, and answered whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from ensemble.serving.ensemble import Ensemble
from ensemble.serving.expand_box import expand_boxes
from spine.dataset.detections import OUTPUTS
from spine.member.serving import for_any_number
from spine.training.preprocess import decode_alike, to_grey

__all__ = ["Chain", "Cut"]

Tensor = Any
Outputs = dict[str, Tensor]


@dataclass(frozen=True)
class Cut:
    """Which boxes are cut out: those of the 1-based class `which` with a score of at least `confidence`, of `count`
    ones the best, each grown by the share `grow` of its width and height.
    """

    which: int
    grow: float = 0.1
    confidence: float = 0.25
    count: int | None = None


class Chain(tf.Module):
    """The chained model of a case.

    `serving_default(image_bytes: string [N])`, files of one size a request, and `image(image: float32 [N, H, W, 1 or 3]
    in [0, 1])` give the detector's outputs with a score of at least the discs' confidence, `disc_level` (N, M) int32
    counted from below, `disc_probabilities_<target>` (N, M, C), and with a segmentation `probabilities` (N, H, W, C)
    and `mask` (N, H, W) int32. Rows that are no disc have level 0 and probabilities 0. Where nothing is found there are
    no rows, and all is background.
    """

    def __init__(
        self,
        detector: Ensemble,
        discs: Cut,
        grades: Mapping[str, Ensemble],
        segmentation: Ensemble | None = None,
        region: Cut | None = None,
    ) -> None:
        super().__init__(name="case")
        self.detector, self.discs, self.grades = detector, discs, dict(grades)
        self.segmentation, self.region = segmentation, region

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    def serving_default(self, image_bytes: Tensor) -> Outputs:
        """The answer to PNG or JPEG files of one size."""
        return for_any_number(lambda files: self._answer(decode_alike(files)))(image_bytes)

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, None], tf.float32, name="image")])
    def image(self, image: Tensor) -> Outputs:
        """The answer to decoded images."""
        return for_any_number(lambda images: self._answer(to_grey(images)))(image)

    def _answer(self, images: Tensor) -> Outputs:
        found = self._detect(images)
        answer = dict(found)
        is_disc = self._chosen(found, self.discs)
        answer["disc_level"] = _levels(found["detection_boxes"], is_disc)
        if self.grades:
            answer |= self._grade(images, found, is_disc)
        if self.segmentation is not None:
            answer |= self._segment(self.segmentation, images, found)
        return answer

    def _detect(self, images: Tensor) -> Outputs:
        """The detector's rows that are sure enough, as many as the picture with the most of them has."""
        outputs = self.detector.of_images(images)
        least = min(cut.confidence for cut in (self.discs, self.region) if cut)
        there = tf.sequence_mask(tf.cast(outputs["num_detections"], tf.int32), tf.shape(outputs["detection_scores"])[1])
        return _kept(outputs, there & (outputs["detection_scores"] >= least))

    def _chosen(self, found: Outputs, cut: Cut) -> Tensor:
        """Which rows (N, M) are cut out."""
        scores = found["detection_scores"]
        chosen = (tf.cast(found["detection_classes"], tf.int32) == cut.which) & (scores >= cut.confidence)
        chosen &= scores > 0  # padding has none
        if cut.count is not None:  # rows are best first
            chosen &= tf.cumsum(tf.cast(chosen, tf.int32), axis=1) <= cut.count
        return chosen

    def _grade(self, images: Tensor, found: Outputs, is_disc: Tensor) -> Outputs:
        rows = tf.where(is_disc)  # (K, 2): picture, row
        pictures = tf.cast(rows[:, 0], tf.int32)
        boxes = expand_boxes(tf.gather_nd(found["detection_boxes"], rows), self.discs.grow, tf.shape(images)[1:3])
        shape = tf.shape(is_disc, out_type=tf.int64)
        answers = {}
        for target, part in self.grades.items():
            probabilities = part.of_each(_crop_of(images), (pictures, boxes))["probabilities"]
            whole = tf.scatter_nd(rows, probabilities, tf.concat([shape, [probabilities.shape[-1]]], axis=0))
            answers[f"disc_probabilities_{target}"] = whole
        return answers

    def _segment(self, part: Ensemble, images: Tensor, found: Outputs) -> Outputs:
        classes = part.models[0].signatures["image"].structured_outputs["probabilities"].shape[-1]
        background = tf.one_hot(0, classes)

        def one(row: tuple[Tensor, Tensor, Tensor]) -> Tensor:
            image, box, is_there = row
            return tf.cond(
                is_there, lambda: _inside(part, image, box, background), lambda: tf.ones_like(image) * background
            )

        boxes, there = self._regions(found, tf.shape(images)[1:3])
        spec = tf.TensorSpec([None, None, classes], tf.float32)
        probabilities = tf.map_fn(one, (images, boxes, there), fn_output_signature=spec)
        return {"probabilities": probabilities, "mask": tf.argmax(probabilities, axis=-1, output_type=tf.int32)}

    def _regions(self, found: Outputs, size: Tensor) -> tuple[Tensor, Tensor]:
        """What is segmented of each picture, y0 x0 y1 x1 (N, 4) int32, and whether anything is (N,)."""
        count = tf.shape(found["num_detections"])[0]
        if self.region is None:
            whole = tf.concat([[0, 0], size], axis=0)
            return tf.tile(whole[tf.newaxis], [count, 1]), found["num_detections"] > 0
        chosen = self._chosen(found, self.region)
        best = tf.argmax(tf.pad(tf.cast(chosen, tf.int32), [[0, 0], [0, 1]]), axis=1)  # the first of the best
        boxes = tf.gather(tf.pad(found["detection_boxes"], [[0, 0], [0, 1], [0, 0]]), best, batch_dims=1)
        return expand_boxes(boxes, self.region.grow, size), tf.reduce_any(chosen, axis=1)


def _crop_of(images: Tensor) -> Callable[[tuple[Tensor, Tensor]], Tensor]:
    """Cuts the region y0 x0 y1 x1 (4,) int32 out of the picture of that number."""

    def crop(row: tuple[Tensor, Tensor]) -> Tensor:
        y0, x0, y1, x1 = tf.unstack(row[1])
        return images[row[0], y0:y1, x0:x1]

    return crop


def _inside(segmentation: Ensemble, image: Tensor, box: Tensor, background: Tensor) -> Tensor:
    """Probabilities (H, W, C) of one image: those of the region y0 x0 y1 x1, and background around it."""
    y0, x0, y1, x1 = tf.unstack(box)
    inner = segmentation.of_images(image[tf.newaxis, y0:y1, x0:x1])["probabilities"][0] - background
    height, width = tf.unstack(tf.shape(image)[:2])
    return tf.pad(inner, [[y0, height - y1], [x0, width - x1], [0, 0]]) + background


def _kept(outputs: Outputs, rows: Tensor) -> Outputs:
    """The outputs of a detector with only some rows (N, M), in their order, padded to the most of any picture."""
    count = tf.reduce_sum(tf.cast(rows, tf.int32), axis=1)
    most = tf.reduce_max(tf.concat([count, [0]], axis=0))
    order = tf.argsort(tf.cast(rows, tf.int32), axis=1, direction="DESCENDING", stable=True)[:, :most]
    there = tf.sequence_mask(count, most, tf.float32)
    kept = {name: tf.gather(outputs[name], order, batch_dims=1) for name in OUTPUTS[:3]}
    boxes, scores, classes = kept.values()
    values = (boxes * there[..., tf.newaxis], scores * there, classes * there, tf.cast(count, tf.float32))
    return dict(zip(OUTPUTS, values, strict=True))


def _levels(boxes: Tensor, is_disc: Tensor) -> Tensor:
    """Numbers (N, M) int32 of the discs from below, 1 the lowest; 0 of other rows. As `Detections.levels` counts."""
    centres = tf.where(is_disc, boxes[..., 0] + boxes[..., 2], -1.0)
    order = tf.argsort(centres, axis=1, direction="DESCENDING", stable=True)
    return (1 + tf.argsort(order, axis=1)) * tf.cast(is_disc, tf.int32)
