"""What a base trained by others comes with, in Keras 3: its weights' file, and the scale its pixels had."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers

from spine.training.batch_norm import norms_of
from spine.training.pretrained.base_weights import checked_file, download, load_file

__all__ = ["build_base", "in_scale_of", "set_momentum"]


def build_base(
    build: Callable[..., keras.Model], network: str, weights: str, layout: str = "", setting: str = "weights"
) -> keras.Model:
    """The base that `build(weights="imagenet" or None)` gives, with the weights that a setting asks for.

    They are "imagenet", "none", or the path of a file of Keras (.h5, .weights.h5, .keras), or of PyTorch (.pth, .pt,
    .safetensors) where `layout` names its modules. SpineError where they cannot be downloaded, or the file is missing
    or does not fit.
    """
    with download(network, setting):
        base = build(weights="imagenet" if weights == "imagenet" else None)
    if weights not in ("imagenet", "none"):
        checked_file(weights, network, setting)
        load_file(base, weights, network, layout, setting)
    return base


def in_scale_of(x: Any, scale: np.ndarray, offset: np.ndarray) -> Any:
    """Grey (N, H, W, 1) in [0, 1], or three grey channels, as those that a base was trained on; float32."""
    # float32 also under mixed precision: half floats hold 255 grey levels, but not 65,535.
    if x.shape[-1] == 1:
        x = layers.Concatenate(dtype="float32", name="three_channels")([x, x, x])
    return layers.Rescaling(scale.tolist(), offset.tolist(), dtype="float32", name="network_scale")(x)


def set_momentum(model: keras.Model, momentum: float) -> None:
    """Give every batch norm of a model, and of the models in it, this momentum; before it is compiled."""
    for norm in norms_of(model):
        norm.momentum = momentum
