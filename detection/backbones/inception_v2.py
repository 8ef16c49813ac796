"""Inception v2: batch-normalised Inception (Ioffe and Szegedy 2015, arXiv:1502.03167, figure 5), 'same' throughout.

Its first convolution is separable, as in the network that the TensorFlow detection zoo trained.
"""

from __future__ import annotations

from typing import Any

import tf_keras
from tf_keras import layers

__all__ = ["inception_v2"]

Tensor = Any

# Block -> filters of its branches: 1x1; 3x3 (reduced, then full); double 3x3 (reduced, then full); after pooling.
_INCEPTION = {
    "3b": (64, (64, 64), (64, 96), 32),
    "3c": (64, (64, 96), (64, 96), 64),
    "4b": (224, (64, 96), (96, 128), 128),
    "4c": (192, (96, 128), (96, 128), 128),
    "4d": (160, (128, 160), (128, 160), 96),
    "4e": (96, (128, 192), (160, 192), 96),
    "5b": (352, (192, 320), (160, 224), 128),
    "5c": (352, (192, 320), (192, 224), 128),
}
# Block that halves the map -> filters of its 3x3 and of its double 3x3 branch.
_REDUCTION = {"4a": ((128, 160), (64, 96)), "5a": ((128, 192), (192, 256))}


def inception_v2(input_shape: tuple[int | None, int | None, int] = (None, None, 3)) -> tf_keras.Model:
    """The network without its top; `mixed_3c`, `mixed_4e` and `mixed_5c` end at strides 8, 16 and 32."""
    inputs = layers.Input(input_shape)
    x = layers.SeparableConv2D(64, 7, strides=2, padding="same", depth_multiplier=8, use_bias=False, name="conv_1a")(
        inputs
    )
    x = _normed(x, "conv_1a")
    x = layers.MaxPooling2D(3, 2, "same", name="pool_2a")(x)
    x = _convolution(_convolution(x, 64, 1, "conv_2b"), 192, 3, "conv_2c")
    x = layers.MaxPooling2D(3, 2, "same", name="pool_3a")(x)
    for block in ("3b", "3c", "4a", "4b", "4c", "4d", "4e", "5a", "5b", "5c"):
        x = _reduction(x, block) if block in _REDUCTION else _inception(x, block)
    return tf_keras.Model(inputs, x, name="inception_v2")


def _inception(x: Tensor, block: str) -> Tensor:
    one, three, double, pooled = _INCEPTION[block]
    # The last block pools by the maximum, all others by the average.
    pool = layers.MaxPooling2D if block == "5c" else layers.AveragePooling2D
    branches = [
        _convolution(x, one, 1, f"mixed_{block}_one"),
        _three(x, three, f"mixed_{block}_three"),
        _double(x, double, f"mixed_{block}_double"),
        _convolution(pool(3, 1, "same")(x), pooled, 1, f"mixed_{block}_pooled"),
    ]
    return layers.Concatenate(name=f"mixed_{block}")(branches)


def _reduction(x: Tensor, block: str) -> Tensor:
    three, double = _REDUCTION[block]
    branches = [
        _three(x, three, f"mixed_{block}_three", strides=2),
        _double(x, double, f"mixed_{block}_double", strides=2),
        layers.MaxPooling2D(3, 2, "same")(x),
    ]
    return layers.Concatenate(name=f"mixed_{block}")(branches)


def _three(x: Tensor, filters: tuple[int, int], name: str, strides: int = 1) -> Tensor:
    return _convolution(_convolution(x, filters[0], 1, f"{name}_reduce"), filters[1], 3, name, strides)


def _double(x: Tensor, filters: tuple[int, int], name: str, strides: int = 1) -> Tensor:
    return _convolution(_three(x, filters, f"{name}_first"), filters[1], 3, name, strides)


def _convolution(x: Tensor, filters: int, size: int, name: str, strides: int = 1) -> Tensor:
    return _normed(layers.Conv2D(filters, size, strides, "same", use_bias=False, name=name)(x), name)


def _normed(x: Tensor, name: str) -> Tensor:
    x = layers.BatchNormalization(scale=False, epsilon=1e-3, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)
