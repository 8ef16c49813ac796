"""Networks built again with other paddings, strides or dilations, their weights kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tf_keras

__all__ = ["atrous", "rebuilt", "same_padding"]

Change = Callable[[tf_keras.layers.Layer], dict[str, Any]]


def rebuilt(base: tf_keras.Model, *changes: Change) -> tf_keras.Model:
    """The network of layers with other settings, which each change tells of a layer: `rebuilt(base, same_padding)`."""

    def rebuild(layer: tf_keras.layers.Layer) -> tf_keras.layers.Layer:
        config = layer.get_config()
        for change in changes:
            config |= change(layer)
        return type(layer).from_config(config)

    changed = tf_keras.models.clone_model(base, clone_function=rebuild)
    changed.set_weights(base.get_weights())
    return changed


def same_padding(layer: tf_keras.layers.Layer) -> dict[str, Any]:
    """The change to 'same' where a network has 'valid': sizes are then the input's over the stride.

    A 3x3 step of 2 over an even size reads the same pixels either way, so trained weights keep what they know.
    """
    return {"padding": "same"} if getattr(layer, "padding", "") == "valid" else {}


def atrous(base: tf_keras.Model, first: str, reduced: str, last: str) -> Change:
    """The change to no reduction between the layers `first` and `reduced`, and a dilation of 2 from there to `last`.

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

    return change
