"""Fitting a network of Keras 3 in its phases, an epoch at a time, each safe on disk before the next begins."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import keras
import tensorflow as tf

from spine.core.problems import SpineError
from spine.training.batch_norm import refuse_lone_values
from spine.training.callbacks import EpochProgress, Recorder, WarmUp
from spine.training.checkpoints import Checkpoints
from spine.training.data import FitData
from spine.training.devices import strategy
from spine.training.fit_settings import FitSettings
from spine.training.fitting import Fitting
from spine.training.history import History
from spine.training.kept_model import KeptModel
from spine.training.progress import print_line
from spine.training.regularisation.averaged_model import AveragedModel, UseAverages
from spine.training.regularisation.layer_rates import rates_of, with_rates
from spine.training.schedule import Phase, cycles_of, is_over, next_rate, warm_up_of, why_stopped

__all__ = ["KerasFitting", "make_variables", "optimizer"]


class KerasFitting(Fitting):
    """A training in Keras 3, by `fit`; `settings` are `FitSettings`. A task fills in its methods."""

    @abstractmethod
    def build(self, *, pretrained: bool) -> keras.Model:
        """The network, its base from the weights of the settings or from none."""

    @abstractmethod
    def set_trainable(self, network: keras.Model, phase: Any) -> None:
        """Freeze and free the network's layers for a phase."""

    @abstractmethod
    def base_of(self, network: keras.Model) -> keras.Model:
        """The part of it that may start from weights."""

    @abstractmethod
    def objective(self) -> Mapping[str, Any]:
        """`loss` and `metrics` for Keras' compile, made anew at each call, within the strategy's scope."""

    @property
    def class_weights(self) -> dict[int, float] | None:
        """What each class weighs in the loss, where Keras is to weigh it."""
        return None

    @property
    def phases(self) -> tuple[Any, ...]:
        """The task's own `Phase`s, in order; the last one in as many cycles as there are snapshots."""
        phases = super().phases
        return (*phases[:-1], *(replace(last, cycles=self.settings.snapshots) for last in phases[-1:]))

    @property
    def checkpoints(self) -> Checkpoints:
        """Its checkpoints: the best of every cycle is kept where a snapshot is to be made of it."""
        checkpoints = super().checkpoints
        return checkpoints if self.settings.snapshots == 1 else replace(checkpoints, others=self._snapshots)

    def best_epoch(self) -> int:
        """The epoch whose network is published: the best, or that of the snapshot's cycle."""
        if self.settings.snapshot is None:
            return super().best_epoch()
        return self._snapshots(self.checkpoints.history())[self.settings.snapshot - 1]

    def _snapshots(self, history: History) -> list[int]:
        """The best epoch of each cycle that has begun."""
        rows = (cycle.best for cycle in cycles_of(history, self.phases[-1]))
        return [int(row["epoch"]) for row in rows if row is not None]

    def run(self, prepare_directory: Callable[[], None] = lambda: None) -> History:
        """Run the phases, as `Fitting` tells; SpineError where the validation loss never was a number."""
        keras.utils.set_random_seed(self.seed)
        with _precision(self.settings), strategy().scope():
            network = self.build(pretrained=True)
            self._check(network)
            prepare_directory()
            for phase in self.phases:
                self._run_phase(phase, network)
        history = self.checkpoints.history()
        history.write(self.directory / "history.csv")
        return history

    def best_network(self) -> keras.Model:
        """The network of the best epoch, in float32 whatever it was trained in, without a trace of its training."""
        network = self.build(pretrained=False)
        self.checkpoints.load(KeptModel(network), self.best_epoch())
        return network

    def _check(self, network: keras.Model) -> None:
        """Refuse now what would show in a later phase only."""
        for phase in self.phases:
            self.set_trainable(network, phase)
            refuse_lone_values(network, self._shared_data())

    def _shared_data(self) -> FitData:
        return self.data.shared_by(tf.distribute.get_strategy().num_replicas_in_sync)

    def _run_phase(self, phase: Phase, network: keras.Model) -> None:
        history = self.checkpoints.history()
        if is_over(history, phase, self.settings):
            return
        self.set_trainable(network, phase)
        model = self._compiled(network, phase)
        before = len(history) - len(history.of(phase.name))
        if history.best and len(history) == before:
            self.checkpoints.load(KeptModel(network), int(history.best["epoch"]))
        state = AveragedModel(model, self.settings.ema) if self.settings.ema else KeptModel(model)
        if len(history) > before:
            self.checkpoints.load(state, len(history))
        data = self._shared_data()
        batches = data.training(len(history))
        make_variables(model, batches)
        model.fit(
            batches,
            validation_data=data.validation_batches(),
            steps_per_epoch=data.steps,
            initial_epoch=len(history),
            epochs=before + phase.epochs,
            class_weight=self.class_weights,
            callbacks=self._callbacks(phase, state, before, data.steps),
            shuffle=False,  # the data shuffles itself, the same way after a resume
            verbose=0,
        )
        history = self.checkpoints.history()
        for cycle in cycles_of(history, phase) if phase.cycles > 1 else [history]:
            _refuse_divergence(cycle, self.name)
        print_line(f"{self.name} {phase.name}", why_stopped(history, phase, self.settings))

    def _compiled(self, network: keras.Model, phase: Phase) -> keras.Model:
        # A model of its own around the network's layers: the optimizer lives and dies with the phase.
        model = keras.Model(network.inputs, network.outputs)
        decay = self.settings.layer_decay
        rates = None if decay == 1 else rates_of(model.trainable_variables, self.base_of(network), decay)
        model.compile(optimizer(phase, self.settings, rates), **self.objective())
        model.optimizer.build(model.trainable_variables)  # so that a checkpoint finds its state
        return model

    def _callbacks(
        self, phase: Phase, state: KeptModel | AveragedModel, before: int, steps: int
    ) -> list[keras.callbacks.Callback]:
        recorder = Recorder(
            self.checkpoints,
            state,
            self.directory / "history.csv",
            phase.name,
            self.seed,
            next_rate=lambda history: next_rate(history, phase, self.settings),
            is_over=lambda history: is_over(history, phase, self.settings),
        )
        board = keras.callbacks.TensorBoard(str(self.directory / "logs"), write_graph=False)
        found = [EpochProgress(f"{self.name} {phase.name}", before + phase.epochs, steps), board, recorder]
        if self.settings.warmup:
            found.append(WarmUp(warm_up_of(phase, self.settings.warmup), before, steps))
        if isinstance(state, AveragedModel):
            found.append(UseAverages(state.average))
        return found


def make_variables(model: keras.Model, batches: tf.data.Dataset) -> None:
    """Have a model's metrics make their variables now: the first step, which does so else, would be traced twice."""
    if tf.distribute.get_strategy().num_replicas_in_sync > 1:
        return  # Keras does it itself then
    pictures, truth = tf.nest.map_structure(_one_of_nothing, batches.element_spec[:2])
    answer = model(pictures, training=False)
    model.compute_loss(pictures, truth, answer)
    model.compute_metrics(pictures, truth, answer)
    model.reset_metrics()


def _one_of_nothing(spec: tf.TensorSpec) -> tf.Tensor:
    return tf.zeros([1, *spec.shape[1:]], spec.dtype)


def optimizer(phase: Phase, settings: FitSettings, rates: Sequence[float] | None = None) -> keras.optimizers.Optimizer:
    """The optimizer of the settings, at the phase's learning rate, or at so many times it for each variable."""
    kinds = {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD, "rmsprop": keras.optimizers.RMSprop}
    kind = kinds[settings.optimizer]
    momentum = {} if settings.optimizer == "adam" else {"momentum": settings.momentum}
    return (kind if rates is None else with_rates(kind, rates))(phase.learning_rate, **momentum)


@contextmanager
def _precision(settings: FitSettings) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16" if settings.mixed_precision else "float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _refuse_divergence(history: History, name: str) -> None:
    best = history.best
    if best is None or not float(best.get("val_loss", best["loss"])) < float("inf"):
        raise SpineError(
            f"the training of {name!r} diverged: its loss was never a number. Lower `learning_rate`"
            " (now and for fine tuning), or turn mixed_precision off"
        )
