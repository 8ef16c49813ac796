"""A trained detector as a SavedModel that holds its own preprocessing, and needs TensorFlow alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow as tf
import tf_keras

from detection.config import Settings
from spine.member.serving import publish_model
from spine.training.network_input import NetworkInput
from spine.training.preprocess import boxes_to_original, placement
from spine.training.served import Served, signature

__all__ = ["ServedDetector", "export", "in_images", "signature_of"]

Tensor = Any


class ServedDetector(Served):
    """A detector: files may each have a size of their own.

    Each signature gives `detection_boxes` (N, M, 4) y1 x1 y2 x2 in [0, 1] of each image, `detection_scores` (N, M)
    descending, `detection_classes` (N, M) from 1 on, and `num_detections` (N), all float32; rows past it are zero.
    """

    def __init__(self, network: tf_keras.Model, settings: Settings) -> None:
        def answer(inputs: Tensor, sizes: Tensor) -> dict[str, Tensor]:
            return in_images(network(inputs, training=False), sizes, settings.height, settings.width)

        super().__init__("detector", network.variables, NetworkInput.of(settings), answer)


def in_images(outputs: dict[str, Tensor], sizes: Tensor, height: int, width: int) -> dict[str, Tensor]:
    """A network's detections in the frames of the images that were letterboxed to it.

    `detection_boxes` come as y1 x1 y2 x2 in pixels of (height, width) and leave in [0, 1] of each image; `sizes`
    (N, 2) int32 are the images' heights and widths. What lies in the letterbox's black alone is left out.
    """
    boxes = tf.map_fn(
        lambda one: _in_image(one[0], one[1], height, width),
        (tf.cast(outputs["detection_boxes"], tf.float32), sizes),
        fn_output_signature=tf.TensorSpec(outputs["detection_boxes"].shape[1:], tf.float32),
    )
    there = tf.sequence_mask(outputs["num_detections"], tf.shape(boxes)[1])
    there &= tf.reduce_all(boxes[..., 2:] > boxes[..., :2], axis=-1)
    order = tf.argsort(tf.cast(there, tf.int32), direction="DESCENDING", stable=True)
    scores, classes = (tf.cast(outputs[f"detection_{name}"], tf.float32) for name in ("scores", "classes"))
    return {
        "detection_boxes": _first(boxes * tf.cast(there, tf.float32)[..., tf.newaxis], order),
        "detection_scores": _first(tf.where(there, scores, 0.0), order),
        "detection_classes": _first(tf.where(there, classes, 0.0), order),
        "num_detections": tf.reduce_sum(tf.cast(there, tf.float32), axis=1),
    }


def _in_image(boxes: Tensor, size: Tensor, height: int, width: int) -> Tensor:
    swapped = tf.gather(boxes, [1, 0, 3, 2], axis=-1)
    original = boxes_to_original(swapped, placement(size[0], size[1], height, width))
    relative = tf.gather(original, [1, 0, 3, 2], axis=-1) / tf.cast(tf.tile(size, [2]), tf.float32)
    return tf.clip_by_value(relative, 0.0, 1.0)


def _first(rows: Tensor, order: Tensor) -> Tensor:
    return tf.gather(rows, order, batch_dims=1)


def export(network: tf_keras.Model, settings: Settings, directory: Path) -> Path:
    """Publish a float32 network as `directory/model/<next version>/`; that path."""
    return publish_model(ServedDetector(network, settings), directory)


def signature_of(settings: Settings, classes: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """What `member.json` says of the inputs and outputs; a detector's outputs do not depend on the classes."""
    rows = settings.detection_generator.max_num_detections
    outputs: dict[str, list[int | None]] = {
        "detection_boxes": [None, rows, 4],
        "detection_scores": [None, rows],
        "detection_classes": [None, rows],
        "num_detections": [None],
    }
    return signature(NetworkInput.of(settings), outputs)
