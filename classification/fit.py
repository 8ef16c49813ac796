"""Fitting a network in its phases, an epoch at a time, each safe on disk before the next begins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import keras
import tensorflow as tf

from classification.config import Phase, Settings
from classification.data import Data
from classification.model import build, set_trainable
from spine.checkpoints import Checkpoints
from spine.history import History
from spine.problems import SpineError
from spine.training import EpochProgress, Recorder

__all__ = ["Fitting", "best_network", "is_over", "next_rate"]


@dataclass(frozen=True)
class Fitting:
    """One training: what it reads, how, and the member's directory that it writes to."""

    name: str
    settings: Settings
    data: Data
    seed: int
    directory: Path

    @property
    def checkpoints(self) -> Checkpoints:
        """Its checkpoints."""
        return Checkpoints(self.directory / "checkpoints")

    def run(self) -> History:
        """Run the phases from wherever an earlier run was killed; gives the history.

        SpineError where the validation loss never was a number.
        """
        keras.utils.set_random_seed(self.seed)
        with _precision(self.settings), _strategy().scope():
            network = build(self.settings, len(self.data.labels))
            for phase in self.settings.phases:
                self._run_phase(phase, network)
        history = self.checkpoints.history()
        history.write(self.directory / "history.csv")
        return history

    def _run_phase(self, phase: Phase, network: keras.Model) -> None:
        history = self.checkpoints.history()
        if is_over(history, phase, self.settings):
            return
        set_trainable(network, phase.unfreeze, batch_norm=not self.settings.pretrained)
        model = _compiled(network, phase, self.settings)
        if history.of(phase.name):
            self.checkpoints.load(model, len(history))
        elif history.best:
            self.checkpoints.load(network, int(history.best["epoch"]))
        data = self.data.shared_by(tf.distribute.get_strategy().num_replicas_in_sync)
        last = len(history) - len(history.of(phase.name)) + phase.epochs
        model.fit(
            data.training(len(history)),
            validation_data=data.stopping(),
            steps_per_epoch=data.steps,
            initial_epoch=len(history),
            epochs=last,
            class_weight=data.class_weights,
            callbacks=self._callbacks(phase, last, data.steps),
            shuffle=False,  # the data shuffles itself, the same way after a resume
            verbose=0,
        )
        _refuse_divergence(self.checkpoints.history(), self.name)

    def _callbacks(self, phase: Phase, last: int, steps: int) -> list[keras.callbacks.Callback]:
        recorder = Recorder(
            self.checkpoints,
            self.directory / "history.csv",
            phase.name,
            self.seed,
            next_rate=lambda history: next_rate(history.of(phase.name), self.settings),
            is_over=lambda history: is_over(history, phase, self.settings),
        )
        board = keras.callbacks.TensorBoard(str(self.directory / "logs"), write_graph=False)
        return [EpochProgress(f"{self.name} {phase.name}", last, steps), board, recorder]


def best_network(fitting: Fitting) -> keras.Model:
    """The network of the best epoch, in float32 whatever it was trained in, and without a trace of its training."""
    settings = fitting.settings.model_copy(update={"weights": "none"})
    network = build(settings, len(fitting.data.labels))
    best = fitting.checkpoints.history().best
    assert best is not None
    fitting.checkpoints.load(network, int(best["epoch"]))
    return network


def is_over(history: History, phase: Phase, settings: Settings) -> bool:
    """Whether a phase has run its epochs, or its patience has run out."""
    own = history.of(phase.name)
    return len(own) >= phase.epochs or own.waited >= settings.patience


def next_rate(history: History, settings: Settings) -> float:
    """The learning rate after the last epoch of one phase's history."""
    rate = float(history.rows[-1]["learning_rate"])
    plateau = settings.reduce_on_plateau
    if plateau is None or history.waited_at_this_rate < plateau.patience:
        return rate
    return max(rate * plateau.factor, min(rate, plateau.minimum))


def _compiled(network: keras.Model, phase: Phase, settings: Settings) -> keras.Model:
    # A model of its own around the network's layers: the optimizer lives and dies with the phase.
    model = keras.Model(network.inputs, network.outputs)
    model.compile(_optimizer(phase, settings), loss="categorical_crossentropy", metrics=["accuracy"])
    model.optimizer.build(model.trainable_variables)
    return model


def _optimizer(phase: Phase, settings: Settings) -> keras.optimizers.Optimizer:
    rate, momentum = phase.learning_rate, settings.momentum
    return {
        "adam": lambda: keras.optimizers.Adam(rate),
        "sgd": lambda: keras.optimizers.SGD(rate, momentum=momentum),
        "rmsprop": lambda: keras.optimizers.RMSprop(rate, momentum=momentum),
    }[settings.optimizer]()


def _strategy() -> tf.distribute.Strategy:
    """All visible GPUs, or the one device there is."""
    gpus = tf.config.list_logical_devices("GPU")
    return tf.distribute.MirroredStrategy() if len(gpus) > 1 else tf.distribute.get_strategy()


@contextmanager
def _precision(settings: Settings) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16" if settings.mixed_precision else "float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _refuse_divergence(history: History, name: str) -> None:
    best = history.best
    if best is None or not float(best["val_loss"]) < float("inf"):
        raise SpineError(
            f"the training of {name!r} diverged: its validation loss never was a number. Lower `learning_rate`"
            " (now and for fine tuning), or take mixed_precision away"
        )
