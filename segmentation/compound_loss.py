"""The weighted sum of losses that a member's settings write as algebra, for Keras."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from segmentation import algebra
from segmentation.config import Settings
from segmentation.losses import LOSSES, Loss

__all__ = ["CompoundLoss"]

Tensor = Any


class CompoundLoss(keras.losses.Loss):
    """A sum of pure losses, each times its weight; `terms` are (weight, loss)."""

    def __init__(self, terms: Sequence[tuple[float, Loss]], name: str = "compound") -> None:
        super().__init__(name=name)
        self.terms = tuple(terms)

    @classmethod
    def from_settings(cls, settings: Settings, labels: tuple[str, ...]) -> CompoundLoss:
        """The loss of the settings; SpineError where `class_weights` does not fit the labels."""
        weights = settings.weight_of_classes(labels)
        return cls([(term.weight, LOSSES[term.name](settings, weights)) for term in algebra.parse(settings.loss)])

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Each term, added."""
        return sum(weight * loss(y_true, y_pred) for weight, loss in self.terms)
