"""Batch norm that would learn from a single value: it gives a constant in training, and another network when served."""

from __future__ import annotations

import math
from collections.abc import Iterator

import keras
from keras import layers

from spine.core.problems import SpineError
from spine.training.data import FitData

__all__ = ["norms_of", "refuse_lone_values"]


def norms_of(model: keras.Model) -> Iterator[layers.BatchNormalization]:
    """Every batch norm of a model, and of the models in it."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from norms_of(layer)
        elif isinstance(layer, layers.BatchNormalization):
            yield layer


def refuse_lone_values(network: keras.Model, data: FitData) -> None:
    """SpineError where a batch norm that learns would have one value of a channel in a step of training."""
    fewest = data.fewest
    for norm in norms_of(network):
        sides = norm.output.shape[1:-1]
        if norm.trainable and fewest * math.prod(side or 2 for side in sides) < 2:
            among = f" over {data.replicas} devices" if data.replicas > 1 else ""
            raise SpineError(
                f"of {len(data.train.samples)} pictures in batches of {data.settings.batch}{among} the last has "
                f"{fewest * data.replicas}: one a device. Batch norm {norm.name!r} has maps of one pixel and cannot "
                "learn from one picture; use a `batch` that leaves more over, or a larger height and width"
            )
