"""Networks built again with other paddings, strides or dilations, their weights kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tf_keras

__all__ = ["atrous", "same_padding"]

Change = Callable[[tf_keras.layers.Layer], dict[str, Any]]


def same_padding(base: tf_keras.Model) -> tf_keras.Model:
    """The network with 'same' where it has 'valid': sizes are then the input's over the stride.

    A 3x3 step of 2 over an even size reads the same pixels either way, so trained weights keep what they know.
    """
    return _rebuilt(base, lambda layer: {"padding": "same"} if getattr(layer, "padding", "") == "valid" else {})


def atrous(base: tf_keras.Model, first: str, reduced: str, last: str) -> tf_keras.Model:
    """The network without its reduction between the layers `first` and `reduced`, dilated by 2 from there to `last`.

    The kernels then read the same places of the picture as before, on a map of twice the size: Chen et al. 2017,
    arXiv:1606.00915.
    """
    place = {layer.name: number for number, layer in enumerate(base.layers)}

    def change(layer: tf_keras.layers.Layer) -> dict[str, Any]:
        if place[first] < place[layer.name] < place[reduced] and hasattr(layer, "strides"):
            return {"strides": (1, 1)}
        if place[reduced] < place[layer.name] <= place[last] and isinstance(layer, tf_keras.layers.Conv2D):
            return {"dilation_rate": (2, 2)}
        return {}

    return _rebuilt(base, change)


def _rebuilt(base: tf_keras.Model, change: Change) -> tf_keras.Model:
    def rebuild(layer: tf_keras.layers.Layer) -> tf_keras.layers.Layer:
        return type(layer).from_config({**layer.get_config(), **change(layer)})

    changed = tf_keras.models.clone_model(base, clone_function=rebuild)
    changed.set_weights(base.get_weights())
    return changed
