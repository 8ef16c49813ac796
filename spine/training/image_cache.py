"""A dataset's pictures and masks as a network reads them, read once and held in memory or in a nameless file."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from spine.core.disk import require_room
from spine.core.problems import SpineError
from spine.core.progress import track
from spine.core.tracing import without_autograph
from spine.dataset.truth import Region
from spine.training.network_input import NetworkInput
from spine.training.preprocess import letterbox_mask
from spine.training.see_boxes import levels_of_files, see_box

__all__ = ["MEMORY_LIMIT", "WHITE", "ImageCache", "read_each", "storage"]

Tensor = Any

MEMORY_LIMIT = 2 * 1024**3  # bytes of cached pictures held in memory; more go to a temporary file
WHITE = 65535


@dataclass(frozen=True)
class ImageCache:
    """Pictures as the network reads them, (N, height, width, C) uint16 where 65535 is 1.0, or masks alike in uint8.

    Half the memory of float32 and 30 times as fine as float16 near white. A mask holds class index + 1, and 0 where the
    letterbox pads. `rows` (samples,) names the picture of each sample, so that one that occurs twice is stored once.
    """

    values: np.ndarray
    rows: np.ndarray

    @classmethod
    def of(
        cls, paths: Sequence[Path], height: int, width: int, how: str, memory_limit: int = MEMORY_LIMIT
    ) -> ImageCache:
        """Read whole pictures: decoded, normalised and letterboxed by `spine.training.preprocess`."""
        return cls.of_regions(list(map(Region, paths)), NetworkInput(height, width, how), memory_limit)

    @classmethod
    def of_regions(cls, regions: Sequence[Region], reads: NetworkInput, memory_limit: int = MEMORY_LIMIT) -> ImageCache:
        """Read boxes in pictures as the network sees them, each box of a picture once, as every SavedModel does."""
        slices = [region.slices if reads.sees_slices else (region.picture,) for region in regions]
        keys = [json.dumps([[*map(str, own)], region.box]) for own, region in zip(slices, regions, strict=True)]
        distinct, rows = np.unique(keys, return_inverse=True)
        told = [json.loads(key) for key in distinct]
        files, boxes = np.array([files for files, _ in told]), np.array([box for _, box in told], np.float32)
        values = storage((len(files), *reads.shape), np.uint16, memory_limit)
        names = [" or ".join(dict.fromkeys(own)) for own in files.tolist()]
        _fill(values, names, lambda name, own, box: _read_box(own, box, reads), files, boxes)
        return cls(values, rows)

    @classmethod
    def of_masks(cls, paths: Sequence[Path], height: int, width: int, memory_limit: int = MEMORY_LIMIT) -> ImageCache:
        """Read the files of class indices and letterbox them to where `of` puts their pictures."""
        files, rows = np.unique([str(path) for path in paths], return_inverse=True)
        values = storage((len(files), height, width, 1), np.uint8, memory_limit)
        _fill(values, files.tolist(), lambda file: _read_mask(file, height, width))
        return cls(values, rows)

    def batch(self, samples: Tensor) -> Tensor:
        """Images (N, height, width, C) float32 in [0, 1] of the samples (N,), inside a tf.data graph."""
        return tf.cast(self.stored(samples), tf.float32) / WHITE

    def stored(self, samples: Tensor) -> Tensor:
        """The samples' (N,) values as they are stored, inside a tf.data graph."""
        chosen = tf.numpy_function(lambda rows: self.values[self.rows[rows]], [samples], self.values.dtype, False)
        chosen.set_shape([None, *self.values.shape[1:]])
        return chosen


def _fill(values: np.ndarray, files: list[str], read: Callable[..., Tensor], *others: np.ndarray) -> None:
    for row, picture in enumerate(read_each(files, read, *others)):
        values[row] = picture


def read_each(files: list[str], read: Callable[..., Tensor], *others: np.ndarray) -> Iterator[np.ndarray]:
    """What `read` makes of each file, and of the row of each of the `others`; SpineError where one is no picture."""
    data = tf.data.Dataset.from_tensor_slices((files, *others)).map(without_autograph(read), tf.data.AUTOTUNE)
    pictures = data.prefetch(tf.data.AUTOTUNE).as_numpy_iterator()
    for row in track(range(len(files)), "preparing pictures"):
        try:
            yield next(pictures)
        except tf.errors.OpError as error:
            raise SpineError(
                f"{files[row]} cannot be read as PNG or JPEG: {error.message}; "
                "see `spine data check`, or build the dataset again"
            ) from error


def _read_box(files: Tensor, box: Tensor, reads: NetworkInput) -> Tensor:
    slices = [levels_of_files(tf.io.read_file(file)) for file in tf.unstack(files)]
    return tf.cast(tf.round(see_box(slices, box, reads) * WHITE), tf.uint16)


def _read_mask(file: Tensor, height: int, width: int) -> Tensor:
    mask = tf.io.decode_png(tf.io.read_file(file), channels=1)
    return letterbox_mask(mask[tf.newaxis] + 1, height, width)[0]


def storage(shape: tuple[int, ...], kind: type, memory_limit: int) -> np.ndarray:
    """Room for pictures of that shape and dtype: in memory, or above `memory_limit` bytes in a file without a name."""
    if (size := math.prod(shape) * np.dtype(kind).itemsize) <= memory_limit:
        return np.empty(shape, kind)
    # A mapped file ends the process on a full disk.
    require_room(Path(tempfile.gettempdir()), size, "what training reads, more than is kept in memory,")
    # The file has no name: it goes with the process, however that ends, so no cache can be stale or half-written.
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, kind, "w+", shape=shape)
