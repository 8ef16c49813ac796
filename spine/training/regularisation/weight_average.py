"""An exponential moving average of what a network learns, of either Keras: it is validated, kept and published."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

__all__ = ["WeightAverage", "decay_at"]


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
        """Write, beside the averages in `path`, what goes on after a resume: what was learned, and the count of steps.

        The averages are shown.
        """
        assert self.learned is not None
        with _beside(path).open("wb") as stream:
            np.savez(stream, np.array(self.steps), *self.learned)

    def load(self, path: Path) -> None:
        """Read it, with the averages in the variables."""
        with np.load(_beside(path)) as stored:
            steps, *self.learned = (stored[name] for name in stored.files)
        self.steps = int(steps)
        _assign(self.averages, self.variables)


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.learned.npz")


def _assign(variables: Sequence[tf.Variable], values: Sequence[Any]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
