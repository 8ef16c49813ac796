"""An exponential moving average of what a network learns: it is what is validated, kept and published."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from spine.training.batch_norm import norms_of

__all__ = ["AveragedModel", "UseAverages", "WeightAverage", "decay_at"]


def decay_at(step: int, decay: float) -> float:
    """What the average keeps of itself at a step (1-based) of its phase: `decay`, and less in the first steps.

    (1 + step) / (10 + step) where that is less, as TensorFlow's own: what a phase began with is soon forgotten.
    """
    return min(decay, (1 + step) / (10 + step))


class WeightAverage:
    """The moving average of variables over the steps, kept beside them, or in them while `show`n.

    It begins at their values. While it is shown, what they learned lies beside; `hide` gives it back, bit by bit.
    """

    def __init__(self, variables: Sequence[tf.Variable], decay: float) -> None:
        self.variables, self.decay, self.steps = list(variables), decay, 0
        self.averages = [tf.Variable(variable, trainable=False) for variable in self.variables]
        self.learned: list[np.ndarray] | None = None  # while the averages are shown
        self._update = tf.function(self._move)

    def update(self) -> None:
        """Take in a step that has been made."""
        self.steps += 1
        self._update(tf.constant(1 - decay_at(self.steps, self.decay), tf.float32))

    def _move(self, share: tf.Tensor) -> None:
        for average, variable in zip(self.averages, self.variables, strict=True):
            average.assign_add(share * (variable - average))

    def show(self) -> None:
        """Put the averages into the variables."""
        if self.learned is None:
            self.learned = [variable.numpy() for variable in self.variables]
            _assign(self.variables, self.averages)

    def hide(self) -> None:
        """Put what was learned back into the variables."""
        if self.learned is not None:
            _assign(self.variables, self.learned)
            self.learned = None

    def save(self, path: Path) -> None:
        """Write what goes on after a resume: what was learned, and the count of steps; the averages are shown."""
        assert self.learned is not None
        with path.open("wb") as stream:
            np.savez(stream, np.array(self.steps), *self.learned)

    def load(self, path: Path) -> None:
        """Read it, with the averages in the variables."""
        with np.load(path) as stored:
            steps, *self.learned = (stored[name] for name in stored.files)
        self.steps = int(steps)
        _assign(self.averages, self.variables)


class AveragedModel:
    """A Keras model and the average of its weights, as checkpoints save and load them: the averages are its weights."""

    def __init__(self, model: keras.Model, decay: float) -> None:
        self.model, self.average = model, WeightAverage([variable.value for variable in learning_of(model)], decay)

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
        self.model.save_weights(path)
        self.average.save(_beside(path))

    def load_weights(self, path: Path) -> None:
        """Read them back; the averages are shown."""
        self.model.load_weights(path)
        self.average.load(_beside(path))


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


def learning_of(model: keras.Model) -> list[keras.Variable]:
    """What of a model changes in training: its trainable weights, and the moving statistics of batch norm that learns.

    The statistics are averaged alike, so that those of the averages' own maps are met nearly.
    """
    norms = [norm for norm in norms_of(model) if norm.trainable]
    return [*model.trainable_weights, *(statistic for norm in norms for statistic in norm.non_trainable_weights)]


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.learned.npz")


def _assign(variables: Sequence[tf.Variable], values: Sequence[Any]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
