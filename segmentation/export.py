"""A trained network as a SavedModel that holds its own preprocessing, and needs TensorFlow alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from segmentation.config import Settings
from spine.member.serving import publish_model
from spine.training.preprocess import decode_alike, prepare, unletterbox
from spine.training.served import Served, signature

__all__ = ["ServedSegmenter", "export", "signature_of"]

Tensor = Any

_AXIS = {"vertical": 1, "horizontal": 2}  # of (N, H, W, C)


class ServedSegmenter(Served):
    """A segmentation network: both signatures give `probabilities` (N, H, W, C) float32, files of one size a request.

    H and W are the input's own: the image is letterboxed to the network's size, its answer cut out and resized back,
    and divided by its sum, so that each pixel's probabilities add up to 1.
    """

    def __init__(self, network: keras.Model, settings: Settings) -> None:
        size = (settings.height, settings.width, settings.normalisation)

        def answer(images: Tensor) -> dict[str, Tensor]:
            inner = with_flips(lambda x: network(x, training=False), prepare(images, *size), settings.test_time_flips)
            outer = unletterbox(tf.cast(inner, tf.float32), tf.shape(images)[1], tf.shape(images)[2])
            return {"probabilities": outer / tf.reduce_sum(outer, axis=-1, keepdims=True)}

        super().__init__(
            "segmenter",
            (variable.value for variable in network.variables),
            of_files=lambda image_bytes: answer(decode_alike(image_bytes)),
            of_images=answer,
        )


def with_flips(network: Any, images: Tensor, flips: tuple[str, ...]) -> Tensor:
    """The mean of a network's maps of the images and of their flips, each flipped back."""
    maps = network(images)
    for flip in flips:
        axis = [_AXIS[flip]]
        maps += tf.reverse(network(tf.reverse(images, axis)), axis)
    return maps / (1 + len(flips))


def export(network: keras.Model, settings: Settings, directory: Path) -> Path:
    """Publish a float32 network as `directory/model/<next version>/`; that path."""
    return publish_model(ServedSegmenter(network, settings), directory)


def signature_of(settings: Settings, classes: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """What `member.json` says of the inputs and outputs."""
    outputs: dict[str, list[int | None]] = {"probabilities": [None, None, None, classes]}
    return signature(settings, outputs, content="PNG or JPEG, of one size in a request")
