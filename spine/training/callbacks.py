"""Epochs on the record: after each one its checkpoint, its line in history.csv, and the decision to go on.

Keras callbacks for any task. What they decide is read off `spine.training.history`, so a resumed run decides alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras

from spine.training.checkpoints import Checkpoints, Saveable
from spine.training.history import History
from spine.training.progress import EpochBar
from spine.training.schedule import warm_up

__all__ = ["EpochProgress", "Recorder", "WarmUp", "reseed"]


class Recorder(keras.callbacks.Callback):
    """Saves a checkpoint of `state` and `history.csv` after each epoch, then asks for the next rate and if to stop.

    `next_rate` and `is_over` read the history that ends with this epoch.
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        state: Saveable,
        file: Path,
        phase: str,
        seed: int,
        next_rate: Callable[[History], float],
        is_over: Callable[[History], bool],
    ) -> None:
        super().__init__()
        self.checkpoints, self.state, self.file, self.phase, self.seed = checkpoints, state, file, phase, seed
        self.next_rate, self.is_over = next_rate, is_over
        self.history = checkpoints.history()
        self.started = 0.0

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Draw the epoch's own randomness."""
        self.started = time.monotonic()
        reseed(self.model, self.seed + epoch)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Record, then decide."""
        rate = float(f"{self.model.optimizer.learning_rate.numpy():.6g}")  # it is held in float32
        seconds = round(time.monotonic() - self.started, 3)
        self.history = self.history.with_epoch(self.phase, {**(logs or {}), "seconds": seconds}, rate)
        self.model.optimizer.learning_rate.assign(self.next_rate(self.history))
        self.checkpoints.save(self.state, self.history)
        self.history.write(self.file)
        self.model.stop_training = self.is_over(self.history)


class WarmUp(keras.callbacks.Callback):
    """Raises the rate over a phase's first `warmup` epochs of `steps` each, as `warm_up` has it.

    The phase began after `before` epochs. What it multiplies is the rate that an epoch begins with.
    """

    def __init__(self, warmup: float, before: int, steps: int) -> None:
        super().__init__()
        self.warmup, self.before, self.steps = warmup, before, steps
        self.epochs, self.rate = 0, 0.0

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """The rate that the schedule gave this epoch."""
        self.epochs, self.rate = epoch - self.before, float(self.model.optimizer.learning_rate.numpy())

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """The step's own rate."""
        if self.epochs < self.warmup:
            risen = warm_up(self.epochs + batch / self.steps, self.warmup)
            self.model.optimizer.learning_rate.assign(self.rate * risen)


class EpochProgress(keras.callbacks.Callback):
    """An `EpochBar` that Keras drives."""

    def __init__(self, title: str, epochs: int, steps: int) -> None:
        super().__init__()
        self.bar = EpochBar(title, epochs, steps)

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Show the bar."""
        self.bar.start()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Start it anew."""
        self.bar.begin(epoch)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """One step on."""
        self.bar.step()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Leave the epoch's line."""
        self.bar.end(epoch, logs or {})

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        """Take the bar away."""
        self.bar.stop()


def reseed(model: Any, seed: int) -> None:
    """Set the states of a model's random layers, such as dropout; Keras keeps them out of its checkpoints."""
    states = [variable for variable in model.variables if variable.path.endswith("seed_generator_state")]
    for number, state in enumerate(states):
        state.assign([seed, number])
