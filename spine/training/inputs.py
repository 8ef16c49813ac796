"""A dataset's pictures on their way to training: prepared once, shuffled anew each epoch, augmented in the graph.

`training_batches` and `ordered_batches` know no task: `classification_data` and `segmentation_data` map
their own tensors over the batches of row numbers that they give.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any, Literal, TypeVar

import numpy as np
import tensorflow as tf

from spine.core.problems import SpineError
from spine.core.tracing import without_autograph
from spine.dataset.truth import BoxTruth, ClassTruth, MaskTruth, Region
from spine.training.augment.elastic import apply_elastic, apply_elastic_to_masks, draw_elastic
from spine.training.augment.intensity import apply_intensity, draw_intensity
from spine.training.augment.mixing import mix, mix_boxes, mix_labels, mix_masks, mixing_of, weighed
from spine.training.augment.settings import Augmentation
from spine.training.augment.spatial import (
    affine,
    apply_spatial,
    apply_spatial_to_boxes,
    apply_spatial_to_masks,
    draw_spatial,
)
from spine.training.image_cache import MEMORY_LIMIT, ImageCache
from spine.training.network_input import NetworkInput
from spine.training.view import WHOLE, View

__all__ = [
    "augment",
    "augment_together",
    "augment_with_boxes",
    "bootstrap",
    "classification_data",
    "in_order",
    "ordered_batches",
    "segmentation_data",
    "steps_per_epoch",
    "subset",
    "training_batches",
    "with_one_hot_masks",
]

Tensor = Any
AnyTruth = TypeVar("AnyTruth", ClassTruth, MaskTruth, BoxTruth)


def training_batches(samples: int, batch: int, seed: int, first_epoch: int = 0) -> tf.data.Dataset:
    """Endless epochs of (sample numbers (batch,), seed (2,)), each in an order of its own, its last batch short.

    Epoch k is the same whether training reached it or was resumed there with `first_epoch=k`: use it with
    `fit(steps_per_epoch=steps_per_epoch(samples, batch), initial_epoch=k)`. The seed is the batch's own, to augment by.
    """

    def epoch_data(epoch: Tensor) -> tf.data.Dataset:
        own = tf.stack([tf.cast(seed, tf.int64), epoch])
        order = tf.random.experimental.stateless_shuffle(tf.range(samples), own)
        numbers = tf.data.Dataset.from_tensor_slices(order).batch(batch)
        return numbers.enumerate().map(lambda step, chosen: (chosen, tf.random.fold_in(own, step)))

    return tf.data.Dataset.counter(first_epoch).flat_map(epoch_data)


def steps_per_epoch(samples: int, batch: int) -> int:
    """Batches in one epoch of `training_batches`."""
    return math.ceil(samples / batch)


def ordered_batches(samples: int, batch: int) -> tf.data.Dataset:
    """Every sample number once, in order: (batch,), the last one short."""
    return tf.data.Dataset.range(samples).batch(batch)


def augment(images: Tensor, settings: Augmentation, seed: Tensor) -> Tensor:
    """Images (N, H, W, C) float32 in [0, 1], moved and changed in grey levels, each by parameters of its own."""
    return augment_together(images, None, settings, seed)[0]


def augment_together(
    images: Tensor, masks: Tensor | None, settings: Augmentation, seed: Tensor
) -> tuple[Tensor, Tensor | None]:
    """Images as `augment` gives them and their masks (N, H, W, 1) moved with them; 0 comes into a mask from outside."""
    n, height, width = tf.unstack(tf.shape(images)[:3])
    spatial_seed, intensity_seed = tf.unstack(tf.random.split(seed))
    if settings.elastic:
        displacements = draw_elastic(settings, n, tf.random.fold_in(spatial_seed, 1))
        images = apply_elastic(images, displacements)
        masks = None if masks is None else apply_elastic_to_masks(masks, displacements)
    if settings.moves:
        matrices = affine(draw_spatial(settings, n, spatial_seed), height, width)
        images = apply_spatial(images, matrices, settings.fill)
        masks = None if masks is None else apply_spatial_to_masks(masks, matrices)
    return apply_intensity(images, draw_intensity(settings, n, intensity_seed)), masks


def augment_with_boxes(images: Tensor, boxes: Tensor, settings: Augmentation, seed: Tensor) -> tuple[Tensor, Tensor]:
    """Images as `augment` gives them and their boxes (N, M, 4) moved with them; one that left its image becomes zeros.

    x0 y0 x1 y1 in 0-based half-open pixels. Where images are mixed they are (N, 2 M, 4): an image's own, then those of
    the image before. SpineError where the images would bend, which no box can follow.
    """
    if settings.elastic:
        raise SpineError(f"elastic is {settings.elastic}, but boxes cannot follow a bent image; set elastic to 0")
    n, height, width = tf.unstack(tf.shape(images)[:3])
    spatial_seed, intensity_seed = tf.unstack(tf.random.split(seed))
    if settings.moves:
        matrices = affine(draw_spatial(settings, n, spatial_seed), height, width)
        images = apply_spatial(images, matrices, settings.fill)
        boxes, _ = apply_spatial_to_boxes(boxes, matrices, height, width)
    images = apply_intensity(images, draw_intensity(settings, n, intensity_seed))
    if not settings.mixes:
        return images, boxes
    mixing = mixing_of(images, settings, seed)
    return mix(images, mixing), mix_boxes(boxes, mixing)


def classification_data(
    truth: ClassTruth,
    *,
    height: int,
    width: int,
    normalisation: str,
    batch: int,
    augmentation: Augmentation | None = None,
    seed: int = 0,
    training: bool,
    first_epoch: int = 0,
    class_weights: Sequence[float] | None = None,
    memory_limit: int = MEMORY_LIMIT,
    view: View = WHOLE,
) -> tf.data.Dataset:
    """Batches of images (N, height, width, slices) float32 in [0, 1] and one-hot labels (N, C) float32.

    Images are what the `view`, of a known growth, sees of the samples' boxes; without a growth their own pictures. With
    3 `slices` of the view they are so in the slice before and the slice after, too.

    For training endless, shuffled and augmented as `training_batches` tells; else every sample once, in truth's order.
    Mixed images have labels in their shares; with `class_weights` batches for training have a third part, the weights
    of their rows, as `weighed` gives both. SpineError where data that is not for training would be augmented.
    """
    _only_for_training(augmentation, training)
    reads = NetworkInput(height, width, normalisation, view)
    regions = truth.regions if reads.sees_boxes or reads.sees_slices else tuple(map(Region, truth.paths))
    pictures = ImageCache.of_regions(regions, reads, memory_limit)
    one_hot = tf.constant(truth.one_hot)

    def example(samples: Tensor, own_seed: Tensor | None = None) -> tuple[Tensor, ...]:
        images, labels = pictures.batch(samples), tf.gather(one_hot, samples)
        if augmentation is not None:
            images = augment(images, augmentation, own_seed)
            images, labels = mix_labels(images, labels, augmentation, own_seed)
        if training and class_weights is not None:
            return images, *weighed(labels, tf.constant(class_weights, tf.float32))
        return images, labels

    return _batches(len(truth.samples), batch, seed, training, first_epoch, example)


def segmentation_data(
    truth: MaskTruth,
    *,
    height: int,
    width: int,
    normalisation: str,
    batch: int,
    augmentation: Augmentation | None = None,
    seed: int = 0,
    training: bool,
    first_epoch: int = 0,
    memory_limit: int = MEMORY_LIMIT,
) -> tf.data.Dataset:
    """Batches of images (N, height, width, 1) float32 in [0, 1] and one-hot masks (N, height, width, C) float32.

    A pixel without truth, of the letterbox's padding or moved in from outside, is 0 in every class; one of a blended
    image has the shares of both. For training endless, shuffled and augmented as `training_batches` tells; else every
    sample once, in truth's order. SpineError where data that is not for training would be augmented, or a mask holds a
    class without a label.
    """
    _only_for_training(augmentation, training)
    pictures = ImageCache.of(truth.paths, height, width, normalisation, memory_limit)
    stored = ImageCache.of_masks(truth.mask_paths, height, width, memory_limit)
    _refuse_strange_classes(truth, stored)

    def example(samples: Tensor, own_seed: Tensor | None = None) -> tuple[Tensor, Tensor]:
        images, masks = pictures.batch(samples), stored.stored(samples)
        if augmentation is not None:
            images, masks = augment_together(images, masks, augmentation, own_seed)
        return with_one_hot_masks(images, masks, truth, augmentation, own_seed)

    return _batches(len(truth.samples), batch, seed, training, first_epoch, example)


def with_one_hot_masks(
    images: Tensor, masks: Tensor, truth: MaskTruth, augmentation: Augmentation | None = None, seed: Tensor = None
) -> tuple[Tensor, Tensor]:
    """Images (N, H, W, 1) and what is learned of their masks (N, H, W, C), both mixed where the augmentation mixes.

    `masks` (N, H, W, 1) hold class index + 1; where they are 0 no class is true.
    """
    one_hot = tf.one_hot(tf.cast(masks[..., 0], tf.int32) - 1, len(truth.labels))
    return (images, one_hot) if augmentation is None else mix_masks(images, one_hot, augmentation, seed)


def _only_for_training(augmentation: Augmentation | None, training: bool) -> None:
    if augmentation is not None and not training:
        raise SpineError(
            "augmentation was asked for data that is not for training; only training data is augmented, so that "
            "validation and test measure real images: pass augmentation=None"
        )


def _refuse_strange_classes(truth: MaskTruth, stored: ImageCache) -> None:
    for row, mask in enumerate(stored.values):
        if mask.max() > len(truth.labels):
            truth.mask(int(np.flatnonzero(stored.rows == row)[0]))  # tells which file holds what


def _batches(
    count: int, batch: int, seed: int, training: bool, first_epoch: int, example: Callable[..., Any]
) -> tf.data.Dataset:
    numbers = training_batches(count, batch, seed, first_epoch) if training else ordered_batches(count, batch)
    return in_order(numbers, example)


def in_order(numbers: tf.data.Dataset, example: Callable[..., Any]) -> tf.data.Dataset:
    """What `example` makes of batches of sample numbers, several at once, in the order of the batches."""
    options = tf.data.Options()
    options.deterministic = True
    # Pictures live in this process: under a distribution strategy each replica takes its part of every batch.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return numbers.map(without_autograph(example), tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE).with_options(options)


def bootstrap(truth: ClassTruth, seed: int, by: Literal["sample", "patient"] = "sample") -> ClassTruth:
    """A bootstrapped training set (bagging): as many samples, or patients with all of theirs, drawn with replacement.

    Drawn again where a label was lost, of several targets one of any; SpineError where that does not help in 100 draws.
    """
    groups = np.unique(np.array(truth.patients if by == "patient" else truth.samples), return_inverse=True)[1]
    members = [np.flatnonzero(groups == group) for group in range(groups.max() + 1)]
    generator = np.random.default_rng(seed)
    for _ in range(100):
        drawn = generator.integers(len(members), size=len(members))
        chosen = np.concatenate([members[group] for group in drawn])
        if _met(truth.values[chosen]) == _met(truth.values):
            return subset(truth, chosen)
    raise SpineError(
        f"a label of {list(truth.labels)} is too rare to bootstrap {len(members)} {by}s: 100 draws lost one; "
        "train without bagging, or bootstrap by sample"
    )


def _met(values: np.ndarray) -> list[set[int]]:
    """The classes that occur of each target, of values (N,) or (N, T)."""
    return [set(of_target.tolist()) for of_target in values.reshape(len(values), -1).T]


def subset(truth: AnyTruth, rows: Sequence[int] | np.ndarray) -> AnyTruth:
    """The truth of these rows, which may repeat, in their order."""
    columns = {field.name: getattr(truth, field.name) for field in fields(truth) if field.name != "labels"}
    taken: dict[str, Any] = {
        name: column[rows] if isinstance(column, np.ndarray) else tuple(column[row] for row in rows)
        for name, column in columns.items()
    }
    return replace(truth, **taken)
