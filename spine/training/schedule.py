"""How long and how fast a network learns, alike for every task: settings, and what is read off the history by them.

The history is all the state there is, so a resumed run decides as an uninterrupted one. Cheap to import.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal, Protocol, TypeVar

from pydantic import Field

from spine.core.strict import Strict
from spine.training.history import MONITORS, History

__all__ = [
    *(
        "MOST_PIXELS",
        "Count",
        "Decay",
        "Fraction",
        "NotNegative",
        "Phase",
        "Plateau",
        "Positive",
        "Schedule",
        "Scheduled",
    ),
    *("cycle_at", "cycles_of", "is_over", "next_rate", "too_long_a_warm_up", "warm_up", "warm_up_of", "with_epochs"),
    "why_stopped",
]

MOST_PIXELS = 8192  # of the height or width that a network reads
Count = Annotated[int, Field(ge=1, le=10**6)]  # of epochs, layers' units, images in a batch
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Decay = Annotated[float, Field(gt=0, lt=1)]  # what a moving average keeps of itself
Fraction = Annotated[float, Field(ge=0, lt=1)]
Schedule = Literal["constant", "cosine"]  # cosine: down to 0 at the end of a phase, epoch by epoch


class Plateau(Strict):
    """Multiply the learning rate by `factor` after `patience` epochs without a lower validation loss."""

    patience: Count = 3
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    minimum: Annotated[float, Field(ge=0)] = 1e-6


@dataclass(frozen=True)
class Phase:
    """A stretch of epochs from one learning rate on; a task adds what of its network learns in it."""

    name: str
    epochs: int
    learning_rate: float
    cycles: int = field(default=1, kw_only=True)  # of the cosine, each with a snapshot at its end


AnyPhase = TypeVar("AnyPhase", bound=Phase)


def with_epochs(phases: Iterable[AnyPhase], epochs: Mapping[str, int]) -> tuple[AnyPhase, ...]:
    """The phases with the epochs that `epochs` gives for each; those of none are left out."""
    return tuple(replace(phase, epochs=epochs[phase.name]) for phase in phases if epochs.get(phase.name))


class EarlyStopping(Protocol):
    """The setting that the end of a phase depends on."""

    @property
    def patience(self) -> int:
        """Epochs without a better one."""
        ...


class Scheduled(EarlyStopping, Protocol):
    """The settings that the learning rate and the end of a phase depend on."""

    schedule: Schedule
    warmup: float
    reduce_on_plateau: Plateau | None


def is_over(history: History, phase: Phase, settings: EarlyStopping) -> bool:
    """Whether a phase has run its epochs, or its patience has run out; each of several cycles runs all of its own."""
    own = history.of(phase.name)
    return len(own) >= phase.epochs or (phase.cycles == 1 and own.epochs_since_best >= settings.patience)


def why_stopped(history: History, phase: Phase, settings: EarlyStopping) -> str:
    """One line on a phase whose patience ran out before its epochs; empty where it ran them all."""
    own, best = history.of(phase.name), history.best
    if best is None or own.monitor is None or len(own) >= phase.epochs or not is_over(history, phase, settings):
        return ""
    better = "lower" if MONITORS[own.monitor] > 0 else "higher"
    epochs = f"{own.epochs_since_best} epoch{'s' if own.epochs_since_best > 1 else ''}"
    return f"stopped: no {better} {own.monitor} for {epochs}; epoch {best['epoch']} is kept"


def cycle_at(epoch: int, phase: Phase) -> tuple[int, int]:
    """The first epoch, and that after the last, of the cycle that an epoch is in; all 0-based within the phase."""
    number = min(((epoch + 1) * phase.cycles - 1) // phase.epochs, phase.cycles - 1)
    return number * phase.epochs // phase.cycles, (number + 1) * phase.epochs // phase.cycles


def cycles_of(history: History, phase: Phase) -> list[History]:
    """The epochs of a phase, cycle by cycle, those that have begun."""
    own = history.of(phase.name)
    bounds = dict.fromkeys(cycle_at(epoch, phase) for epoch in range(len(own)))
    return [replace(own, rows=own.rows[start:end]) for start, end in bounds]


def warm_up(epochs: float, warmup: float) -> float:
    """What a step's rate is multiplied by, `epochs` after its phase began: it rises from 0.1 to 1 in `warmup` epochs.

    A straight line, as Model Garden's.
    """
    return min(1.0, 0.1 + 0.9 * epochs / warmup) if warmup else 1.0


def warm_up_of(phase: Phase, warmup: float) -> float:
    """The epochs in which the rate of a phase rises: `warmup`, or half of a phase that is no longer than that.

    Settings that ask for such phases are refused; a refit has them, where its folds stopped within so few epochs.
    """
    return warmup if warmup < phase.epochs else phase.epochs / 2


def too_long_a_warm_up(warmup: float, phases: Iterable[Phase]) -> str:
    """What of a training is over before its rate has risen, a phase or the first cycle of one; empty where none is."""
    for phase in phases if warmup else ():
        _, length = cycle_at(0, phase)
        if warmup >= length > 0:
            of = "the" if phase.cycles == 1 else f"the first of {phase.cycles} cycles of the"
            return f"{of} phase {phase.name!r} has {length} epoch{'s' if length > 1 else ''}"
    return ""


def next_rate(history: History, phase: Phase, settings: Scheduled) -> float:
    """The learning rate of the epoch that follows the phase's last one in `history`, without its warm-up."""
    own, plateau = history.of(phase.name), settings.reduce_on_plateau
    if settings.schedule == "cosine":
        start, end = cycle_at(len(own), phase)
        return phase.learning_rate * (1 + math.cos(math.pi * (len(own) - start) / (end - start))) / 2
    if len(own) < settings.warmup + 1:  # the last epoch's rate was still rising, at least at first
        return phase.learning_rate
    rate = float(own.rows[-1]["learning_rate"])
    if plateau is None or own.epochs_at_this_rate < plateau.patience:
        return rate
    return max(rate * plateau.factor, min(rate, plateau.minimum))
