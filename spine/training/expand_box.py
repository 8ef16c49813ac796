"""Boxes in the graph -> whole pixels to cut out, as `spine.intake.crop.expand_box` has it."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

__all__ = ["expand_boxes"]

Tensor = Any


def expand_boxes(boxes: Tensor, fraction: float, size: Tensor) -> Tensor:
    """Boxes (K, 4), y1 x1 y2 x2 in [0, 1], grown by `fraction` -> whole pixels y0 x0 y1 x1 (K, 4) int32.

    Rounded outwards, cut off at the edges of an image of `size` (height, width), and at least one pixel each way.
    Corners are first rounded to a thousandth of a pixel, beyond which float32 does not reach.
    """
    extent = tf.cast(size, tf.float64)
    corners = tf.cast(tf.reshape(boxes, [-1, 2, 2]), tf.float64) * extent
    first, last = tf.unstack(tf.round(corners * 1e3) / 1e3, axis=1)
    spread = (last - first) * fraction / 2
    start = tf.maximum(tf.floor(_settled(first - spread)), 0.0)
    stop = tf.minimum(tf.math.ceil(_settled(last + spread)), extent)
    start = tf.minimum(start, extent - 1)
    return tf.cast(tf.concat([start, tf.maximum(stop, start + 1)], axis=1), tf.int32)


def _settled(values: Tensor) -> Tensor:
    return tf.round(values * 1e6) / 1e6  # 5 % of a whole number must not spill over by a rounding error
