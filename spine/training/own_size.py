"""Pictures and masks at their own sizes on their way to training: in patches that are drawn anew each epoch, or whole.

Nothing is resized. A picture holds what its SavedModel normalises, a mask class index + 1; both are 0 outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from spine.core.problems import SpineError
from spine.dataset.truth import MaskTruth
from spine.training.augment.settings import Augmentation
from spine.training.image_cache import MEMORY_LIMIT, WHITE, read_each, storage
from spine.training.inputs import augment_together, in_order, ordered_batches, training_batches, with_one_hot_masks
from spine.training.preprocess import decode, normalise, to_grey

__all__ = ["MARGIN", "OwnSizeCache", "Window", "patch_data", "whole_data"]

Tensor = Any
MARGIN = 0.125  # of a patch's sides, on each of them: what an augmentation that moves brings in from beside it
_PIXELS = 1000  # of each class and picture that patches are drawn around, spread evenly over all of them


class Window(NamedTuple):
    """A part of a picture: rows and columns from `top` and `left` on, which may lie outside; in pixels."""

    top: int
    left: int
    height: int
    width: int

    @classmethod
    def centred(cls, size: tuple[int, int], height: int, width: int) -> Window:
        """The whole of a picture of that size (H, W) in the middle of a larger window, or its middle in a smaller."""
        return cls(-((height - size[0]) // 2), -((width - size[1]) // 2), height, width)

    def grown(self, rows: int, columns: int) -> Window:
        """So many more on each side."""
        return Window(self.top - rows, self.left - columns, self.height + 2 * rows, self.width + 2 * columns)

    def of(self, picture: np.ndarray) -> np.ndarray:
        """What it shows of a picture (H, W), 0 outside."""
        shown = np.zeros((self.height, self.width), picture.dtype)
        y, x = max(self.top, 0), max(self.left, 0)
        inside = picture[y : max(self.top + self.height, 0), x : max(self.left + self.width, 0)]
        rows, columns = y - self.top, x - self.left
        shown[rows : rows + inside.shape[0], columns : columns + inside.shape[1]] = inside
        return shown


@dataclass(frozen=True)
class OwnSizeCache:
    """Pictures uint16, where 65535 is 1.0, and masks uint8, each kind in one row of pixels, read once.

    `starts` (files + 1,) is where each file's pixels begin, `sizes` (files, 2) its height and width, `rows` (samples,)
    names the file of each sample. `classes` holds, of each file, pixels (n,) of every class in it but the background.
    """

    pictures: np.ndarray
    masks: np.ndarray
    starts: np.ndarray
    sizes: np.ndarray
    rows: np.ndarray
    classes: tuple[tuple[np.ndarray, ...], ...]

    @classmethod
    def of(cls, truth: MaskTruth, how: str, memory_limit: int = MEMORY_LIMIT) -> OwnSizeCache:
        """Read, decode and normalise each picture as its SavedModel does, and its mask; each file once.

        SpineError where a file cannot be read, has another size than the dataset tells, or a mask a class without a
        label.
        """
        files, firsts, rows = np.unique([str(path) for path in truth.paths], return_index=True, return_inverse=True)
        sizes = np.array(truth.sizes)[firsts]
        starts = np.concatenate([[0], np.cumsum(sizes.prod(axis=1))])
        pictures, masks = (storage((int(starts[-1]),), kind, memory_limit) for kind in (np.uint16, np.uint8))
        classes = []
        for file, picture in enumerate(read_each(files.tolist(), lambda file: _read(file, how))):
            if picture.shape != tuple(sizes[file]):
                told = tuple(sizes[file].tolist())
                raise SpineError(f"{files[file]} is {picture.shape}, and {told} to the dataset; build it again")
            mask = truth.mask(int(firsts[file]))
            for values, pixels in ((pictures, picture), (masks, mask + 1)):
                values[starts[file] : starts[file + 1]] = pixels.ravel()
            classes.append(_pixels_of_classes(mask.ravel()))
        return cls(pictures, masks, starts, sizes, rows, tuple(classes))

    def show(self, sample: int, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """A window (height, width) of a sample's picture and of its mask."""
        file = self.rows[sample]
        place = slice(self.starts[file], self.starts[file + 1])
        picture, mask = (values[place].reshape(self.sizes[file]) for values in (self.pictures, self.masks))
        return window.of(picture), window.of(mask)

    def draw(self, sample: int, height: int, width: int, foreground: float, random: np.random.Generator) -> Window:
        """A window within a sample's picture: with the chance `foreground` around a pixel of a class, else anywhere.

        The class is drawn first, so that small ones are seen as often as large ones. A picture that is smaller lies in
        the middle.
        """
        file = self.rows[sample]
        size, classes = self.sizes[file], self.classes[file]
        if random.random() < foreground and classes:
            pixels = classes[random.integers(len(classes))]
            at = np.array(divmod(int(pixels[random.integers(len(pixels))]), int(size[1])))
            corner = at - (height // 2, width // 2)
        else:
            corner = random.integers(np.maximum(size - (height, width), 0) + 1)
        whole = Window.centred((int(size[0]), int(size[1])), height, width)
        top, left = (
            int(np.clip(start, 0, side - shown)) if side > shown else middle
            for start, side, shown, middle in zip(corner, size, (height, width), whole[:2], strict=True)
        )
        return Window(top, left, height, width)


def _pixels_of_classes(mask: np.ndarray) -> tuple[np.ndarray, ...]:
    found = (np.flatnonzero(mask == label) for label in np.unique(mask) if label)
    return tuple(pixels[:: -(-len(pixels) // _PIXELS)].astype(np.int32) for pixels in found)


def _read(file: Tensor, how: str) -> Tensor:
    image = normalise(to_grey(decode(tf.io.read_file(file))), how)
    return tf.cast(tf.round(image * WHITE), tf.uint16)[..., 0]


def patch_data(
    truth: MaskTruth,
    *,
    height: int,
    width: int,
    normalisation: str,
    batch: int,
    foreground: float,
    augmentation: Augmentation | None = None,
    seed: int = 0,
    first_epoch: int = 0,
    memory_limit: int = MEMORY_LIMIT,
) -> tf.data.Dataset:
    """Endless shuffled batches of patches (N, height, width, 1) float32 in [0, 1] and one-hot masks (N, ..., C).

    As `segmentation_data` gives pictures for training, a patch of each sample an epoch, drawn by `OwnSizeCache.draw`.
    What moves is drawn with a margin, so that what comes in is the picture's own as far as it goes.
    """
    stored = OwnSizeCache.of(truth, normalisation, memory_limit)
    moves = augmentation is not None and (augmentation.moves or augmentation.elastic)
    rows, columns = (int(np.ceil(MARGIN * side)) if moves else 0 for side in (height, width))

    def drawn(samples: np.ndarray, own_seed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        random = np.random.default_rng(own_seed.view(np.uint64))
        windows = [stored.draw(sample, height, width, foreground, random) for sample in samples]
        return _stacked(stored, samples, [window.grown(rows, columns) for window in windows])

    def example(samples: Tensor, own_seed: Tensor) -> tuple[Tensor, Tensor]:
        images, masks = _in_graph(drawn, [samples, own_seed], height + 2 * rows, width + 2 * columns)
        if augmentation is not None:
            images, masks = augment_together(images, masks, augmentation, own_seed)
        images, masks = (part[:, rows : rows + height, columns : columns + width] for part in (images, masks))
        return with_one_hot_masks(images, masks, truth, augmentation, own_seed)

    return in_order(training_batches(len(truth.samples), batch, seed, first_epoch), example)


def whole_data(
    truth: MaskTruth, *, multiple: int, least: int, normalisation: str, batch: int, memory_limit: int = MEMORY_LIMIT
) -> tf.data.Dataset:
    """Every whole picture once, in order, and its one-hot mask: (N, H, W, 1) and (N, H, W, C).

    Of a batch all lie in the middle of the size of the largest, `least` pixels or more on each side, a `multiple`.
    """
    stored = OwnSizeCache.of(truth, normalisation, memory_limit)

    def shown(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sizes = stored.sizes[stored.rows[samples]]
        height, width = (int(np.ceil(max(side, least) / multiple)) * multiple for side in sizes.max(axis=0))
        return _stacked(stored, samples, [Window.centred((int(y), int(x)), height, width) for y, x in sizes])

    def example(samples: Tensor) -> tuple[Tensor, Tensor]:
        return with_one_hot_masks(*_in_graph(shown, [samples], None, None), truth)

    return in_order(ordered_batches(len(truth.samples), batch), example)


def _stacked(
    stored: OwnSizeCache, samples: Sequence[int] | np.ndarray, windows: Sequence[Window]
) -> tuple[np.ndarray, np.ndarray]:
    shown = [stored.show(sample, window) for sample, window in zip(samples, windows, strict=True)]
    pictures, masks = (np.stack(part)[..., np.newaxis] for part in zip(*shown, strict=True))
    return pictures, masks


def _in_graph(make: Any, inputs: list[Tensor], height: int | None, width: int | None) -> tuple[Tensor, Tensor]:
    """Images float32 in [0, 1] and masks uint8, both (N, height, width, 1), of what `make` gives in NumPy."""
    pictures, masks = tf.numpy_function(make, inputs, (tf.uint16, tf.uint8), False)
    for part in (pictures, masks):
        part.set_shape([None, height, width, 1])
    return tf.cast(pictures, tf.float32) / WHITE, masks
