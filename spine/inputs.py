"""A dataset's pictures on their way to training: prepared once, shuffled anew each epoch, augmented in the graph.

`Prepared`, `training_batches` and `ordered_batches` know no task: a task maps its own tensors over the batches of row
numbers that they give. `classification_data` is the first to do so.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tensorflow as tf
from rich import get_console
from rich.progress import track

from spine.augment.intensity import apply_intensity, draw_intensity
from spine.augment.settings import Augmentation
from spine.augment.spatial import affine, apply_spatial, draw_spatial
from spine.preprocess import decode, prepare
from spine.problems import SpineError
from spine.truth import Truth

__all__ = [
    "MEMORY_LIMIT",
    "Prepared",
    "augment",
    "bootstrap",
    "classification_data",
    "ordered_batches",
    "steps_per_epoch",
    "training_batches",
]

Tensor = Any

MEMORY_LIMIT = 2 * 1024**3  # bytes of prepared pictures held in memory; more go to a temporary file
_WHITE = 65535


@dataclass(frozen=True)
class Prepared:
    """Pictures as the network reads them: (N, height, width, 1) uint16, where 65535 is 1.0.

    Half the memory of float32 and 30 times as fine as float16 near white. `rows` (samples,) names the picture of each
    sample, so that a sample that occurs twice is stored once.
    """

    values: np.ndarray
    rows: np.ndarray

    @classmethod
    def of(cls, paths: Sequence[Path], height: int, width: int, how: str, memory_limit: int = MEMORY_LIMIT) -> Prepared:
        """Read, decode, normalise and letterbox the files by `spine.preprocess`, as every SavedModel does."""
        files, rows = np.unique([str(path) for path in paths], return_inverse=True)
        values = _storage((len(files), height, width, 1), memory_limit)
        _fill(values, files.tolist(), height, width, how)
        return cls(values, rows)

    def batch(self, samples: Tensor) -> Tensor:
        """Images (N, height, width, 1) float32 in [0, 1] of the samples (N,), inside a tf.data graph."""
        stored = tf.numpy_function(lambda chosen: self.values[self.rows[chosen]], [samples], tf.uint16, False)
        stored.set_shape([None, *self.values.shape[1:]])
        return tf.cast(stored, tf.float32) / _WHITE


def _fill(values: np.ndarray, files: list[str], height: int, width: int, how: str) -> None:
    data = tf.data.Dataset.from_tensor_slices(files).map(lambda file: _read(file, height, width, how), tf.data.AUTOTUNE)
    pictures = data.prefetch(tf.data.AUTOTUNE).as_numpy_iterator()
    silent = not get_console().is_terminal
    for row in track(range(len(files)), "Preparing pictures", transient=True, disable=silent):
        try:
            values[row] = next(pictures)
        except tf.errors.OpError as error:
            raise SpineError(
                f"{files[row]} cannot be read as PNG or JPEG: {error.message}; "
                "see `spine data check`, or build the dataset again"
            ) from error


def _read(file: Tensor, height: int, width: int, how: str) -> Tensor:
    image = prepare(decode(tf.io.read_file(file))[tf.newaxis], height, width, how)[0]
    return tf.cast(tf.round(image * _WHITE), tf.uint16)


def _storage(shape: tuple[int, ...], memory_limit: int) -> np.ndarray:
    if math.prod(shape) * np.dtype(np.uint16).itemsize <= memory_limit:
        return np.empty(shape, np.uint16)
    # The file has no name: it goes with the process, however that ends, so no cache can be stale or half-written.
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, np.uint16, "w+", shape=shape)


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
    n, height, width = tf.unstack(tf.shape(images)[:3])
    spatial_seed, intensity_seed = tf.unstack(tf.random.split(seed))
    if settings.moves:
        matrices = affine(draw_spatial(settings, n, spatial_seed), height, width)
        images = apply_spatial(images, matrices, settings.fill)
    return apply_intensity(images, draw_intensity(settings, n, intensity_seed))


def classification_data(
    truth: Truth,
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
    """Batches of images (N, height, width, 1) float32 in [0, 1] and one-hot labels (N, C) float32.

    For training endless, shuffled and augmented as `training_batches` tells; else every sample once, in truth's order.
    SpineError where data that is not for training would be augmented.
    """
    if augmentation is not None and not training:
        raise SpineError(
            "augmentation was asked for data that is not for training; only training data is augmented, so that "
            "validation and test measure real images: pass augmentation=None"
        )
    pictures = Prepared.of(truth.paths, height, width, normalisation, memory_limit)
    one_hot = tf.one_hot(truth.values, len(truth.labels))

    def example(samples: Tensor, own_seed: Tensor | None = None) -> tuple[Tensor, Tensor]:
        images = pictures.batch(samples)
        if augmentation is not None:
            images = augment(images, augmentation, own_seed)
        return images, tf.gather(one_hot, samples)

    count = len(truth.samples)
    batches = training_batches(count, batch, seed, first_epoch) if training else ordered_batches(count, batch)
    return batches.map(example, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE).with_options(_options())


def _options() -> tf.data.Options:
    options = tf.data.Options()
    options.deterministic = True
    # Pictures live in this process: under a distribution strategy each replica takes its part of every batch.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return options


def bootstrap(truth: Truth, seed: int, by: Literal["sample", "patient"] = "sample") -> Truth:
    """A bootstrapped training set (bagging): as many samples, or patients with all of theirs, drawn with replacement.

    Drawn again where a label was lost; SpineError where that does not help in 100 draws.
    """
    groups = np.unique(np.array(truth.patients if by == "patient" else truth.samples), return_inverse=True)[1]
    members = [np.flatnonzero(groups == group) for group in range(groups.max() + 1)]
    generator = np.random.default_rng(seed)
    for _ in range(100):
        drawn = generator.integers(len(members), size=len(members))
        chosen = np.concatenate([members[group] for group in drawn])
        if set(truth.values[chosen]) == set(truth.values):
            return _take(truth, chosen)
    raise SpineError(
        f"a label of {list(truth.labels)} is too rare to bootstrap {len(members)} {by}s: 100 draws lost one; "
        "train without bagging, or bootstrap by sample"
    )


def _take(truth: Truth, chosen: np.ndarray) -> Truth:
    columns = {
        name: tuple(getattr(truth, name)[i] for i in chosen)
        for name in ("samples", "patients", "units", "paths", "sizes")
    }
    return replace(truth, values=truth.values[chosen], **columns)
