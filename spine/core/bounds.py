"""The bounds of a setting, out of its annotation, in words: "at least 0 and below 1"."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = ["Bounds", "bounds_of", "in_words", "of_length"]

Bounds = Mapping[str, float]  # ge, gt, le and lt -> number; min_length and max_length -> count
_NUMBERS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
_LENGTHS = ("min_length", "max_length")


def bounds_of(annotation: Any, metadata: Iterable[Any] = ()) -> Iterator[Bounds]:
    """The bounds of a field, from the outermost in: of a tuple's length before its entries', of a union each part's."""
    own: dict[str, float] = {}
    for part in metadata:
        for constraint in getattr(part, "metadata", [part]):  # a Field within Annotated has a list of its own
            found = {name: getattr(constraint, name, None) for name in (*_NUMBERS, *_LENGTHS)}
            own |= {name: value for name, value in found.items() if value is not None}
    if own:
        yield own
    if hasattr(annotation, "__metadata__"):
        yield from bounds_of(annotation.__origin__, annotation.__metadata__)
        return
    for inner in getattr(annotation, "__args__", ()):
        yield from bounds_of(inner)


def in_words(bounds: Bounds) -> str:
    """What numbers a pair of bounds lets pass; empty where there are none."""
    if {"ge", "le"} <= bounds.keys():
        return f"{_format_number(bounds['ge'])} to {_format_number(bounds['le'])}"
    return " and ".join(f"{word} {_format_number(bounds[name])}" for name, word in _NUMBERS.items() if name in bounds)


def of_length(bounds: Bounds) -> str:
    """How many entries, or letters, a pair of bounds lets pass; empty where there are none."""
    return in_words({name: bounds[key] for name, key in zip(("ge", "le"), _LENGTHS, strict=True) if key in bounds})


def _format_number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"
