"""A model of Keras 3 that is validated, kept and published as the moving average of its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras

from spine.training.batch_norm import norms_of
from spine.training.kept_model import KeptModel
from spine.training.regularisation.weight_average import WeightAverage

__all__ = ["AveragedModel", "UseAverages"]


class AveragedModel:
    """A Keras model and the average of its weights, as checkpoints save and load them: the averages are its weights."""

    def __init__(self, model: keras.Model, decay: float) -> None:
        self.model, self.average = model, WeightAverage([variable.value for variable in _learning_of(model)], decay)

    @property
    def optimizer(self) -> keras.optimizers.Optimizer:
        """The model's."""
        return self.model.optimizer

    @property
    def variables(self) -> list[Any]:
        """The model's, and those that learn once more."""
        return [*self.model.variables, *self.average.variables]

    def save_weights(self, path: Path) -> None:
        """Write the averages as the model's weights, with its optimizer, and what was learned to a file beside."""
        self.average.show()
        KeptModel(self.model).save_weights(path)
        self.average.save(path)

    def load_weights(self, path: Path) -> None:
        """Read them back; the averages are shown."""
        KeptModel(self.model).load_weights(path)
        self.average.load(path)


class UseAverages(keras.callbacks.Callback):
    """Moves the average at every step, and shows it from the end of an epoch's steps to the next epoch's first."""

    def __init__(self, average: WeightAverage) -> None:
        super().__init__()
        self.average = average

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Go on from what was learned."""
        self.average.hide()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Take in the step."""
        self.average.update()

    def on_test_begin(self, logs: Any = None) -> None:
        """Validate the averages."""
        self.average.show()


def _learning_of(model: keras.Model) -> list[keras.Variable]:
    """What of a model changes in training: its trainable weights, and the moving statistics of batch norm that learns.

    The statistics are averaged alike, so that those of the averages' own maps are met nearly.
    """
    norms = [norm for norm in norms_of(model) if norm.trainable]
    return [*model.trainable_weights, *(statistic for norm in norms for statistic in norm.non_trainable_weights)]
