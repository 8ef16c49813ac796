"""Bilinear upsampling of maps whose sizes are known only when they run."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

__all__ = ["BilinearUpsampling"]

Tensor = Any


class BilinearUpsampling(keras.layers.UpSampling2D):
    """Maps (N, H, W, C) `scale` times as high and wide; Keras' own layer fails where H and W are not known."""

    def __init__(self, scale: int, **others: Any) -> None:
        super().__init__(scale, interpolation="bilinear", **others)

    def call(self, inputs: Tensor) -> Tensor:
        """Upsample."""
        size = tf.shape(inputs)[1:3] * self.size[0]
        return tf.cast(tf.image.resize(inputs, size, "bilinear"), inputs.dtype)
