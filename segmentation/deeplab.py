"""DeepLabV3+: atrous spatial pyramid pooling over an encoder's deep features, and a short decoder.

Chen et al. 2018, "Encoder-decoder with atrous separable convolution for semantic image segmentation". The encoder ends
at 1/16 of the input; its own last stage, which the paper dilates instead, is left out.
"""

from __future__ import annotations

from typing import Any

from keras import layers, ops

from segmentation.upsampling import BilinearUpsampling

__all__ = ["decode"]

RATES = (6, 12, 18)  # dilations for features at 1/16
FILTERS = 256
LOW_FILTERS = 48
GROUPS = 32  # of channels: Wu and He 2018, "Group normalization"


def decode(deep: Any, low: Any, classes: int) -> Any:
    """Logits (N, H, W, classes) of features at 1/16 and 1/4 of H and W."""
    x = _pyramid(deep)
    x = BilinearUpsampling(4, name="pyramid_upsampling")(x)
    low = _convolution(low, LOW_FILTERS, 1, "low")
    x = layers.Concatenate(name="decoder_concat")([x, low])
    for number in (1, 2):
        x = _convolution(x, FILTERS, 3, f"decoder{number}", separable=True)
    x = layers.Conv2D(classes, 1, name="logits")(x)
    return BilinearUpsampling(4, name="upsampling")(x)


def _pyramid(deep: Any) -> Any:
    branches = [_convolution(deep, FILTERS, 1, "pyramid_point"), _whole_image(deep)]
    branches += [_convolution(deep, FILTERS, 3, f"pyramid_rate{rate}", rate=rate, separable=True) for rate in RATES]
    x = layers.Concatenate(name="pyramid_concat")(branches)
    x = _convolution(x, FILTERS, 1, "pyramid")
    return layers.Dropout(0.1, name="pyramid_dropout")(x)


def _whole_image(deep: Any) -> Any:
    # Batch norm would see a single value in a batch of one picture: nothing at all in training, but not in inference.
    x = layers.GlobalAveragePooling2D(keepdims=True, name="pyramid_pool")(deep)
    x = layers.Conv2D(FILTERS, 1, use_bias=False, name="pyramid_image_conv")(x)
    x = layers.GroupNormalization(GROUPS, name="pyramid_image_gn")(x)
    x = layers.ReLU(name="pyramid_image_relu")(x)
    if None in deep.shape[1:3]:  # of a network of any size
        return x + ops.zeros_like(deep[..., :1])
    return layers.UpSampling2D(deep.shape[1:3], name="pyramid_image_upsampling")(x)


def _convolution(x: Any, filters: int, size: int, name: str, *, rate: int = 1, separable: bool = False) -> Any:
    kind = layers.SeparableConv2D if separable else layers.Conv2D
    x = kind(filters, size, padding="same", dilation_rate=rate, use_bias=False, name=f"{name}_conv")(x)
    x = layers.BatchNormalization(name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x)
