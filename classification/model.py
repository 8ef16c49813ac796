"""Networks by name, each a Keras model from grey pictures in [0, 1] to class probabilities.

grey (N, H, W, 1) -> resized up to the network's least size -> 3 channels in the network's own scale
  -> base -> pooling -> dense layers -> dropout -> softmax (N, C) float32
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers

from classification import squeezenet
from classification.config import LEAST_SIZE, Head, Settings, Unfreeze
from spine import base_weights
from spine.problems import SpineError
from spine.training import pretrained

__all__ = ["BUILDERS", "base_of", "build", "fetch_weights", "preprocessing", "set_trainable"]

BASE = "base"  # the name of the base's layer in the whole model
Builder = Callable[..., keras.Model]


def build(settings: Settings, classes: int) -> keras.Model:
    """The member's network: (N, height, width, 1) float32 in [0, 1] -> (N, classes) float32 probabilities.

    SpineError where weights cannot be downloaded, read or do not fit.
    """
    inputs = keras.Input((settings.height, settings.width, 1), name="image")
    x, size = _resized_up(inputs, settings)
    x = pretrained.in_scale_of(x, *preprocessing(settings.network))
    base = _base(settings, (*size, 3))
    return keras.Model(inputs, _head(base(x), settings.head, classes), name=settings.network)


def fetch_weights(settings: Settings) -> None:
    """Download the weights that the base starts from into Keras' cache, or read them; SpineError where that fails."""
    build(settings, classes=2)


def base_of(model: keras.Model) -> keras.Model:
    """The base inside a model that `build` gave."""
    return model.get_layer(BASE)


def set_trainable(model: keras.Model, unfreeze: Unfreeze | None, *, batch_norm: bool) -> None:
    """Let the last part of the base learn (None: nothing of it); the head always learns.

    Without `batch_norm` those layers stay frozen wherever they are: they use the statistics they came with.
    """
    base = base_of(model)
    base.trainable = True
    weighted = [layer for layer in base.layers if layer.count_params()]
    learning = set(weighted[len(weighted) - _count(unfreeze, len(weighted)) :])
    for layer in base.layers:
        frozen_norm = isinstance(layer, layers.BatchNormalization) and not batch_norm
        layer.trainable = layer in learning and not frozen_norm


def preprocessing(network: str) -> tuple[np.ndarray, np.ndarray]:
    """Scale and offset (3,) that take grey in [0, 1] to what the network was trained on, in its channel order."""
    function = BUILDERS.get(network)
    if function is _plain_cnn:
        return np.full(3, 2.0), np.full(3, -1.0)
    return base_weights.scale_and_offset(sys.modules[_application(network).__module__].preprocess_input)


def _resized_up(x: Any, settings: Settings) -> tuple[Any, tuple[int, int]]:
    factor = LEAST_SIZE[settings.network] / min(settings.height, settings.width)
    if factor <= 1:
        return x, (settings.height, settings.width)
    size = (math.ceil(settings.height * factor), math.ceil(settings.width * factor))
    return layers.Resizing(*size, dtype="float32", name="resize_up")(x), size


def _head(x: Any, head: Head, classes: int) -> Any:
    pools = {"avg": layers.GlobalAveragePooling2D, "max": layers.GlobalMaxPooling2D, "flatten": layers.Flatten}
    x = pools[head.pooling](name="pool")(x)
    for number, units in enumerate(head.dense, start=1):
        x = layers.Dense(units, activation=head.activation, name=f"dense{number}")(x)
    if head.dropout:
        x = layers.Dropout(head.dropout, name="dropout")(x)
    return layers.Dense(classes, activation="softmax", dtype="float32", name="probabilities")(x)


def _base(settings: Settings, shape: tuple[int, int, int]) -> keras.Model:
    builder = BUILDERS.get(settings.network, _of_applications)
    source = "imagenet" if settings.weights == "imagenet" else None
    with base_weights.download(settings.network):
        base = builder(settings, weights=source, input_shape=shape)
    base.name = BASE
    if settings.pretrained and source is None:
        pretrained.load_base(base, settings.weights, settings.network)
    if not settings.pretrained:
        pretrained.set_momentum(base, settings.batch_norm_momentum)
    return base


def _of_applications(settings: Settings, **kwargs: Any) -> keras.Model:
    return _application(settings.network)(include_top=False, **kwargs)


def _mobilenet(settings: Settings, **kwargs: Any) -> keras.Model:
    return _application(settings.network)(include_top=False, alpha=settings.alpha, **kwargs)


def _plain_cnn(settings: Settings, *, weights: None, input_shape: tuple[int, int, int]) -> keras.Model:
    """Convolution, batch norm and ReLU, halved after each: the simplest network worth comparing with."""
    x = inputs = keras.Input(input_shape)
    for filters in settings.filters:
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
        x = layers.MaxPooling2D(padding="same")(x)
    return keras.Model(inputs, x)


BUILDERS: dict[str, Builder] = {
    "vgg16": _of_applications,
    "vgg19": _of_applications,
    "resnet50": _of_applications,
    "densenet121": _of_applications,
    "inceptionv3": _of_applications,
    "xception": _of_applications,
    "squeezenet": _of_applications,
    "mobilenet": _mobilenet,
    "mobilenetv2": _mobilenet,
    "mobilenetv3small": _mobilenet,
    "mobilenetv3large": _mobilenet,
    "plain_cnn": _plain_cnn,
}  # any other name of LEAST_SIZE is built by the function of that name in keras.applications


def _application(network: str) -> Builder:
    if network == "squeezenet":
        return squeezenet.SqueezeNet
    for name in dir(keras.applications):
        if name.lower() == network and not name.islower():
            return getattr(keras.applications, name)
    raise SpineError(f"keras.applications of Keras {keras.__version__} has no {network!r}")


def _count(unfreeze: Unfreeze | None, layers_there: int) -> int:
    if unfreeze is None:
        return 0
    if unfreeze == "all":
        return layers_there
    wanted = unfreeze if isinstance(unfreeze, int) else math.ceil(float(unfreeze) * layers_there)
    return min(int(wanted), layers_there)
