"""What a base trained by others comes with, in Keras 3: its weights' file, and the scale its pixels had."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers

from spine.base_weights import checked_file, fitting
from spine.training.batch_norm import norms_of

__all__ = ["in_scale_of", "load_base", "set_momentum"]


def load_base(base: keras.Model, file: str, network: str, setting: str = "weights") -> None:
    """Load a base's weights from a .h5, .weights.h5 or .keras file; SpineError where it is missing or does not fit."""
    path = checked_file(file, network, setting)
    with fitting(file, network, base.count_params(), setting):
        base.load_weights(path)


def in_scale_of(x: Any, scale: np.ndarray, offset: np.ndarray) -> Any:
    """Grey (N, H, W, 1) in [0, 1] as the three channels that a base was trained on; float32."""
    # float32 also under mixed precision: half floats hold 255 grey levels, but not 65,535.
    x = layers.Concatenate(dtype="float32", name="three_channels")([x, x, x])
    return layers.Rescaling(scale.tolist(), offset.tolist(), dtype="float32", name="network_scale")(x)


def set_momentum(model: keras.Model, momentum: float) -> None:
    """Give every batch norm of a model, and of the models in it, this momentum; before it is compiled."""
    for norm in norms_of(model):
        norm.momentum = momentum
