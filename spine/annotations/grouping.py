"""Shapes that form one object, which was drawn in parts: they are one box, around all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from spine.annotations.types import Malformed

__all__ = ["Corners", "around", "around_points", "in_agreement"]

Corners = tuple[float, float, float, float]  # x0, y0, x1, y1


def around(parts: Iterable[Corners]) -> Corners:
    """The smallest box around all of some."""
    x0, y0, x1, y1 = zip(*parts, strict=True)
    return min(x0), min(y0), max(x1), max(y1)


def around_points(points: Iterable[Sequence[float]]) -> Corners:
    """The smallest box around points (x, y)."""
    return around((x, y, x, y) for x, y in points)


def in_agreement(parts: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """What several tell of one object, together; Malformed where they differ."""
    together: dict[str, str] = {}
    for values in parts:
        for key, value in values.items():
            if together.setdefault(key, value) != value:
                reason = f"is one object, and tells {key} = {together[key]!r} and {value!r}"
                raise Malformed(reason, "keep one of the two; parts that are objects of their own need other groups")
    return together
