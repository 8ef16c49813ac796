"""A network of any input size as a SavedModel: whole pictures at their own resolution, very large ones in tiles."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from segmentation.config import Settings
from spine.core.tracing import without_autograph
from spine.member.serving import for_any_number
from spine.training.mean_over_flips import mean_over_flips
from spine.training.preprocess import decode_alike, normalise, to_grey
from spine.training.served import FILES, IMAGES

__all__ = ["MOST_AT_ONCE", "TILE", "ServedOwnSize"]

Tensor = Any

MOST_AT_ONCE = 2**21  # pixels that go through the network together; memory stays bounded however large a picture is
TILE = 1024  # pixels, the sides of a tile of a picture that is larger than that


class ServedOwnSize(tf.Module):
    """A segmentation network without a size: each signature gives `probabilities` (N, H, W, C) float32.

    `serving_default(image_bytes: string [N])` takes PNG or JPEG files of one size, `image(image: float32 [N, H, W, 1 or
    3] in [0, 1])` decoded images. Nothing is resized: pictures are padded to the network's multiple, in the middle, and
    the answer is cut out. What is larger than `most` pixels is answered in overlapping tiles, whose answers are
    averaged by Gaussian weights: Isensee et al. 2021, "nnU-Net".
    """

    def __init__(self, network: Any, settings: Settings, most: int = MOST_AT_ONCE, tile: int = TILE) -> None:
        super().__init__(name="segmenter")
        multiple, least, classes = settings.multiple, settings.least_size, network.output_shape[-1]
        tile = math.ceil(max(tile, least) / multiple) * multiple

        @tf.function(input_signature=[tf.TensorSpec([None, None, None, 1], tf.float32)])
        @without_autograph
        def answer_padded(images: Tensor) -> Tensor:
            return tf.cast(network(images, training=False), tf.float32)

        def answer_whole(images: Tensor) -> Tensor:
            size = tf.shape(images)[1:3]
            padded = -(-tf.maximum(size, least) // multiple) * multiple
            top, left = tf.unstack((padded - size) // 2)
            framed = tf.image.pad_to_bounding_box(images, top, left, padded[0], padded[1])
            return answer_padded(framed)[:, top : top + size[0], left : left + size[1]]

        def answer_one(image: Tensor) -> Tensor:
            fits = tf.size(image) <= most
            alone = image[tf.newaxis]
            return tf.cond(fits, lambda: answer_whole(alone), lambda: in_tiles(answer_whole, alone, tile, classes))[0]

        def answer_all(grey: Tensor) -> Tensor:
            spec = tf.TensorSpec([None, None, classes], tf.float32)
            answers = tf.cond(
                tf.size(grey) <= most,
                lambda: answer_whole(grey),
                lambda: tf.map_fn(answer_one, grey, fn_output_signature=spec),
            )
            return tf.ensure_shape(answers, [None, None, None, classes])

        def of_images(images: Tensor) -> dict[str, Tensor]:
            grey = normalise(to_grey(images), settings.normalisation)
            answers = mean_over_flips(answer_all, grey, None, settings.test_time, of_maps=True)
            return {"probabilities": answers / tf.reduce_sum(answers, axis=-1, keepdims=True)}

        # Only the variables are tracked: the saved graph then holds no Keras object, and loads where there is none.
        self.variables_of_network = [variable.value for variable in network.variables]
        self.serving_default = tf.function(
            for_any_number(lambda files: of_images(decode_alike(files))), input_signature=[FILES]
        )
        self.image = tf.function(for_any_number(of_images), input_signature=[IMAGES])


def in_tiles(answer: Any, images: Tensor, tile: int, classes: int) -> Tensor:
    """What `answer` says of images (N, H, W, 1), tile by tile: (N, H, W, classes).

    Each tile overlaps the next by half or more. There a pixel's answer is the mean of theirs in the weights of
    `_gaussian`: a tile knows least of what lies around its edges.
    """
    height, width = tf.unstack(tf.shape(images)[1:3])
    rows, columns = tf.minimum(tile, height), tf.minimum(tile, width)
    tops, lefts = _starts(height, rows), _starts(width, columns)
    corners = tf.reshape(tf.stack(tf.meshgrid(tops, lefts, indexing="ij"), axis=-1), [-1, 2])
    weights = (_gaussian(rows)[:, tf.newaxis] * _gaussian(columns))[tf.newaxis, :, :, tf.newaxis]

    def laid_out(values: Tensor, corner: Tensor) -> Tensor:
        below, right = height - rows - corner[0], width - columns - corner[1]
        return tf.pad(values, [[0, 0], [corner[0], below], [corner[1], right], [0, 0]])

    def add(number: Tensor, total: Tensor, counted: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        corner = corners[number]
        part = images[:, corner[0] : corner[0] + rows, corner[1] : corner[1] + columns]
        total += laid_out(answer(part) * weights, corner)
        return number + 1, total, counted + laid_out(weights, corner)

    nothing = tf.zeros([tf.shape(images)[0], height, width, classes]), tf.zeros([1, height, width, 1])
    shapes = tf.TensorShape([]), tf.TensorShape([None, None, None, classes]), tf.TensorShape([1, None, None, 1])
    _, total, counted = tf.while_loop(
        lambda number, *_: number < tf.shape(corners)[0], add, (0, *nothing), shape_invariants=shapes
    )
    return total / counted


def _starts(side: Tensor, tile: Tensor) -> Tensor:
    """Where the tiles of a side begin, evenly: half a tile or less apart, the first and the last at its ends."""
    steps = -(-(side - tile) * 2 // tile)
    places = tf.linspace(0.0, tf.cast(side - tile, tf.float32), steps + 1)
    return tf.cast(tf.round(places), tf.int32)


def _gaussian(side: Tensor) -> Tensor:
    """Weights (side,) of a tile's pixels, 1 in the middle; the standard deviation is an eighth of the side."""
    place = tf.cast(tf.range(side), tf.float32) - tf.cast(side - 1, tf.float32) / 2
    return tf.exp(-0.5 * tf.square(place / (tf.cast(side, tf.float32) / 8)))
