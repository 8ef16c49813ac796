"""The one place that says what an interval seems to promise and does not: of few patients, and of no width."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

__all__ = ["ENOUGH", "NO_WIDTH", "Bounded", "caution", "caution_of_width"]

ENOUGH = 50
"""Patients. The bootstrap's interval of a mean over n patients is sqrt((n - 1) / n) z / t as wide as Student's
(Hesterberg, Am Stat 2015;69:371): at 95 % 3 % too narrow of 50 patients, 9 % of 20, 18 % of 10.
"""

NO_WIDTH = (
    "An interval of no width comes of the resamples all having the same value, such as where all of these patients are "
    "right, or none: it does not say that the figure is certain."
)

_HARDLY_ANY = 10


class Bounded(Protocol):
    """What has an interval: its bounds, None or NaN where there is none."""

    @property
    def low(self) -> float | None:
        """The lower bound."""

    @property
    def high(self) -> float | None:
        """The upper bound."""


def caution(patients: int, whom: str = "test") -> str:
    """A sentence on intervals over so many patients; "" where they are enough."""
    if patients >= ENOUGH:
        return ""
    count = f"There {'is' if patients == 1 else 'are'} only {patients} {whom} patient{'s' if patients != 1 else ''}"
    if patients < _HARDLY_ANY:
        return f"{count}: too few to judge by. Intervals are rough, and other patients may give quite other figures."
    return f"{count}, fewer than {ENOUGH}: read intervals with caution, for of so few they are too narrow."


def caution_of_width(intervals: Iterable[Bounded]) -> str:
    """The sentence on intervals of no width; "" where none of these is one."""
    return NO_WIDTH if any(one.low is not None and one.low == one.high for one in intervals) else ""
