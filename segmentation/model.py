"""A member's network, a Keras model from grey pictures in [0, 1] to class probabilities at the same size.

grey (N, H, W, 1) -> padded to the network's multiple -> 3 channels in the encoder's own scale
  -> encoder -> decoder -> un-padded -> softmax (N, H, W, C) float32
"""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
import numpy as np
from keras import layers

from segmentation.architectures import ARCHITECTURES, Encoded
from segmentation.config import Settings
from segmentation.deep_supervision import ANSWER, with_heads
from segmentation.encoders import ENCODERS, features_of
from spine.training.pretrained import keras_base
from spine.training.pretrained.pixel_scale import scale_of
from spine.training.regularisation.stochastic_depth import with_stochastic_depth

__all__ = ["build", "encoder_of", "fetch_weights", "set_trainable"]

ENCODER = "encoder"  # the name of the encoder's layer in the whole model


def build(settings: Settings, classes: int) -> keras.Model:
    """The member's network: (N, height, width, 1) float32 in [0, 1] -> (N, height, width, classes) float32.

    Trained on patches it takes any height and width that are multiples of its own. With deep supervision the answers of
    its coarser levels lie behind: `without_heads` takes them off. SpineError where weights cannot be downloaded, read
    or do not fit.
    """
    inputs = keras.Input((*_size(settings, (settings.height, settings.width)), 1), name="image")
    padding = _padding(settings)
    x = layers.ZeroPadding2D(padding, name="pad")(inputs)
    x = keras_base.in_scale_of(x, *_scale(settings))
    logits = layers.Cropping2D(padding, name="unpad")(_logits(settings, inputs, x, classes))
    # float32 also under mixed precision: probabilities add up to 1, and small ones stay apart from 0.
    probabilities = layers.Softmax(dtype="float32", name=ANSWER)(logits)
    model = keras.Model(inputs, probabilities, name=settings.network)
    if settings.deep_supervision:
        model = with_heads(model, ARCHITECTURES[settings.architecture].coarse, classes, padding)
    keras_base.set_momentum(model, settings.batch_norm_momentum)
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


def _size(settings: Settings, size: tuple[int, int]) -> tuple[int | None, int | None]:
    """Height and width of an input, None where they are not known as with patches."""
    return (None, None) if settings.patches else size


def _padding(settings: Settings) -> tuple[tuple[int, int], tuple[int, int]]:
    """Rows above and below, columns left and right."""
    rows, columns = (
        padded - size for padded, size in zip(settings.padded_size, (settings.height, settings.width), strict=True)
    )
    return (rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2)


def _scale(settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    return scale_of(settings.pixel_scale, ENCODERS[settings.encoder].preprocess)


def _logits(settings: Settings, inputs: Any, x: Any, classes: int) -> Any:
    base = _base(settings)
    architecture = ARCHITECTURES[settings.architecture]
    maps = features_of(base, ENCODERS[settings.encoder], architecture.features)
    encoder = keras.Model(base.input, maps, name=ENCODER)
    features = dict(zip(architecture.features, encoder(x), strict=True))
    return architecture.decode(Encoded(inputs, features, base.layers[-1]), classes)


def _base(settings: Settings) -> keras.Model:
    encoder = ENCODERS[settings.encoder]
    build_base = partial(encoder.build, input_shape=(*_size(settings, settings.padded_size), 3))
    base = keras_base.build_base(
        build_base, settings.encoder, settings.encoder_weights, encoder.layout, "encoder_weights"
    )
    return base if settings.stochastic_depth is None else with_stochastic_depth(base, settings.stochastic_depth)
