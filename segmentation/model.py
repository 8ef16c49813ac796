"""Networks by name, each a Keras model from grey pictures in [0, 1] to class probabilities at the same size.

grey (N, H, W, 1) -> padded to the network's multiple -> 3 channels in the encoder's own scale
  -> encoder -> decoder -> un-padded -> softmax (N, H, W, C) float32
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import layers

from segmentation import deeplab, library, pspnet
from segmentation.config import Settings
from segmentation.encoders import ENCODERS, features_of
from spine import base_weights
from spine.training import pretrained

__all__ = ["build", "encoder_of", "fetch_weights", "set_trainable"]

ENCODER = "encoder"  # the name of the encoder's layer in the whole model

# Architecture -> the features it reads, as what they divide the input's size by; 32 is the encoder's output.
FEATURES: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys(("unet", "linknet", "fpn"), (32, 16, 8, 4, 2)),
    "pspnet": (8,),
    "deeplabv3plus": (16, 4),
}


def build(settings: Settings, classes: int) -> keras.Model:
    """The member's network: (N, height, width, 1) float32 in [0, 1] -> (N, height, width, classes) float32.

    SpineError where weights cannot be downloaded, read or do not fit.
    """
    inputs = keras.Input((settings.height, settings.width, 1), name="image")
    padding = _padding(settings)
    x = layers.ZeroPadding2D(padding, name="pad")(inputs)
    x = pretrained.in_scale_of(x, *base_weights.scale_and_offset(ENCODERS[settings.encoder].preprocess))
    logits = layers.Cropping2D(padding, name="unpad")(_logits(settings, inputs, x, classes))
    # float32 also under mixed precision: probabilities add up to 1, and small ones stay apart from 0.
    probabilities = layers.Softmax(dtype="float32", name="probabilities")(logits)
    model = keras.Model(inputs, probabilities, name=settings.network)
    pretrained.set_momentum(model, settings.batch_norm_momentum)
    return model


def fetch_weights(settings: Settings) -> None:
    """Download the encoder's first weights into Keras' cache, or read them; SpineError where that fails."""
    _base(settings)


def encoder_of(model: keras.Model) -> keras.Model:
    """The encoder inside a model that `build` gave: a model of the features that the decoder reads."""
    return model.get_layer(ENCODER)


def set_trainable(model: keras.Model, encoder: bool) -> None:
    """Let the encoder learn, or freeze it and its batch norm with it; the decoder always learns."""
    encoder_of(model).trainable = encoder


def _padding(settings: Settings) -> tuple[tuple[int, int], tuple[int, int]]:
    """Rows above and below, columns left and right."""
    rows, columns = (
        padded - size for padded, size in zip(settings.padded_size, (settings.height, settings.width), strict=True)
    )
    return (rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2)


def _logits(settings: Settings, inputs: Any, x: Any, classes: int) -> Any:
    base = _base(settings)
    scales = FEATURES[settings.architecture]
    encoder = keras.Model(base.input, features_of(base, ENCODERS[settings.encoder], scales), name=ENCODER)
    features = dict(zip(scales, encoder(x), strict=True))
    if settings.architecture == "deeplabv3plus":
        return deeplab.decode(features[16], features[4], classes)
    if settings.architecture == "pspnet":
        return pspnet.decode(features[8], classes)
    return library.decode(settings.architecture, inputs, features, base.layers[-1], classes)


def _base(settings: Settings) -> keras.Model:
    source = "imagenet" if settings.encoder_weights == "imagenet" else None
    with base_weights.download(settings.encoder, "encoder_weights"):
        base = ENCODERS[settings.encoder].build(weights=source, input_shape=(*settings.padded_size, 3))
    if settings.pretrained and source is None:
        pretrained.load_base(base, settings.encoder_weights, settings.encoder, "encoder_weights")
    return base
