"""A member's network, a Keras model from grey pictures in [0, 1] to class probabilities.

grey (N, H, W, 1) -> resized up to the network's least size -> 3 channels in the network's own scale (3 slices are them)
  -> base -> pooling -> dense layers -> dropout -> softmax (N, C) float32

Of several targets each has dense layers, dropout and a softmax of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import keras
from keras import layers

from classification.base_of_member import is_member, load_base_of_member
from classification.config import Head, Settings, Unfreeze
from classification.networks import NETWORKS
from classification.ordinal import CumulativeLogits
from spine.training.pretrained import keras_base
from spine.training.pretrained.pixel_scale import scale_of
from spine.training.regularisation.stochastic_depth import with_stochastic_depth

__all__ = ["PROBABILITIES", "Target", "base_of", "build", "build_together", "fetch_weights", "only_of", "set_trainable"]

BASE = "base"  # the name of the base's layer in the whole model
PROBABILITIES = "probabilities"  # of the last layer of a head


class Target(NamedTuple):
    """What a head tells apart: so many classes, or grades in order."""

    classes: int
    ordinal: bool = False


def build(settings: Settings, classes: int, *, ordinal: bool = False) -> keras.Model:
    """The member's network: (N, height, width, slices) float32 in [0, 1] -> (N, classes) float32 probabilities.

    SpineError where weights cannot be downloaded, read or do not fit.
    """
    return _network(settings, {"": Target(classes, ordinal)})


def build_together(settings: Settings, targets: Mapping[str, Target]) -> keras.Model:
    """A network with a head for each of several targets: probabilities (N, classes) of each, in their order."""
    return _network(settings, {f"{target}_": told for target, told in targets.items()})


def only_of(network: keras.Model, target: str) -> keras.Model:
    """Of a network of several targets what leads to one, as `build` would have made it."""
    return keras.Model(network.inputs, network.get_layer(f"{target}_{PROBABILITIES}").output, name=network.name)


def _network(settings: Settings, heads: Mapping[str, Target]) -> keras.Model:
    inputs = keras.Input((settings.height, settings.width, settings.view.slices), name="image")
    x, size = _resized_up(inputs, settings)
    own = NETWORKS[settings.network].preprocess
    x = keras_base.in_scale_of(x, *scale_of(settings.pixel_scale, own))
    x = _pooled(_base(settings, (*size, 3))(x), settings.head)
    outputs = [_head(x, settings.head, target, prefix) for prefix, target in heads.items()]
    return keras.Model(inputs, outputs if len(outputs) > 1 else outputs[0], name=settings.network)


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


def _resized_up(x: Any, settings: Settings) -> tuple[Any, tuple[int, int]]:
    factor = NETWORKS[settings.network].least_size / min(settings.height, settings.width)
    if factor <= 1:
        return x, (settings.height, settings.width)
    size = (math.ceil(settings.height * factor), math.ceil(settings.width * factor))
    return layers.Resizing(*size, dtype="float32", name="resize_up")(x), size


def _pooled(x: Any, head: Head) -> Any:
    pools = {"avg": layers.GlobalAveragePooling2D, "max": layers.GlobalMaxPooling2D, "flatten": layers.Flatten}
    return pools[head.pooling](name="pool")(x)


def _head(x: Any, head: Head, target: Target, prefix: str) -> Any:
    for number, units in enumerate(head.dense, start=1):
        x = layers.Dense(units, activation=head.activation, name=f"{prefix}dense{number}")(x)
    if head.dropout:
        x = layers.Dropout(head.dropout, name=f"{prefix}dropout")(x)
    if not target.ordinal:
        return layers.Dense(target.classes, activation="softmax", dtype="float32", name=f"{prefix}{PROBABILITIES}")(x)
    score = layers.Dense(1, dtype="float32", name=f"{prefix}score")(x)
    logits = CumulativeLogits(target.classes, dtype="float32", name=f"{prefix}cumulative")(score)
    return layers.Activation("softmax", dtype="float32", name=f"{prefix}{PROBABILITIES}")(logits)


def _base(settings: Settings, shape: tuple[int, int, int]) -> keras.Model:
    network = NETWORKS[settings.network]
    build_base = partial(network.build, settings, input_shape=shape)
    weights = "none" if is_member(settings.weights) else settings.weights
    base = keras_base.build_base(build_base, settings.network, weights, network.layout)
    if is_member(settings.weights):
        load_base_of_member(base, settings.weights, settings.network)
    if settings.stochastic_depth is not None:
        base = with_stochastic_depth(base, settings.stochastic_depth)
    base.name = BASE
    if not settings.pretrained:
        keras_base.set_momentum(base, settings.batch_norm_momentum)
    return base


def _count(unfreeze: Unfreeze | None, layers_there: int) -> int:
    if unfreeze is None:
        return 0
    if unfreeze == "all":
        return layers_there
    wanted = unfreeze if isinstance(unfreeze, int) else math.ceil(float(unfreeze) * layers_there)
    return min(int(wanted), layers_there)
