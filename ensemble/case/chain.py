"""Detector, classifiers of its discs and segmentation as one module: a picture is decoded once, and answered whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from ensemble.case.maps import in_regions, only_where, with_mask
from ensemble.serving.asked_boxes import AskedBoxes
from ensemble.serving.describe import describing
from ensemble.serving.ensemble import Ensemble
from ensemble.serving.side_by_side import SideBySide
from spine.answers.description import Description, disc_output
from spine.dataset.detections import OUTPUTS
from spine.experiment.postprocess import PieceRule
from spine.member.serving import for_any_number
from spine.training.expand_box import expand_boxes
from spine.training.preprocess import decode_alike, to_grey
from spine.training.see_boxes import or_itself
from spine.training.served import FILES, IMAGES, NEIGHBOURS

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

    `members(image_bytes)` adds what each of K members says, `disc_probabilities_<target>_members` (N, M, K, C) and
    `probabilities_members` (N, K, H, W, C), and how much they disagree, in bits: `disc_disagreement_<target>` (N, M)
    and `disagreement` (N, H, W).

    Where a classifier sees the slices next to a picture, `slices(image_bytes, before: string [N], after: string [N])`
    answers with them: files of the pictures' size, empty where there is none.
    """

    def __init__(
        self,
        detector: Ensemble,
        discs: Cut,
        grades: Mapping[str, Ensemble],
        segmentation: Ensemble | None = None,
        region: Cut | None = None,
        description: Description | None = None,
        pieces: Mapping[int, PieceRule] | None = None,
    ) -> None:
        super().__init__(name="case")
        self.pieces = dict(pieces or {})  # rules by which the whole picture's mask is post-processed
        self.discs, self.region = discs, region
        of_pictures = {"detection": detector} | ({"mask": segmentation} if segmentation and not region else {})
        self.of_pictures = SideBySide(of_pictures)
        self.of_discs = SideBySide(grades) if grades else None
        self.of_regions = segmentation if region else None
        if any(ensemble.sees_slices for ensemble in grades.values()):
            self.slices = tf.function(for_any_number(self._of_slices), input_signature=[FILES, *NEIGHBOURS])
        if description:
            self.describe = describing(description)

    @tf.function(input_signature=[FILES])
    def serving_default(self, image_bytes: Tensor) -> Outputs:
        """The answer to PNG or JPEG files of one size."""
        return for_any_number(lambda files: self._answer(decode_alike(files)))(image_bytes)

    @tf.function(input_signature=[IMAGES])
    def image(self, image: Tensor) -> Outputs:
        """The answer to decoded images."""
        return for_any_number(lambda images: self._answer(to_grey(images)))(image)

    @tf.function(input_signature=[FILES])
    def members(self, image_bytes: Tensor) -> Outputs:
        """The same with what each member says, and how much they disagree."""
        return for_any_number(lambda files: self._answer(decode_alike(files), members=True))(image_bytes)

    def _of_slices(self, files: Tensor, before: Tensor, after: Tensor) -> Outputs:
        beside = [decode_alike(or_itself(neighbours, files)) for neighbours in (before, after)]
        return self._answer(decode_alike(files), beside=beside)

    def _answer(self, images: Tensor, members: bool = False, beside: Sequence[Tensor] = ()) -> Outputs:
        """The answer to images (N, H, W, 1), with the slices before and after each where they are told."""
        of_pictures = self.of_pictures.of_images(images, members)
        found = self._sure_enough(of_pictures["detection"])
        is_disc = _chosen(found, self.discs)
        answer = {**found, "disc_level": _levels(found["detection_boxes"], is_disc)}
        if self.of_discs:
            answer |= self._grade(self.of_discs, [images, *beside], found, is_disc, members)
        if self.of_regions and self.region:
            answer |= with_mask(self._in_best(self.of_regions, self.region, images, found, members), self.pieces)
        elif "mask" in of_pictures:
            answer |= with_mask(only_where(found["num_detections"] > 0, of_pictures["mask"]), self.pieces)
        return answer

    def _sure_enough(self, outputs: Outputs) -> Outputs:
        """The detector's rows that count for any part, as many as the picture with the most of them has."""
        least = min(cut.confidence for cut in (self.discs, self.region) if cut)
        there = tf.sequence_mask(tf.cast(outputs["num_detections"], tf.int32), tf.shape(outputs["detection_scores"])[1])
        return _kept(outputs, there & (outputs["detection_scores"] >= least))

    def _grade(
        self, graders: SideBySide, slices: Sequence[Tensor], found: Outputs, is_disc: Tensor, members: bool
    ) -> Outputs:
        """The outputs of each target's classifiers for the discs; zeros in other rows.

        `slices` are the images, and where they are told those before and those after them.
        """
        rows = tf.where(is_disc)  # (K, 2): picture, row
        boxes = tf.gather_nd(found["detection_boxes"], rows)
        numbers, count = tf.cast(rows[:, 0], tf.int32), tf.shape(slices[0])[0]
        order = [1, 0, 2] if len(slices) > 1 else [0]  # the slice before comes first
        places = [numbers + place * count for place in order]
        asked = AskedBoxes.in_images(tf.concat(slices, axis=0), places, boxes, self.discs.grow)
        graded = graders.of_boxes(asked, members)
        shape = tf.shape(is_disc, out_type=tf.int64)

        def placed(values: Tensor) -> Tensor:
            return tf.scatter_nd(rows, values, tf.concat([shape, tf.shape(values, out_type=tf.int64)[1:]], axis=0))

        return {
            disc_output(name, target): tf.ensure_shape(placed(values), [None, None, *values.shape[1:]])
            for target, outputs in graded.items()
            for name, values in outputs.items()
        }

    def _in_best(self, part: Ensemble, region: Cut, images: Tensor, found: Outputs, members: bool) -> Outputs:
        """The maps of each picture's best region; background around it, and where there is none."""
        chosen = _chosen(found, region)
        best = tf.argmax(tf.pad(tf.cast(chosen, tf.int32), [[0, 0], [0, 1]]), axis=1)  # the first of the best
        boxes = tf.gather(tf.pad(found["detection_boxes"], [[0, 0], [0, 1], [0, 0]]), best, batch_dims=1)
        regions = expand_boxes(boxes, region.grow, tf.shape(images)[1:3])
        return only_where(tf.reduce_any(chosen, axis=1), in_regions(part, images, regions, members))


def _chosen(found: Outputs, cut: Cut) -> Tensor:
    """Which rows (N, M) are cut out."""
    scores = found["detection_scores"]
    chosen = (tf.cast(found["detection_classes"], tf.int32) == cut.which) & (scores >= cut.confidence)
    chosen &= scores > 0  # padding has none
    if cut.count is not None:  # rows are best first
        chosen &= tf.cumsum(tf.cast(chosen, tf.int32), axis=1) <= cut.count
    return chosen


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
