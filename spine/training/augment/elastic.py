"""Elastic deformation: a smooth field of displacements moves an image and its mask together.

Displacements of a coarse grid of points, drawn evenly and interpolated between them, as in Ronneberger et al. 2015 (the
U-Net). Boxes are not moved: a bent box is no box, so detection leaves elastic deformation out.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from spine.training.augment.settings import Augmentation

__all__ = ["POINTS", "apply_elastic", "apply_elastic_to_masks", "draw_elastic"]

Tensor = Any

POINTS = 5  # of the grid, along each side


def draw_elastic(settings: Augmentation, n: Tensor, seed: Tensor) -> Tensor:
    """Displacements (n, POINTS, POINTS, 2) of n images, along y and x as fractions of height and width."""
    applied_seed, seed = tf.unstack(tf.random.split(seed))
    applied = tf.random.stateless_uniform([n, 1, 1, 1], applied_seed) < settings.probability
    drawn = tf.random.stateless_uniform([n, POINTS, POINTS, 2], seed, -settings.elastic, settings.elastic)
    return tf.where(applied, drawn, 0.0)


def apply_elastic(images: Tensor, displacements: Tensor) -> Tensor:
    """Images (N, H, W, C) float32: each pixel shows what lies at its own place plus its displacement, bilinear.

    The nearest pixel of the image's edge comes in from outside.
    """
    places = _places(images, displacements)
    low = tf.floor(places)
    part = places - low
    rows, columns = part[..., :1], part[..., 1:]
    right, below = tf.constant([0.0, 1.0]), tf.constant([1.0, 0.0])
    top = _at(images, low) * (1 - columns) + _at(images, low + right) * columns
    bottom = _at(images, low + below) * (1 - columns) + _at(images, low + below + right) * columns
    return tf.ensure_shape(top * (1 - rows) + bottom * rows, images.shape)


def apply_elastic_to_masks(masks: Tensor, displacements: Tensor) -> Tensor:
    """Class indices (N, H, W, C) moved alike, to the nearest pixel; 0 comes in from outside."""
    places = tf.round(_places(masks, displacements))
    last = tf.cast(tf.shape(masks)[1:3] - 1, tf.float32)
    inside = tf.reduce_all((places >= 0) & (places <= last), axis=-1, keepdims=True)
    return tf.ensure_shape(tf.where(inside, _at(masks, places), tf.zeros([], masks.dtype)), masks.shape)


def _places(images: Tensor, displacements: Tensor) -> Tensor:
    """Where each pixel's value comes from: (N, H, W, 2), y and x in pixels with centres on integers."""
    size = tf.shape(images)[1:3]
    grid = tf.stack(tf.meshgrid(tf.range(size[0]), tf.range(size[1]), indexing="ij"), axis=-1)
    smooth = tf.image.resize(displacements, size, "bicubic")
    return tf.cast(grid, tf.float32) + smooth * tf.cast(size, tf.float32)


def _at(images: Tensor, places: Tensor) -> Tensor:
    last = tf.shape(images)[1:3] - 1
    return tf.gather_nd(images, tf.clip_by_value(tf.cast(places, tf.int32), 0, last), batch_dims=1)
