"""Grad-CAM of a trained classifier: its network, rebuilt with the weights that its SavedModel holds, and watched.

The SavedModel itself holds no layers any more. A layer's output is watched while the network runs forward once, so no
second model is built around it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from classification.config import Settings
from classification.model import base_of, build
from spine.answers.gradcam import gradcam
from spine.core.problems import SpineError
from spine.training.expand_box import expand_boxes
from spine.training.network_input import NetworkInput
from spine.training.preprocess import unletterbox
from spine.training.see_boxes import levels_of_images, see_box

__all__ = ["WatchedClassifier"]

Box = Sequence[float]

LEAST_CELLS = 7  # along the shorter side of the maps that are looked at: as many as the last ones have at 224 pixels


class WatchedClassifier:
    """A member's network whose layer is watched; open it with `WatchedClassifier.of`."""

    def __init__(self, network: keras.Model, settings: Settings) -> None:
        self._network, self._reads = network, NetworkInput.of(settings, settings.view)
        self._layer = watched_layer(base_of(network))
        self.answers_by_flips = bool(settings.test_time)  # while it is watched on the picture as it is
        # The last layer gives logits: a probability near 1 hardly has a gradient.
        network.get_layer("probabilities").activation = keras.activations.linear

    @classmethod
    def of(cls, settings: Settings, classes: int, saved: Any, *, ordinal: bool = False) -> WatchedClassifier:
        """The network of a member's settings, their view as its card tells it, with the weights of its SavedModel.

        SpineError where the SavedModel holds no network of these settings, as that of several folds.
        """
        if not isinstance(settings, Settings):
            raise SpineError("the member decides by measurements and has no layers to look into; choose another")
        network = build(settings.model_copy(update={"weights": "none"}), classes, ordinal=ordinal)
        values = list(getattr(saved, "variables_of_network", ()))
        shapes = [tuple(variable.shape) for variable in network.variables]
        if [tuple(value.shape) for value in values] != shapes:
            raise SpineError(
                f"the SavedModel has {len(values)} variables, a {settings.network} of these settings {len(shapes)} of "
                "other shapes; it is the mean of several networks, or of other settings"
            )
        for variable, value in zip(network.variables, values, strict=True):
            variable.assign(value)
        return cls(network, settings)

    def look(
        self, picture: np.ndarray, boxes: Sequence[Box], classes: Sequence[int]
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """Probabilities (N, C) of boxes, y0 x0 y1 x1 in [0, 1] of a picture (H, W) in [0, 1], as the network sees them
        in the picture alone.

        And of each its Grad-CAM of one class, (H, W) from 0, over the picture: 0 where the network does not look. The
        score that is differentiated is the log-odds of the class, ln(p / (1 - p)).
        """
        corners = tf.constant(boxes, tf.float32)
        levels = levels_of_images(tf.constant(picture[np.newaxis, ..., np.newaxis]), [self._reads])(0)
        inputs = [see_box([levels], box, self._reads) for box in corners]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            with _watched(self._layer, tape) as seen:
                logits = self._network(tf.stack(inputs), training=False)
            score = tf.reduce_sum(_log_odds(logits, tf.constant(classes)))
        activations = seen[-1]
        maps = gradcam(activations.numpy(), tape.gradient(score, activations).numpy())
        regions = expand_boxes(corners, self._reads.view.grow or 0.0, picture.shape).numpy()
        return tf.nn.softmax(logits).numpy(), [
            self._on_picture(one, region, picture.shape) for one, region in zip(maps, regions, strict=True)
        ]

    def _on_picture(self, cells: np.ndarray, region: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """A map (h, w) of the network's input, laid over the picture (H, W) where its region y0 x0 y1 x1 is."""
        y0, x0, y1, x1 = region
        of_input = tf.image.resize(cells[np.newaxis, ..., np.newaxis], self._reads[:2])
        back = unletterbox if self._reads.view.aspect == "keep" else _resized
        whole = np.zeros(shape, np.float32)
        whole[y0:y1, x0:x1] = back(of_input, y1 - y0, x1 - x0)[0, ..., 0]
        return whole


def watched_layer(base: keras.Model) -> Any:
    """The last layer of a base whose maps have at least 7 cells a side; of smaller pictures that with the most."""
    passed_over = (keras.layers.InputLayer, keras.layers.ZeroPadding2D)  # padded maps are no longer in place
    layers = [layer for layer in base.layers if not isinstance(layer, passed_over)]
    maps = [(layer, min(layer.output.shape[1:3])) for layer in layers if len(layer.output.shape) == 4]
    fine = [layer for layer, cells in maps if cells >= LEAST_CELLS]
    if fine:
        return fine[-1]
    return max(reversed(maps), key=lambda one: one[1])[0]


@contextmanager
def _watched(layer: Any, tape: tf.GradientTape) -> Iterator[list[Any]]:
    """What a layer gives while the body runs, watched by a tape."""
    seen: list[Any] = []
    call = layer.call

    def watched_call(*args: Any, **kwargs: Any) -> Any:
        output = call(*args, **kwargs)
        tape.watch(output)
        seen.append(output)
        return output

    layer.call = watched_call
    try:
        yield seen
    finally:
        layer.call = call


def _log_odds(logits: Any, classes: Any) -> Any:
    """ln(p / (1 - p)) (N,) of one class of each row of logits (N, C)."""
    own = tf.one_hot(classes, logits.shape[-1], on_value=True, off_value=False, dtype=tf.bool)
    others = tf.where(own, tf.constant(-np.inf, logits.dtype), logits)
    return tf.gather(logits, classes, batch_dims=1) - tf.reduce_logsumexp(others, axis=-1)


def _resized(maps: Any, height: int, width: int) -> Any:
    return tf.image.resize(maps, (height, width), antialias=True)
