"""A trained network as a SavedModel that holds its own preprocessing, and needs TensorFlow alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from classification.config import Settings
from spine.member.serving import publish_model
from spine.training.preprocess import prepare, prepare_bytes
from spine.training.served import Served, signature

__all__ = ["ServedClassifier", "export", "signature_of"]


class ServedClassifier(Served):
    """A classifier: both signatures give `probabilities` (N, C) float32; files may each have a size of their own."""

    def __init__(self, network: keras.Model, settings: Settings) -> None:
        size = (settings.height, settings.width, settings.normalisation)

        def answer(pixels: Any) -> dict[str, Any]:
            return {"probabilities": tf.cast(network(pixels, training=False), tf.float32)}

        super().__init__(
            "classifier",
            (variable.value for variable in network.variables),
            of_files=lambda image_bytes: answer(prepare_bytes(image_bytes, *size)),
            of_images=lambda image: answer(prepare(image, *size)),
        )


def export(network: keras.Model, settings: Settings, directory: Path) -> Path:
    """Publish a float32 network as `directory/model/<next version>/`; that path."""
    return publish_model(ServedClassifier(network, settings), directory)


def signature_of(settings: Settings, classes: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """What `member.json` says of the inputs and outputs."""
    return signature(settings, {"probabilities": [None, classes]})
