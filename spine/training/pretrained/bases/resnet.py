"""ResNet-50 as torchvision trains it (v1.5): the step of two in the 3x3 convolution, and padding at both ends.

keras.applications' ResNet50 steps in the 1x1 convolution before it, Model Garden's pads as TensorFlow does: neither
gives torchvision's numbers from its weights.
"""

from __future__ import annotations

from functools import partial
from typing import Any

__all__ = ["resnet50_v1_5"]

_BLOCKS = {2: 3, 3: 4, 4: 6, 5: 3}  # stage -> how many
Tensor = Any


def resnet50_v1_5(keras: Any, input_shape: tuple[int | None, int | None, int]) -> Any:
    """The network without its top, of `keras` or `tf_keras`: 23,561,152 parameters, of which 23,508,032 learn.

    Layers are named as those of keras.applications' ResNet50; `conv2_block3_out` to `conv5_block3_out` end at strides 4
    to 32.
    """
    layers, inputs = keras.layers, keras.Input(input_shape)
    x = _convolved(layers, inputs, 64, 7, 2, "conv1")
    x = layers.ReLU(name="conv1_relu")(x)
    x = layers.ZeroPadding2D(1, name="pool1_pad")(x)  # after a ReLU nothing is less than 0
    x = layers.MaxPooling2D(3, 2, name="pool1_pool")(x)
    for stage, count in _BLOCKS.items():
        for number in range(1, count + 1):
            step = 2 if number == 1 and stage > 2 else 1
            x = _block(layers, x, 2 ** (stage + 4), step, f"conv{stage}_block{number}", widened=number == 1)
    return keras.Model(inputs, x, name="resnet50v1.5")


def _block(layers: Any, x: Tensor, filters: int, step: int, name: str, *, widened: bool) -> Tensor:
    """A bottleneck of 1x1, 3x3 and 1x1, added to its input."""
    shortcut = _convolved(layers, x, 4 * filters, 1, step, name, 0) if widened else x
    named = partial(_convolved, layers)
    for place, (size, own) in enumerate(((1, 1), (3, step)), start=1):
        x = named(x, filters, size, own, name, place)
        x = layers.ReLU(name=f"{name}_{place}_relu")(x)
    x = named(x, 4 * filters, 1, 1, name, 3)
    x = layers.Add(name=f"{name}_add")([shortcut, x])
    return layers.ReLU(name=f"{name}_out")(x)


def _convolved(
    layers: Any, x: Tensor, filters: int, size: int, step: int, name: str, place: int | None = None
) -> Tensor:
    """A convolution padded by half its kernel at both ends, then batch norm."""
    name = name if place is None else f"{name}_{place}"
    if size > 1:
        x = layers.ZeroPadding2D(size // 2, name=f"{name}_pad")(x)
    x = layers.Conv2D(filters, size, step, use_bias=False, name=f"{name}_conv")(x)
    return layers.BatchNormalization(epsilon=1e-5, name=f"{name}_bn")(x)
