"""The benchmark of training: when epochs began, by the clock and by the time of all cores."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import NamedTuple

import numpy as np

Times = tuple[float, float]  # of the clock, and of the cores that this process was given


class Seconds(NamedTuple):
    """Of an epoch."""

    clock: float
    cores: float


Loop = Callable[[], Seconds]  # the medians over its epochs


def now() -> Times:
    return time.perf_counter(), time.process_time()


def of_epochs(times: Sequence[Times], first: int = 1) -> Seconds:
    """Medians of the epochs that lie between `times`, from `first` (0-based) on: graphs are made before that."""
    clock, cores = np.diff(np.array(times), axis=0)[first:].T.tolist()
    return Seconds(median(clock), median(cores))
