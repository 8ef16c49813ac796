"""How a segmentation network is fitted: its network, when its encoder learns, its loss and its SavedModel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
from keras import ops

from segmentation.compound_loss import CompoundLoss
from segmentation.config import Settings
from segmentation.data import Data
from segmentation.deep_supervision import SupervisedLoss, without_heads
from segmentation.export import export, signature_of
from segmentation.model import build, encoder_of, set_trainable
from spine.training.keras_fitting import KerasFitting

__all__ = ["DiceForeground", "SegmenterFitting"]

Tensor = Any


@dataclass(frozen=True)
class SegmenterFitting(KerasFitting):
    """One segmentation network's training, by the loss of its settings."""

    data_class = Data

    settings: Settings
    data: Data

    def build(self, *, pretrained: bool) -> keras.Model:
        """The network of the settings."""
        settings = self.settings if pretrained else self.settings.model_copy(update={"encoder_weights": "none"})
        return build(settings, len(self.data.labels))

    def set_trainable(self, network: keras.Model, phase: Any) -> None:
        """The decoder learns, and the encoder unless the phase freezes it."""
        set_trainable(network, phase.encoder_learns)

    def base_of(self, network: keras.Model) -> keras.Model:
        """The encoder."""
        return encoder_of(network)

    def objective(self) -> Mapping[str, Any]:
        """The settings' loss, and the foreground's Dice as it is reported."""
        loss: keras.losses.Loss = CompoundLoss.from_settings(self.settings, self.data.labels)
        if self.settings.deep_supervision:
            loss = SupervisedLoss(loss)
        return {"loss": loss, "metrics": [DiceForeground(len(self.data.labels))]}

    def best_network(self) -> keras.Model:
        """As it is served: without what only trains."""
        network = super().best_network()
        return without_heads(network) if self.settings.deep_supervision else network

    def export(self, network: keras.Model) -> Path:
        """Publish the network."""
        return export(network, self.settings, self.directory)

    def signature(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The contract's, with the network's size."""
        return signature_of(self.settings, len(self.data.labels))


class DiceForeground(keras.metrics.Metric):
    """`dice_foreground`: argmax masks' pixels counted over the whole epoch, then the mean over foreground classes.

    2 both / (truth + predicted) of each class but the first, the mean over those that occur in either. At the
    training size, where the padding has no truth and is not counted; reports measure at the images' own.
    """

    def __init__(self, classes: int, name: str = "dice_foreground") -> None:
        super().__init__(name=name, dtype="float32")
        self.both, self.either = (
            self.add_weight(shape=(classes,), initializer="zeros", dtype="int32", name=name)
            for name in ("both", "either")
        )

    def update_state(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None) -> None:
        """Count the pixels of one-hot truth and probabilities (N, H, W, C); further answers may lie behind those.

        A mixed pixel is of the class of its greatest share.
        """
        y_pred = y_pred[..., : y_true.shape[-1]]
        known = ops.cast(ops.sum(y_true, axis=-1, keepdims=True) > 0.5, "int32")
        truth = known * ops.one_hot(ops.argmax(y_true, axis=-1), y_true.shape[-1], dtype="int32")
        predicted = known * ops.one_hot(ops.argmax(y_pred, axis=-1), truth.shape[-1], dtype="int32")
        self.both.assign_add(ops.sum(truth * predicted, axis=(0, 1, 2)))
        self.either.assign_add(ops.sum(truth + predicted, axis=(0, 1, 2)))

    def result(self) -> Tensor:
        """The mean over foreground classes; 0 where none occurs."""
        both, either = (ops.cast(count[1:], "float32") for count in (self.both, self.either))
        occurs = ops.cast(either > 0, "float32")
        return ops.sum(2 * both / ops.maximum(either, 1)) / ops.maximum(ops.sum(occurs), 1)

    def reset_state(self) -> None:
        """Count from nothing."""
        for count in (self.both, self.either):
            count.assign(ops.zeros(count.shape, count.dtype))
