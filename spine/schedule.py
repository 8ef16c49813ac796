"""The phases of a training, its learning rate, and when a phase is over: decided by the history alone.

Cheap to import: settings hold these.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from spine.config import Strict
from spine.history import History

__all__ = ["Phase", "Plateau", "Schedule", "Unfreeze", "is_over", "next_rate"]

Count = Annotated[int, Field(ge=1)]
Unfreeze = Literal["all"] | Count | Annotated[float, Field(gt=0, lt=1)]


class Plateau(Strict):
    """Multiply the learning rate by `factor` after `patience` epochs without a lower validation loss."""

    patience: Count = 3
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    minimum: Annotated[float, Field(ge=0)] = 1e-6


Schedule = Literal["constant", "cosine"] | Plateau


@dataclass(frozen=True)
class Phase:
    """A stretch of epochs from one learning rate on; `unfreeze` None keeps the base frozen."""

    name: str
    epochs: int
    learning_rate: float
    unfreeze: Unfreeze | None


def is_over(history: History, phase: Phase, patience: int) -> bool:
    """Whether a phase has run its epochs, or its patience has run out."""
    own = history.of(phase.name)
    return len(own) >= phase.epochs or own.waited >= patience


def next_rate(history: History, phase: Phase, schedule: Schedule) -> float:
    """The learning rate after the last epoch of a history, which is one of the phase."""
    own = history.of(phase.name)
    if schedule == "cosine":
        # Loshchilov and Hutter 2017, without restarts, an epoch at a time.
        return phase.learning_rate * (1 + math.cos(math.pi * len(own) / phase.epochs)) / 2
    rate = float(own.rows[-1]["learning_rate"])
    if not isinstance(schedule, Plateau) or own.waited_at_this_rate < schedule.patience:
        return rate
    return max(rate * schedule.factor, min(rate, schedule.minimum))
