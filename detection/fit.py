"""Fitting a detection network by Model Garden's trainer, an epoch at a time, each safe on disk before the next."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow as tf
import tf_keras

from detection.alternating import DetectorOnProposals
from detection.batch_norm import to_answer
from detection.config import PARTS, Phase, Settings
from detection.data import Data
from detection.export import export, signature_of
from detection.model import build
from detection.objective import task_of
from detection.optimizer import optimizer_of
from detection.sampling import seed_roi_samplers
from detection.state import State, learning_of
from detection.trainer import EpochTrainer
from detection.validation import Validation
from detection.workers import Workers
from spine.core.problems import SpineError
from spine.training.checkpoints import Checkpoints
from spine.training.fitting import Fitting
from spine.training.history import History
from spine.training.progress import EpochBar, print_line
from spine.training.regularisation.weight_average import WeightAverage
from spine.training.schedule import is_over, why_stopped

__all__ = ["DetectorFitting"]


@dataclass(frozen=True)
class DetectorFitting(Fitting):
    """One detector's training, on one machine or several, of which the chief writes the member's directory."""

    data_class = Data

    settings: Settings
    data: Data
    workers: Workers = field(kw_only=True)

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the member's directory."""
        return self.workers.is_chief

    @property
    def checkpoints(self) -> Checkpoints:
        """Its checkpoints."""
        return Checkpoints(self.directory / "checkpoints", "state", f"val_{self.settings.monitor}")

    def run(self, prepare_directory: Callable[[], None] = lambda: None) -> History:
        """Run the phases, as `Fitting` tells; SpineError where the loss stops being a number."""
        if self.settings.ema and self.workers.replicas > 1:
            raise SpineError(
                f"ema is {self.settings.ema:g}, and {self.workers.replicas} devices train together; a detector's "
                "moving average is of one device: leave ema out, or show TensorFlow one device (CUDA_VISIBLE_DEVICES)"
            )
        tf_keras.utils.set_random_seed(self.seed)
        validation = Validation(self.judged_network, self.data)
        if self.is_chief:
            prepare_directory()
        self.workers.barrier()
        for phase in self.phases:
            self._run_phase(phase, validation)
        history = self.checkpoints.history()
        if self.is_chief:
            history.write(self.directory / "history.csv")
        return history

    def build(self, *, pretrained: bool = True) -> tf_keras.Model:
        """The network, its backbone from the weights of the settings or from none."""
        none = {"backbone_weights": "none"}
        settings = self.settings if pretrained else self.settings.model_copy(update=none)
        return build(settings, len(self.data.labels))

    @cached_property
    def judged_network(self) -> tf_keras.Model:
        """The network that takes the trained one's weights, to be validated and published; building it takes long."""
        return to_answer(self.build())

    def best_network(self) -> tf_keras.Model:
        """The network of the best epoch."""
        self.checkpoints.load(State(network=self.judged_network), self.best_epoch())
        return self.judged_network

    def export(self, network: tf_keras.Model) -> Path:
        """Publish the network as the next SavedModel below `directory`; its path."""
        return export(network, self.settings, self.directory)

    def signature(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What `member.json` says of the inputs and outputs."""
        return signature_of(self.settings, len(self.data.labels))

    def _run_phase(self, phase: Phase, validation: Validation) -> None:
        history = self.checkpoints.history()
        if _is_over(history, phase, self.settings):
            return
        data = self.data.shared_by(self.workers.replicas)
        last = len(history) - len(history.of(phase.name)) + phase.epochs
        bar = EpochBar(f"{self.name} {phase.name}", last, data.steps)
        with self.workers.strategy.scope(), _showing(bar):
            session = self._begin(phase, history, data, bar)
            while not _is_over(history, phase, self.settings):
                bar.begin(len(history))
                history = self._run_epoch(phase, history, session, validation)
                self._record(session.state, history)
                bar.end(len(history) - 1, _measures(history, "seconds", "learning_rate"))
        if phase.validated:
            print_line(f"{self.name} {phase.name}", why_stopped(history, phase, self.settings))

    def _begin(self, phase: Phase, history: History, data: Data, bar: EpochBar) -> Session:
        """Network and trainer as they were after the history's last epoch."""
        network = self.build()
        weights = network.weights  # in the order of a new network: it depends on what learns
        proposer = self.build(pretrained=False) if phase.starts_over else None
        _freeze(network, phase)
        trainer = EpochTrainer(
            task_of(phase, self.settings, len(data.labels), network),
            DetectorOnProposals(network, proposer) if proposer else network,
            optimizer_of(phase, self.settings, data.steps),
            self.workers.distribute(lambda worker, of: data.training(len(history), worker, of)),
            data.steps,
            bar.step,
        )
        seed_roi_samplers(network, self.seed, trainer.global_step)
        resumes = bool(history.of(phase.name))
        if history.rows and not resumes:
            self.checkpoints.load(State(network=proposer or network), _start_of_next_phase(history))
        average = WeightAverage(learning_of(network), self.settings.ema) if self.settings.ema else None
        items = {"network": network, "optimizer": trainer.optimizer, "step": trainer.global_step}
        state = State(average, **items, **({"proposer": proposer} if proposer else {}))
        if resumes:
            self.checkpoints.load(state, len(history))
        if average is not None:
            trainer.after_step = _one_after_the_other(average.update, bar.step)
        return Session(weights, trainer, state)

    def _run_epoch(self, phase: Phase, history: History, session: Session, validation: Validation) -> History:
        started, average = time.monotonic(), session.state.average
        if average is not None:
            average.hide()
        losses = session.trainer.epoch()
        if average is not None:
            average.show()
        rate = float(f"{losses.pop('learning_rate'):.6g}")  # it is held in float32
        _refuse_divergence(losses, self.name, len(history) + 1)
        weights = tf_keras.backend.batch_get_value(session.weights)  # by all: batch norm's are the mean over machines
        scores = validation.scores(weights) if phase.validated and self.is_chief else validation.unscored
        names = (*scores, "seconds")
        shared = self.workers.broadcast([*scores.values(), round(time.monotonic() - started, 3)])
        return history.with_epoch(phase.name, {**losses, **dict(zip(names, shared.tolist(), strict=True))}, rate)

    def _record(self, state: State, history: History) -> None:
        """A checkpoint, `history.csv` and TensorBoard's logs; every machine gives its part of the state."""
        if self.is_chief:
            self.checkpoints.save(state, history)
            history.write(self.directory / "history.csv")
            _log(history, self.directory / "logs")
        else:
            with tempfile.TemporaryDirectory() as nowhere:
                state.save_weights(Path(nowhere) / "state")
        self.workers.barrier()


class Session(NamedTuple):
    """What a phase trains: the network's weights, its trainer, and all that a checkpoint holds of them."""

    weights: list[tf.Variable]
    trainer: EpochTrainer
    state: State


def _one_after_the_other(*calls: Callable[[], None]) -> Callable[[], None]:
    def call() -> None:
        for each in calls:
            each()

    return call


def _is_over(history: History, phase: Phase, settings: Settings) -> bool:
    if phase.validated:
        return is_over(history, phase, settings)
    return len(history.of(phase.name)) >= phase.epochs


def _start_of_next_phase(history: History) -> int:
    """The best epoch, or the last where none was validated."""
    best = history.best
    return int(best["epoch"]) if best and math.isfinite(float(best.get("val_map50", 0))) else len(history)


def _freeze(network: tf_keras.Model, phase: Phase) -> None:
    for name in set(PARTS) - phase.learns:
        part = getattr(network, name)
        for layer in part if isinstance(part, (list, tuple)) else [part]:
            if layer is not None:
                layer.trainable = False


def _refuse_divergence(losses: dict[str, float], name: str, epoch: int) -> None:
    if not all(map(math.isfinite, losses.values())):
        values = ", ".join(f"{loss} {value:g}" for loss, value in losses.items())
        raise SpineError(
            f"the training of {name!r} diverged in epoch {epoch}: {values}. Lower `learning_rate`, give more `warmup` "
            "or a smaller `global_clipnorm`"
        )


def _measures(history: History, *without: str) -> dict[str, float]:
    """What was measured in the last epoch."""
    row = history.rows[-1]
    return {name: float(value) for name, value in row.items() if name not in ("phase", "epoch", *without)}


def _log(history: History, directory: Path) -> None:
    """Losses under train, scores under validation, each by its own name, for TensorBoard."""
    for part in ("train", "validation"):
        with tf.summary.create_file_writer(str(directory / part)).as_default(step=len(history)):
            for name, value in _measures(history).items():
                if name.startswith("val_") == (part == "validation") and math.isfinite(value):
                    tf.summary.scalar(f"epoch_{name.removeprefix('val_')}", value)


@contextmanager
def _showing(bar: EpochBar) -> Iterator[None]:
    bar.start()
    try:
        yield
    finally:
        bar.stop()
