"""Numbers out of text and files: finite, or an error that says what was received.

NaN and infinity pass every comparison and every sum; Python's `float` also takes "nan", "inf" and "1_0".
"""

from __future__ import annotations

import math
import re

__all__ = ["finite", "whole"]

_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_MOST_LETTERS = 400  # no measurement has as many digits, and Python refuses whole numbers of more than 4,300


def finite(value: object) -> float:
    """A finite number from a number or its decimal text; ValueError of anything else, NaN and infinity among it."""
    if isinstance(value, str):
        text = value.strip()
        if len(text) > _MOST_LETTERS or not _DECIMAL.fullmatch(text):
            raise ValueError(f"{text[:40]!r} is not a number")
        value = text
    elif isinstance(value, bool):
        raise ValueError(f"{value!r} is not a number")
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{str(value)[:40]!r} is not a number") from error
    if not math.isfinite(number):
        raise ValueError(f"{str(value)[:40]!r} is not a finite number")
    return number


def whole(value: object) -> int:
    """A whole number from a number or its decimal text; ValueError of anything else, 1.5 and NaN among it."""
    number = finite(value)
    if not number.is_integer():
        raise ValueError(f"{str(value)[:40]!r} is not a whole number")
    return int(number)
