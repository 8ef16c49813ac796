"""What a detection network trains and stops on: pictures with their boxes, and Model Garden's labels of its anchors."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property, lru_cache
from typing import Any, Self

import numpy as np
import tensorflow as tf

from detection.config import Settings
from detection.model import anchors as anchors_of
from detection.sampling import SeededAnchorLabeler
from spine.core.problems import SpineError
from spine.dataset.manifest import Manifest
from spine.dataset.truth import BoxTruth
from spine.experiment.config import Experiment
from spine.training.augment.mixing import partners
from spine.training.data import FitData
from spine.training.image_cache import ImageCache
from spine.training.inputs import augment_with_boxes, in_order, ordered_batches, subset, training_batches
from spine.training.preprocess import boxes_to_letterbox, placement

__all__ = ["Data", "anchor_labels", "padded_boxes"]

Tensor = Any


class Data(FitData):
    """The training rows and the validation split of a detection network; images without boxes are background."""

    train: BoxTruth
    validation: BoxTruth
    settings: Settings

    @classmethod
    def of(cls, experiment: Experiment, manifest: Manifest, settings: Settings, seed: int) -> Self:
        """As `FitData` reads the splits, each training row as often as the settings repeat it."""
        data = super().of(experiment, manifest, settings, seed)
        rows = np.tile(np.arange(len(data.train)), settings.repeats)
        return replace(data, train=subset(data.train, rows))

    def batches(
        self,
        truth: BoxTruth,
        *,
        training: bool,
        first_epoch: int = 0,
        batch: int,
        replicas: range = range(1),
    ) -> tf.data.Dataset:
        """For training, batches of pictures and Model Garden's labels, one after the other for each of `replicas`.

        `replicas` are those of this machine's, of all that share a batch. Else pictures (N, H, W, 1) only, in order.
        """
        pictures = self._pictures(truth)
        if not training:
            return in_order(ordered_batches(len(truth), batch), pictures.batch)
        boxes, classes = padded_boxes(truth, self.settings)

        def example(chosen: Tensor, seed: Tensor) -> tuple[Tensor, dict[str, Any]]:
            images, moved = augment_with_boxes(
                pictures.batch(chosen), tf.gather(boxes, chosen), self.settings.augmentation, seed
            )
            own = tf.gather(classes, chosen)
            if self.settings.augmentation.mixes:
                own = tf.concat([own, partners(own)], axis=1)
            return images, anchor_labels(moved, own, self.settings, tf.random.fold_in(seed, 1))

        def shares(chosen: Tensor, seed: Tensor) -> tf.data.Dataset:
            numbers = tf.data.Dataset.from_tensor_slices(tf.constant(list(replicas)))
            return numbers.map(lambda number: (chosen[number :: self.replicas], tf.random.fold_in(seed, number)))

        return in_order(training_batches(len(truth), batch, self.seed, first_epoch).flat_map(shares), example)

    def training(self, first_epoch: int, worker: int = 0, workers: int = 1) -> tf.data.Dataset:
        """Endless augmented batches from the epoch `first_epoch` (0-based) on, for the replicas of one worker."""
        here = self.replicas // workers
        replicas = range(worker * here, (worker + 1) * here)
        batch = self._batch(self.train)
        return self.batches(self.train, training=True, first_epoch=first_epoch, batch=batch, replicas=replicas)

    def _pictures(self, truth: BoxTruth) -> ImageCache:
        return self._training_pictures if truth is self.train else self._validation_pictures

    @cached_property
    def _training_pictures(self) -> ImageCache:
        return _cached(self.train, self.settings)

    @cached_property
    def _validation_pictures(self) -> ImageCache:
        return _cached(self.validation, self.settings)


def _cached(truth: BoxTruth, settings: Settings) -> ImageCache:
    return ImageCache.of(truth.paths, settings.height, settings.width, settings.normalisation)


def padded_boxes(truth: BoxTruth, settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (S, M, 4) float32 and classes (S, M) int64 of all samples as their pictures are letterboxed.

    x0 y0 x1 y1 in 0-based half-open pixels of the network's size; zeros where an image has fewer than
    `parser.max_num_instances` boxes. SpineError where it has more.
    """
    most = settings.parser.max_num_instances
    for sample, own in zip(truth.samples, truth.boxes, strict=True):
        if len(own) > most:
            raise SpineError(f"{sample} has {len(own)} boxes; raise parser.max_num_instances, which is {most}")
    boxes = np.zeros((len(truth), most, 4), np.float32)
    classes = np.zeros((len(truth), most), np.int64)
    place = lru_cache(lambda size: placement(size[0], size[1], settings.height, settings.width))
    for row, (own, labels, size) in enumerate(zip(truth.boxes, truth.classes, truth.sizes, strict=True)):
        boxes[row, : len(own)] = boxes_to_letterbox(own, place(size))
        classes[row, : len(own)] = labels
    return boxes, classes


def anchor_labels(boxes: Tensor, classes: Tensor, settings: Settings, seed: Tensor) -> dict[str, Any]:
    """What Model Garden's Faster R-CNN trains on, of a batch of boxes (N, M, 4) and classes (N, M), 0 for no box.

    Boxes come as x0 y0 x1 y1 and leave as y0 x0 y1 x1, in pixels of the network's input; -1 where there is none.
    `anchor_boxes`, `rpn_score_targets` and `rpn_box_targets` are by level.
    """
    there = (classes > 0) & tf.reduce_all(boxes[..., 2:] > boxes[..., :2], axis=-1)
    boxes = tf.where(there[..., tf.newaxis], tf.gather(boxes, [1, 0, 3, 2], axis=-1), -1.0)
    anchors = anchors_of(settings)

    def of_one(number: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        labeler = SeededAnchorLabeler(tf.random.fold_in(seed, number), settings.parser)
        own = tf.boolean_mask(boxes[number], there[number])
        return labeler.label_anchors(anchors, own, tf.ones_like(own[:, :1]))

    count = tf.shape(boxes)[0]
    scores, offsets = tf.map_fn(of_one, tf.range(count), fn_output_signature=_targets(anchors))
    return {
        "anchor_boxes": {level: tf.repeat(own[tf.newaxis], count, axis=0) for level, own in anchors.items()},
        "image_info": tf.repeat(tf.constant([_image_info(settings)], tf.float32), count, axis=0),
        "rpn_score_targets": scores,
        "rpn_box_targets": offsets,
        "gt_boxes": boxes,
        "gt_classes": tf.where(there, tf.cast(classes, tf.int32), -1),
    }


def _targets(anchors: dict[str, Tensor]) -> tuple[dict[str, tf.TensorSpec], dict[str, tf.TensorSpec]]:
    shapes = {level: tuple(own.shape) for level, own in anchors.items()}
    scores = {level: tf.TensorSpec((*shape[:2], shape[2] // 4), tf.int32) for level, shape in shapes.items()}
    return scores, {level: tf.TensorSpec(shape, tf.float32) for level, shape in shapes.items()}


def _image_info(settings: Settings) -> list[list[float]]:
    # Original size, size within the input, scale, offset: the letterbox has done it all before.
    size = [float(settings.height), float(settings.width)]
    return [size, size, [1.0, 1.0], [0.0, 0.0]]
