"""Discs' levels as numbers counted from below, however an annotation writes them."""

from __future__ import annotations

import re

__all__ = ["level_number", "one_spelling"]

_NAME = re.compile(r"(?P<letter>Th|[TL])(?P<number>\d{1,2})\s*[-/_ ]?\s*(?:(?:Th|[TLS])?\d{1,2})?", re.IGNORECASE)
_ABOVE_L5_S1 = {"L": (6, 5), "T": (18, 12)}  # what the upper vertebra's number is taken from, and the highest it has


def level_number(text: str) -> int | None:
    """1 for "L5/S1", 2 for "L4/L5", "L4-5" or "2", and so on up to T1/T2; None for another text, or none."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return int(text)
    name = _NAME.fullmatch(text)
    if not name:
        return None
    base, most = _ABOVE_L5_S1[name["letter"][0].upper()]
    number = int(name["number"])
    return base - number if 1 <= number <= most else None


def one_spelling(text: str) -> str:
    """A level by its number where that is known, so that all ways to write it are one; any other text as it is."""
    number = level_number(text)
    return text.strip() if number is None else str(number)
