"""A model of Keras 3 as checkpoints keep it: the arrays of its weights and of its optimizer, in order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np

from spine.core.problems import SpineError

__all__ = ["KeptModel"]


class KeptModel:
    """A model that saves and loads its weights, then its optimizer's variables where it is compiled, by their order.

    Keras' own `save_weights` names each by its layer and takes ten times as long, a tenth of a small network's epoch.
    """

    def __init__(self, model: keras.Model) -> None:
        self.model = model

    @property
    def variables(self) -> list[Any]:
        """The model's."""
        variables: list[Any] = self.model.variables
        return variables

    @property
    def optimizer(self) -> keras.optimizers.Optimizer | None:
        """The model's, None where it is not compiled."""
        return getattr(self.model, "optimizer", None)

    def save_weights(self, path: Path) -> None:
        """Write them all."""
        kept = [*self.model.weights, *(self.optimizer.variables if self.optimizer else ())]
        with path.open("wb") as stream:
            np.savez(stream, np.array(len(self.model.weights)), *(variable.numpy() for variable in kept))

    def load_weights(self, path: Path) -> None:
        """Read the weights, and the optimizer's variables where it has as many; SpineError where weights do not fit."""
        with np.load(path) as stored:
            count, *values = (stored[name] for name in stored.files)
        weights, of_optimizer = values[: int(count)], values[int(count) :]
        _assign(self.model.weights, weights, path)
        if self.optimizer and len(self.optimizer.variables) == len(of_optimizer):
            _assign(self.optimizer.variables, of_optimizer, path)


def _assign(variables: list[Any], values: list[np.ndarray], path: Path) -> None:
    shapes = [tuple(variable.shape) for variable in variables]
    if shapes != [value.shape for value in values]:
        raise SpineError(f"{path} holds the weights of another network; remove it to train from the start")
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
