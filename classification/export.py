"""A trained network as a SavedModel that holds its own preprocessing, and needs TensorFlow alone."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from classification.config import Settings
from spine.member.serving import publish_model
from spine.training.mean_over_flips import mean_over_flips
from spine.training.network_input import NetworkInput
from spine.training.served import Served, signature
from spine.training.view import WHOLE, View

__all__ = ["ServedClassifier", "export", "signature_of"]

Tensor = Any


class ServedClassifier(Served):
    """A classifier: each signature gives `probabilities` (N, C) float32; files may each have a size of their own."""

    def __init__(self, network: keras.Model, settings: Settings, view: View = WHOLE) -> None:
        def answer(inputs: Tensor, sizes: Tensor) -> dict[str, Tensor]:
            padded = sizes if view.aspect == "keep" else None
            mean = mean_over_flips(partial(network, training=False), inputs, padded, settings.test_time)
            return {"probabilities": tf.cast(mean, tf.float32)}

        variables = (variable.value for variable in network.variables)
        super().__init__("classifier", variables, NetworkInput.of(settings, view), answer)


def export(network: keras.Model, settings: Settings, directory: Path, view: View = WHOLE) -> Path:
    """Publish a float32 network as `directory/model/<next version>/`; that path."""
    return publish_model(ServedClassifier(network, settings, view), directory)


def signature_of(settings: Settings, classes: int, view: View = WHOLE) -> tuple[dict[str, Any], dict[str, Any]]:
    """What `member.json` says of the inputs and outputs."""
    return signature(NetworkInput.of(settings, view), {"probabilities": [None, classes]})
