"""A measured number with its interval over patients, as metrics.json holds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Self

from pydantic import StrictInt, StrictStr

from ensemble.results.scores import Number
from ensemble.results.written import Written
from spine.core.files import with_nulls
from spine.core.words import signed
from spine.metrics.statistics import Interval
from spine.tasks import TASKS

__all__ = ["Estimate"]

SAME_AS_ONE = "with fewer than two patients there is nothing to draw"
NO_RESAMPLE = "no resample of the patients has a value"


class Estimate(Written):
    """A number with its interval over patients; `undefined` counts the resamples that have no value.

    `why` is there where the number is None, or its bounds are.
    """

    value: Number | None
    low: Number | None
    high: Number | None
    undefined: StrictInt = 0
    why: StrictStr | None = None

    @classmethod
    def of(cls, interval: Interval, metric: str, task: str, patients: int) -> Self:
        """What was measured by a metric on so many patients, with the reason where it is undefined."""
        return cls.because(interval, TASKS[task].metrics.why_undefined(metric), patients)

    @classmethod
    def because(cls, interval: Interval, why: str, patients: int) -> Self:
        """What was measured on so many patients; `why` it has no value, where that is so."""
        known = with_nulls(asdict(interval))
        if known["value"] is None:
            return cls(**known, why=why)
        if known["low"] is None:
            return cls(**known, why=SAME_AS_ONE if patients < 2 else NO_RESAMPLE)
        return cls(**known)

    def describe(self) -> str:
        """Such as `0.912 (0.871 to 0.944)`."""
        return self._told(_plain)

    def describe_difference(self) -> str:
        """Such as `+0.012 (-0.003 to +0.027)`."""
        return self._told(signed)

    def _told(self, number: Callable[[float], str]) -> str:
        if self.value is None:
            return "undefined"
        if self.low is None or self.high is None:
            return f"{number(self.value)} (no interval)"
        return f"{number(self.value)} ({number(self.low)} to {number(self.high)})"


def _plain(number: float) -> str:
    return f"{number:z.3f}"
