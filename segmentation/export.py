"""A trained network as a SavedModel that holds its own preprocessing, and needs TensorFlow alone."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from segmentation.config import Settings
from segmentation.own_size import ServedOwnSize
from spine.member.serving import publish_model
from spine.training.mean_over_flips import mean_over_flips
from spine.training.network_input import NetworkInput
from spine.training.preprocess import unletterbox
from spine.training.served import Served, signature

__all__ = ["ServedSegmenter", "export", "signature_of"]

Tensor = Any


class ServedSegmenter(Served):
    """A segmentation network: each signature gives `probabilities` (N, H, W, C) float32, files of one size a request.

    H and W are the input's own: the image is letterboxed to the network's size, its answer cut out and resized back,
    and divided by its sum, so that each pixel's probabilities add up to 1.
    """

    def __init__(self, network: keras.Model, settings: Settings) -> None:
        def answer(inputs: Tensor, sizes: Tensor) -> dict[str, Tensor]:
            maps_of = partial(network, training=False)
            inner = mean_over_flips(maps_of, inputs, sizes, settings.test_time, of_maps=True)
            height, width = tf.unstack(_one_size(sizes))
            outer = unletterbox(tf.cast(inner, tf.float32), height, width)
            return {"probabilities": outer / tf.reduce_sum(outer, axis=-1, keepdims=True)}

        variables = (variable.value for variable in network.variables)
        super().__init__("segmenter", variables, NetworkInput.of(settings), answer, alike=True)


def _one_size(sizes: Tensor) -> Tensor:
    alike = tf.debugging.Assert(tf.reduce_all(sizes == sizes[:1]), ["segmentation takes one size a request", sizes])
    with tf.control_dependencies([alike]):
        return tf.identity(sizes[0])


def export(network: keras.Model, settings: Settings, directory: Path) -> Path:
    """Publish a float32 network as `directory/model/<next version>/`; that path."""
    served = ServedOwnSize if settings.patches else ServedSegmenter
    return publish_model(served(network, settings), directory)


def signature_of(settings: Settings, classes: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """What `member.json` says of the inputs and outputs."""
    maps: dict[str, list[int | None]] = {"probabilities": [None, None, None, classes]}
    # With patches its network has no size, so there is nothing to prepare for it.
    reads = None if settings.patches else NetworkInput.of(settings)
    return signature(reads, maps, content="PNG or JPEG, of one size in a request")
