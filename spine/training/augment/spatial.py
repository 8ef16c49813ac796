"""Spatial augmentation: one affine matrix an image moves its pixels, its mask and its boxes together."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import tensorflow as tf

from spine.training.augment.settings import Augmentation

__all__ = [
    "SpatialParameters",
    "affine",
    "apply_spatial",
    "apply_spatial_to_boxes",
    "apply_spatial_to_masks",
    "draw_spatial",
]

Tensor = Any


class SpatialParameters(NamedTuple):
    """How each of N images is moved: float32 tensors (N,)."""

    rotation: Tensor  # degrees, counter-clockwise about the image's centre
    scale: Tensor  # 1.2 shows things larger
    shift_y: Tensor  # fraction of the height, positive is down
    shift_x: Tensor  # fraction of the width, positive is right
    flip_y: Tensor  # -1 turns upside down, 1 does not
    flip_x: Tensor  # -1 mirrors left and right, 1 does not


def draw_spatial(settings: Augmentation, n: Tensor, seed: Tensor) -> SpatialParameters:
    """Parameters of n images; the same seed, an integer tensor (2,), draws the same ones."""
    uniform = tf.random.stateless_uniform([7, n], seed)
    applied = tf.cast(uniform[0] < settings.probability, tf.float32)

    def value(row: int, interval: tuple[float, float]) -> Tensor:
        low, high = interval
        return applied * (low + (high - low) * uniform[row])

    def sign(row: int, chance: float) -> Tensor:
        return 1 - 2 * applied * tf.cast(uniform[row] < chance, tf.float32)

    vertical, horizontal = settings.shifts
    return SpatialParameters(
        rotation=value(1, settings.rotation),
        scale=1 + value(2, settings.zoom),
        shift_y=value(3, vertical),
        shift_x=value(4, horizontal),
        flip_y=sign(5, settings.vertical_flip),
        flip_x=sign(6, settings.horizontal_flip),
    )


def affine(parameters: SpatialParameters, height: Tensor, width: Tensor) -> Tensor:
    """Matrices (N, 2, 3) that take a point (x, y, 1) of the image to where it is moved.

    In 0-based pixels with pixel edges on integers, as boxes are. Flip, zoom and rotation about the centre, then shift.
    """
    height, width = tf.cast(height, tf.float32), tf.cast(width, tf.float32)
    angle = parameters.rotation * (math.pi / 180)
    cos, sin = parameters.scale * tf.cos(angle), parameters.scale * tf.sin(angle)
    xx, xy = cos * parameters.flip_x, sin * parameters.flip_y  # y points down, so counter-clockwise has +sin here
    yx, yy = -sin * parameters.flip_x, cos * parameters.flip_y
    x = (0.5 + parameters.shift_x) * width - (xx * width + xy * height) / 2
    y = (0.5 + parameters.shift_y) * height - (yx * width + yy * height) / 2
    return tf.stack([tf.stack([xx, xy, x], -1), tf.stack([yx, yy, y], -1)], axis=1)


def apply_spatial(images: Tensor, matrices: Tensor, fill: str) -> Tensor:
    """Images (N, H, W, C) moved by `affine` matrices (N, 2, 3), bilinear; `fill` is what comes in from outside."""
    return _transform(images, matrices, "BILINEAR", fill)


def apply_spatial_to_masks(masks: Tensor, matrices: Tensor) -> Tensor:
    """Class indices (N, H, W, C) moved by matrices (N, 2, 3) to the nearest pixel; 0 comes in from outside.

    Background, whatever fills the image: what is made up there is not anatomy to be learned.
    """
    return _transform(masks, matrices, "NEAREST", "constant")


def _transform(images: Tensor, matrices: Tensor, interpolation: str, fill: str) -> Tensor:
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=_projections(matrices),
        output_shape=tf.shape(images)[1:3],
        fill_value=0.0,
        interpolation=interpolation,
        fill_mode=fill.upper(),
    )
    return tf.ensure_shape(moved, images.shape)


def _projections(matrices: Tensor) -> Tensor:
    """The op's own form (N, 8): from each moved pixel back to its source, with pixel centres on integers."""
    matrix, offset = matrices[:, :, :2], matrices[:, :, 2:]
    back = tf.linalg.inv(matrix)
    centre = tf.fill(tf.shape(offset), 0.5)
    start = back @ (centre - offset) - centre
    rows = tf.concat([back, start], axis=2)
    return tf.concat([tf.reshape(rows, [-1, 6]), tf.zeros([tf.shape(rows)[0], 2])], axis=1)


def apply_spatial_to_boxes(boxes: Tensor, matrices: Tensor, height: Tensor, width: Tensor) -> tuple[Tensor, Tensor]:
    """Boxes (N, M, 4) moved by matrices (N, 2, 3), and which of them (N, M) are still there.

    x0 y0 x1 y1 in 0-based half-open float pixels. A box becomes the bounds of the ellipse that it holds, moved and
    clipped to the image: what a box is drawn around seldom fills its corners, whose bounds would grow with every
    rotation (Kalra et al., ICCV 2021). One whose centre leaves the image, or that had no area, becomes zeros and
    False: the sliver of a disc is no disc.
    """
    x0, y0, x1, y1 = tf.unstack(boxes, axis=-1)
    linear, translation = matrices[:, :, :2], matrices[:, :, 2]
    centre = tf.einsum("nij,jnm->inm", linear, tf.stack([x0 + x1, y0 + y1]) / 2) + tf.transpose(translation)[..., None]
    half = tf.sqrt(tf.einsum("nij,jnm->inm", linear**2, (tf.stack([x1 - x0, y1 - y0]) / 2) ** 2))
    limits = tf.cast(tf.stack([width, height]), tf.float32)[:, tf.newaxis, tf.newaxis]
    low, high = tf.clip_by_value(centre - half, 0.0, limits), tf.clip_by_value(centre + half, 0.0, limits)
    there = (x1 > x0) & (y1 > y0) & tf.reduce_all((centre > 0) & (centre < limits), axis=0)
    return tf.stack([low[0], low[1], high[0], high[1]], -1) * tf.cast(there, tf.float32)[..., tf.newaxis], there
