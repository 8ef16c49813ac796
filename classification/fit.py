"""How a classifier is fitted: its network, what of it learns in each phase, its loss and its SavedModel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from classification.config import Settings
from classification.data import Data
from classification.export import export, signature_of
from classification.model import base_of, build, set_trainable
from spine.training.keras_fitting import KerasFitting

__all__ = ["ClassifierFitting"]


@dataclass(frozen=True)
class ClassifierFitting(KerasFitting):
    """One classifier's training, by categorical cross-entropy."""

    data_class = Data

    settings: Settings
    data: Data

    def build(self, *, pretrained: bool) -> keras.Model:
        """The network of the settings."""
        settings = self.settings if pretrained else self.settings.model_copy(update={"weights": "none"})
        return build(settings, len(self.data.labels))

    def set_trainable(self, network: keras.Model, phase: Any) -> None:
        """The head learns, and of the base what the phase unfreezes."""
        set_trainable(network, phase.unfreeze, batch_norm=not self.settings.pretrained)

    def base_of(self, network: keras.Model) -> keras.Model:
        """What is before the head."""
        return base_of(network)

    def objective(self) -> Mapping[str, Any]:
        """Cross-entropy and accuracy."""
        return {"loss": "categorical_crossentropy", "metrics": ["accuracy"]}

    @property
    def class_weights(self) -> dict[int, float] | None:
        """What each class weighs in the loss."""
        return self.data.class_weights

    def export(self, network: keras.Model) -> Path:
        """Publish the network."""
        return export(network, self.settings, self.directory)

    def signature(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The contract's, with the network's size."""
        return signature_of(self.settings, len(self.data.labels))
