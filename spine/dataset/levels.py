"""Discs' levels as numbers counted from below, however an annotation writes them."""

from __future__ import annotations

import re

__all__ = ["level_number"]

_NAME = re.compile(r"(?P<letter>[TL])(?P<number>\d{1,2})\s*[-/_ ]?\s*(?:[TLS]?\d{1,2})?", re.IGNORECASE)
_ABOVE_L5_S1 = {"L": (6, 5), "T": (18, 12)}  # what the upper vertebra's number is taken from, and the highest it has


def level_number(text: str) -> int | None:
    """1 for "L5/S1", 2 for "L4/L5", "L4-5" or "2", and so on up to T1/T2; None for another text, or none."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return int(text)
    name = _NAME.fullmatch(text)
    if not name:
        return None
    base, most = _ABOVE_L5_S1[name["letter"].upper()]
    number = int(name["number"])
    return base - number if 1 <= number <= most else None
