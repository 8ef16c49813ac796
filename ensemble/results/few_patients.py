"""The one place that decides how many patients are too few for what an interval seems to promise."""

from __future__ import annotations

__all__ = ["ENOUGH", "caution"]

ENOUGH = 50
"""Patients. The bootstrap's interval of a mean over n patients is sqrt((n - 1) / n) z / t as wide as Student's
(Hesterberg, Am Stat 2015;69:371): at 95 % 3 % too narrow of 50 patients, 9 % of 20, 18 % of 10.
"""

_HARDLY_ANY = 10


def caution(patients: int, whom: str = "test") -> str:
    """A sentence on intervals over so many patients; "" where they are enough."""
    if patients >= ENOUGH:
        return ""
    count = f"There {'is' if patients == 1 else 'are'} only {patients} {whom} patient{'s' if patients != 1 else ''}"
    if patients < _HARDLY_ANY:
        return f"{count}: too few to judge by. Intervals are rough, and other patients may give quite other figures."
    return f"{count}, fewer than {ENOUGH}: read intervals with caution, for of so few they are too narrow."
