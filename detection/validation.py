"""How good a detector is on the validation split while it trains: its own answers, and their mean average precision."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import tensorflow as tf
import tf_keras

from detection.data import Data
from detection.export import in_images
from spine.core.tracing import without_autograph
from spine.dataset.detections import Detections
from spine.metrics.detection import mean_average_precision
from spine.metrics.matches import match_images

__all__ = ["Validation"]

SCORES = ("val_map50", "val_map50_95")


class Validation:
    """The whole validation split, scored by a network of its own that takes the trained one's weights.

    It lies on one device whatever the training is spread over, so that one machine can score alone.
    """

    def __init__(self, network: tf_keras.Model, data: Data) -> None:
        self.weights, self.data = network.weights, data
        size = (data.settings.height, data.settings.width)
        # Of any number: the last batch is short, and would be traced anew.
        signature = [tf.TensorSpec([None, *size, 1]), tf.TensorSpec([None, 2], tf.int32)]
        self.answer = tf.function(
            without_autograph(lambda images, sizes: in_images(network(images, training=False), sizes, *size)),
            input_signature=signature,
        )

    @property
    def unscored(self) -> dict[str, float]:
        """The scores of an epoch that is not validated; none where there is no validation split."""
        return {} if self.data.validation is None else dict.fromkeys(SCORES, float("nan"))

    def scores(self, weights: list[np.ndarray]) -> dict[str, float]:
        """mAP50 and mAP50-95 of the weights, in the order of a new network's."""
        if self.data.validation is None:
            return {}
        tf_keras.backend.batch_set_value(list(zip(self.weights, weights, strict=True)))
        matches = match_images(self.data.validation, self.detections(), areas=("all",))
        return {
            "val_map50": float(mean_average_precision(matches, iou=0.5)),
            "val_map50_95": float(mean_average_precision(matches)),
        }

    def detections(self) -> Iterator[Detections]:
        """What the network says of each picture, in the truth's order."""
        sizes = np.array(self.data.validation.sizes, np.int32)
        done = 0
        for images in self.data.validation_batches():
            outputs = self.answer(images, sizes[done : done + len(images)])
            arrays = {name: output.numpy() for name, output in outputs.items()}
            yield from (Detections.from_outputs(arrays, number) for number in range(len(images)))
            done += len(images)
