"""segmentation_models 1.0.1, unmaintained, behind the two functions that are used of it: `backbone` and `decode`."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import keras

__all__ = ["backbone", "decode"]

os.environ["SM_FRAMEWORK"] = "tf.keras"  # with its default it does not import beside Keras 3
with contextlib.redirect_stdout(io.StringIO()):  # it prints which framework it found
    import segmentation_models as sm
    from segmentation_models.backbones.backbones_factory import Backbones

_SCALES = ("x16", "x8", "x4", "x2")


def backbone(name: str, *, weights: str | None, input_shape: tuple[int, int, int]) -> keras.Model:
    """One of its encoders, without a top."""
    keras_modules = {
        "backend": sm._KERAS_BACKEND,
        "layers": sm._KERAS_LAYERS,
        "models": sm._KERAS_MODELS,
        "utils": sm._KERAS_UTILS,
    }
    return Backbones.get_backbone(name, weights=weights, input_shape=input_shape, include_top=False, **keras_modules)


def decode(architecture: str, inputs: Any, features: Mapping[int, Any], last: keras.layers.Layer, classes: int) -> Any:
    """Logits (N, H, W, classes) of its `architecture`, such as Unet, over an encoder's features.

    `features` are maps by what H and W are divided by: 16, 8, 4, 2, and 32 for the encoder's output, those that the
    architecture reads; `inputs` is the tensor that all of it is computed from; `last` is the encoder's last layer,
    since over a pooled output it puts another block.
    """
    with _giving(_Backbone(inputs, features, last)):
        return getattr(sm, architecture)(classes=classes, activation="linear", encoder_weights=None).output


class _Backbone:
    """Features computed elsewhere, in the shape of the model that the library would build and look them up in."""

    def __init__(self, inputs: Any, features: Mapping[int, Any], last: keras.layers.Layer) -> None:
        self.input, self.output, self.layers = inputs, features.get(32), [last]
        self.features = {f"x{scale}": tensor for scale, tensor in features.items()}

    def get_layer(self, name: str) -> Any:
        return SimpleNamespace(output=self.features[name])


@contextlib.contextmanager
def _giving(given: _Backbone) -> Iterator[None]:
    """While the library builds, it takes this backbone: its own DenseNet, for one, has names that Keras 3 refuses."""
    Backbones.get_backbone = lambda *_, **__: given
    Backbones.get_feature_layers = lambda _, n: _SCALES[:n]
    try:
        yield
    finally:
        del Backbones.get_backbone, Backbones.get_feature_layers  # the class's own show again
