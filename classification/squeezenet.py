"""SqueezeNet 1.1, which Keras lacks: AlexNet's accuracy with 0.7 million parameters.

Iandola et al. 2016 (arXiv:1602.07360), in the authors' release 1.1: 3x3 kernels in the first convolution, pooling moved
forward. Layers are laid out as in the published Keras weights (rcmalli/keras-squeezenet, MIT), 'valid' in `conv1` and
in the pools, so that those load as they are. Pixels come in as for Caffe: BGR, 0..255, ImageNet's mean taken off.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

__all__ = ["WEIGHTS_SHA256", "WEIGHTS_URL", "SqueezeNet", "preprocess_input"]

WEIGHTS_URL = (
    "https://github.com/rcmalli/keras-squeezenet/releases/download/v1.0/"
    "squeezenet_weights_tf_dim_ordering_tf_kernels_notop.h5"
)
WEIGHTS_SHA256 = "2d935d8c102ad1232484a77da8e6fbdf3ff4ab608974a0d8b6283115ffff204f"

# (squeeze, expand) filters of fire2 to fire9; a pool follows the first convolution, fire3 and fire5.
FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))
POOLED_AFTER = (3, 5)


def SqueezeNet(
    *, include_top: bool = False, weights: str | None = None, input_shape: tuple[int | None, int | None, int]
) -> keras.Model:
    """The convolutional base, (N, H, W, 3) -> (N, h, w, 512); 722,496 parameters, least input 31 x 31.

    `weights` is "imagenet" (downloaded once, checked by its hash) or None. There is no top: ValueError on one.
    """
    if include_top:
        raise ValueError("this SqueezeNet has no ImageNet classifier; use include_top=False")
    inputs = keras.Input(input_shape)
    x = layers.Conv2D(64, 3, strides=2, padding="valid", activation="relu", name="conv1")(inputs)
    x = layers.MaxPooling2D(3, strides=2, name="pool1")(x)
    for number, (squeeze, expand) in enumerate(FIRES, start=2):
        x = _fire(x, f"fire{number}", squeeze, expand)
        if number in POOLED_AFTER:
            x = layers.MaxPooling2D(3, strides=2, name=f"pool{number}")(x)
    model = keras.Model(inputs, x, name="squeezenet")
    if weights == "imagenet":
        file = keras.utils.get_file(origin=WEIGHTS_URL, cache_subdir="models", file_hash=WEIGHTS_SHA256)
        model.load_weights(file)
    return model


def preprocess_input(x: Any) -> Any:
    """RGB pixels in 0..255, (..., 3), as the published weights want them."""
    return keras.applications.imagenet_utils.preprocess_input(x, mode="caffe")


def _fire(x: Any, name: str, squeeze: int, expand: int) -> Any:
    x = layers.Conv2D(squeeze, 1, activation="relu", name=f"{name}_squeeze1x1")(x)
    narrow = layers.Conv2D(expand, 1, activation="relu", name=f"{name}_expand1x1")(x)
    wide = layers.Conv2D(expand, 3, padding="same", activation="relu", name=f"{name}_expand3x3")(x)
    return layers.Concatenate(name=f"{name}_concat")([narrow, wide])
