"""Test-time augmentation inside a SavedModel: a network answers the mean over a picture and its flips.

With both flips the picture turned by both counts, too. Then the flips of a flipped picture are those of the picture, so
the mean is the same: a classifier's answer does not change with a flip, and a segmentation's turns with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import tensorflow as tf

from spine.training.augment.settings import Flip
from spine.training.preprocess import placement

__all__ = ["mean_over_flips", "turned_axes"]

Tensor = Any

_AXES: dict[Flip, int] = {"vertical_flip": 1, "horizontal_flip": 2}  # of (N, H, W, C)


def turned_axes(flips: Sequence[Flip]) -> list[tuple[int, ...]]:
    """The axes of (N, H, W, C) that each picture of the mean is turned along: none, each flip's, and both."""
    axes = sorted({_AXES[flip] for flip in flips})
    return [turned for count in range(len(axes) + 1) for turned in combinations(axes, count)]


def mean_over_flips(
    network: Callable[[Tensor], Tensor],
    inputs: Tensor,
    sizes: Tensor | None,
    flips: Sequence[Flip],
    *,
    of_maps: bool = False,
) -> Tensor:
    """The mean of a network's answers to inputs (N, H, W, 1) and to their flips; maps are turned back.

    `sizes` (N, 2) int32 are the heights and widths of the pictures that were letterboxed, None where nothing pads them.
    A picture is turned about its own middle, as if it had been letterboxed after the flip: where the padding is odd
    that is not the input's middle.
    """
    if not flips:
        return network(inputs)
    height, width = tf.unstack(tf.shape(inputs)[1:3])
    ends = tf.stack([[height - 1, width - 1]]) if sizes is None else _ends(sizes, height, width)
    answers = []
    for axes in turned_axes(flips):
        answer = network(_turned(inputs, ends, axes))
        answers.append(_turned(answer, ends, axes) if of_maps else answer)
    return tf.add_n(answers) / len(answers)


def _ends(sizes: Tensor, height: Tensor, width: Tensor) -> Tensor:
    """First plus last row (N, 0) and column (N, 1) of each picture in its letterbox: what turned places add up to."""

    def of_one(size: Tensor) -> Tensor:
        place = placement(size[0], size[1], height, width)
        return tf.stack([2 * place.top + place.height - 1, 2 * place.left + place.width - 1])

    return tf.map_fn(of_one, sizes)


def _turned(maps: Tensor, ends: Tensor, axes: tuple[int, ...]) -> Tensor:
    ends = tf.broadcast_to(ends, [tf.shape(maps)[0], 2])
    for axis in axes:
        length = tf.shape(maps)[axis]
        # A line of odd padding that would come from outside is the one that is left over on the other side.
        places = (ends[:, axis - 1, tf.newaxis] - tf.range(length)) % length
        maps = tf.ensure_shape(tf.gather(maps, places, axis=axis, batch_dims=1), maps.shape)
    return maps
