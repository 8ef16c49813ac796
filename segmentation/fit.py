"""How a segmentation network is fitted: its network, when its encoder learns, its loss and its SavedModel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from segmentation.compound_loss import CompoundLoss
from segmentation.config import Settings
from segmentation.data import Data
from segmentation.deep_supervision import SupervisedLoss, without_heads
from segmentation.export import export, signature_of
from segmentation.metrics import DiceForeground, IoUForeground
from segmentation.model import build, encoder_of, set_trainable
from spine.training.keras_fitting import KerasFitting

__all__ = ["SegmenterFitting"]


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
        """The settings' loss, and the foreground's Dice and IoU as they are reported."""
        loss: keras.losses.Loss = CompoundLoss.from_settings(self.settings, self.data.labels)
        if self.settings.deep_supervision:
            loss = SupervisedLoss(loss)
        dice = DiceForeground(len(self.data.labels))
        return {"loss": loss, "metrics": [dice, IoUForeground(dice)]}

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
