"""How long trainings take on so many machines."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

__all__ = ["makespan"]


def makespan(stages: Iterable[Sequence[float]], at_once: int) -> float:
    """Seconds until all are done, `at_once` of them at a time, each begun in its order as soon as there is room.

    A stage begins when the one before it has ended.
    """
    return sum(_of_stage(stage, at_once) for stage in stages)


def _of_stage(seconds: Sequence[float], at_once: int) -> float:
    free = [0.0] * at_once  # when each has room again
    for own in seconds:
        heapq.heapreplace(free, free[0] + own)
    return max(free)
