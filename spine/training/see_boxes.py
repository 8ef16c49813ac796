"""Boxes in pictures -> what networks read, each by its own view: of training, and of what is served."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import tensorflow as tf

from spine.training.expand_box import expand_boxes
from spine.training.network_input import NetworkInput
from spine.training.preprocess import decode, fit, normalise

__all__ = [
    *("BOXES", "WHOLE_PICTURE", "LevelsOf", "Slices", "levels_of_files", "levels_of_images", "or_itself"),
    *("prepare_boxes", "require_boxes", "see_box", "slices_of_files", "whole"),
]

Tensor = Any
LevelsOf = Callable[[str], Tensor]  # a normalisation's name -> a picture (H, W, 1) with its grey levels stretched so
Slices = Sequence[LevelsOf]  # a picture; or the slice before, the picture and the slice after, of any sizes

BOXES = tf.TensorSpec([None, 4], tf.float32, name="boxes")  # of the signature `regions`: y0 x0 y1 x1 in [0, 1]
WHOLE_PICTURE = (0.0, 0.0, 1.0, 1.0)  # the box of a picture that shows nothing else


def see_box(slices: Slices, box: Tensor, read: NetworkInput) -> Tensor:
    """The network input (height, width, channels) of a box (4,), y0 x0 y1 x1 in [0, 1] of its picture.

    A network of several slices sees the box in each of them, in a picture alone as often; others in the picture.
    """
    return _see(slices, box, read)[0]


def _see(slices: Slices, box: Tensor, read: NetworkInput) -> tuple[Tensor, Tensor]:
    """The same, and the height and width (2,) int32 of what is seen of the picture."""
    count, picture = read.view.slices, slices[len(slices) // 2]
    shown = slices if len(slices) == count else [picture] * count
    seen = [_view_of_box(levels_of, box, read) for levels_of in shown]
    channels = [fit(one, read.height, read.width, read.view.aspect)[0] for one in seen]
    return tf.concat(channels, axis=-1), tf.shape(seen[count // 2])[1:3]


def _view_of_box(levels_of: LevelsOf, box: Tensor, read: NetworkInput) -> Tensor:
    """What a network sees of a box, (1, H, W, 1), before it is fitted to the network's size."""
    by_picture = read.view.levels == "picture"
    picture = levels_of(read.normalisation if by_picture else "none")
    y0, x0, y1, x1 = tf.unstack(expand_boxes(box[tf.newaxis], read.view.grow or 0.0, tf.shape(picture)[:2])[0])
    seen = picture[tf.newaxis, y0:y1, x0:x1]
    return seen if by_picture else normalise(seen, read.normalisation)


def prepare_boxes(
    slices_of: Callable[[Any], Slices], elements: Any, boxes: Tensor, reads: Sequence[NetworkInput]
) -> tuple[list[Tensor], list[Tensor]]:
    """Each of the network inputs (N, height, width, channels) of boxes (N, 4), and its sizes (N, 2) int32: of what it
    sees of the picture.

    `slices_of` gives the picture of one row of the `elements`, tensors (N, ...) such as files, alone or with its
    neighbours.
    """

    def prepare_one(row: tuple[Any, Tensor]) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        slices = slices_of(row[0])
        inputs, sizes = zip(*(_see(slices, row[1], read) for read in reads), strict=True)
        return inputs, sizes

    inputs = tuple(tf.TensorSpec(read.shape, tf.float32) for read in reads)
    specs = inputs, tuple(tf.TensorSpec([2], tf.int32) for _ in reads)
    prepared, sizes = tf.map_fn(prepare_one, (elements, boxes), fn_output_signature=specs)
    return list(prepared), list(sizes)


def levels_of_files(file: Tensor) -> LevelsOf:
    """Of a PNG or JPEG file's bytes, decoded once."""
    picture = decode(file)
    return cache(lambda how: normalise(picture, how))


def slices_of_files(files: Sequence[Tensor]) -> Slices:
    """Of the bytes of a picture's file; or of those of the slice before, the picture and the slice after."""
    return [levels_of_files(file) for file in files]


def levels_of_images(images: Tensor, reads: Sequence[NetworkInput]) -> Callable[[Tensor], LevelsOf]:
    """By the number of one of the grey images (N, H, W, 1); each is stretched once, however many boxes it has."""
    asked = {"none", *(read.normalisation for read in reads if read.view.levels == "picture")}
    stretched = {how: normalise(images, how) for how in sorted(asked)}
    return lambda number: lambda how: stretched[how][number]


def or_itself(neighbours: Tensor, files: Tensor) -> Tensor:
    """The files (N) string of slices next to pictures, and of a picture its own file where that is empty."""
    return tf.where(neighbours == "", files, neighbours)


def require_boxes(boxes: Tensor) -> Tensor:
    """The same boxes; an error in the graph where one is none: turned about, without numbers, or off the picture."""
    first, last = boxes[:, :2], boxes[:, 2:]
    within = tf.reduce_all((first <= last) & (first <= 1) & (last >= 0) & tf.math.is_finite(last - first))
    message = "boxes are y0 x0 y1 x1 in [0, 1] of their pictures, with y0 <= y1 and x0 <= x1; received"
    with tf.control_dependencies([tf.debugging.Assert(within, [message, boxes])]):
        return tf.identity(boxes)


def whole(files: Tensor) -> Tensor:
    """The boxes (N, 4) of whole pictures, one for each of the files (N)."""
    return tf.tile([WHOLE_PICTURE], [tf.shape(files)[0], 1])
