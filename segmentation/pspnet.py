"""PSPNet: an encoder's features pooled over a pyramid of ever smaller parts of the picture, and a short decoder.

Zhao et al. 2017, "Pyramid scene parsing network", in the sizes of segmentation_models. In a batch of one picture a
branch that is pooled to one pixel has a single value a channel, of which batch norm makes a constant in training, but
not in inference: the branches have group norm, which knows one picture only (Wu and He 2018, "Group normalization").
"""

from __future__ import annotations

from typing import Any

from keras import layers

__all__ = ["decode"]

LEVELS = (1, 2, 3, 6)  # parts along height and width
FILTERS = 512
GROUPS = 32  # of channels, as the paper has them


def decode(features: Any, classes: int) -> Any:
    """Logits (N, H, W, classes) of features at 1/8 of H and W, whose sides are multiples of 6."""
    x = layers.Concatenate(name="psp_concat")([features, *(_pooled(features, level) for level in LEVELS)])
    x = _convolution(x, "aggregation")
    x = layers.BatchNormalization(name="aggregation_bn")(x)
    x = layers.ReLU(name="aggregation_relu")(x)
    x = layers.Conv2D(classes, 3, padding="same", name="final_conv")(x)
    return layers.UpSampling2D(8, interpolation="bilinear", name="final_upsampling")(x)


def _pooled(features: Any, level: int) -> Any:
    name = f"psp_level{level}"
    part = tuple(side // level for side in features.shape[1:3])
    x = layers.AveragePooling2D(part, name=f"{name}_pooling")(features)
    x = _convolution(x, name)
    x = layers.GroupNormalization(GROUPS, name=f"{name}_gn")(x)
    x = layers.ReLU(name=f"{name}_relu")(x)
    return layers.UpSampling2D(part, interpolation="bilinear", name=f"{name}_upsampling")(x)


def _convolution(x: Any, name: str) -> Any:
    return layers.Conv2D(FILTERS, 1, use_bias=False, kernel_initializer="he_uniform", name=f"{name}_conv")(x)
