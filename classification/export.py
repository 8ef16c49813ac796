"""A trained network as a SavedModel that holds its own preprocessing, and needs TensorFlow alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from classification.config import Settings
from spine.preprocess import prepare, prepare_bytes
from spine.serving import for_any_number, publish_model

__all__ = ["ServedClassifier", "export", "signature_of"]


class ServedClassifier(tf.Module):
    """Preprocessing and network behind the contract's two signatures, both giving `probabilities` (N, C) float32.

    `serving_default(image_bytes: string [N])` takes PNG or JPEG files, each of its own size and depth;
    `image(image: float32 [N, H, W, 1 or 3] in [0, 1])` takes decoded images. No image at all has an answer of no rows.
    """

    def __init__(self, network: keras.Model, settings: Settings) -> None:
        super().__init__(name="classifier")
        # Only the variables are tracked: the saved graph then holds no Keras object, and loads where there is none.
        self.variables_of_network = [variable.value for variable in network.variables]
        size = (settings.height, settings.width, settings.normalisation)

        def answer(pixels: Any) -> dict[str, Any]:
            return {"probabilities": tf.cast(network(pixels, training=False), tf.float32)}

        self.serving_default = tf.function(
            for_any_number(lambda image_bytes: answer(prepare_bytes(image_bytes, *size))),
            input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")],
        )
        self.image = tf.function(
            for_any_number(lambda image: answer(prepare(image, *size))),
            input_signature=[tf.TensorSpec([None, None, None, None], tf.float32, name="image")],
        )


def export(network: keras.Model, settings: Settings, directory: Path) -> Path:
    """Publish a float32 network as `directory/model/<next version>/`; that path."""
    return publish_model(ServedClassifier(network, settings), directory)


def signature_of(settings: Settings, classes: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """What `member.json` says of the inputs and outputs."""
    network = {"height": settings.height, "width": settings.width, "normalisation": settings.normalisation}
    inputs = {
        "serving_default": {"image_bytes": {"dtype": "string", "shape": [None], "content": "PNG or JPEG"}},
        "image": {"image": {"dtype": "float32", "shape": [None, None, None, None], "range": [0, 1]}},
        "network": network,
    }
    return inputs, {"probabilities": {"dtype": "float32", "shape": [None, classes]}}
