"""Which level each structure of a class is: counted from below by place, so that one that is missing still counts."""

from __future__ import annotations

from collections.abc import Sequence

from spine.measurements.structures import Structure, distance

__all__ = ["levels_of"]


def levels_of(found: Sequence[Structure], pitch: float | None, spacing: tuple[float, float]) -> list[int]:
    """The level of each structure of one class, lowest first, which is 1; of a merged one that of its lowest.

    Where the way to the next is about two pitches long, one is missing between them. Past a merged one the way is
    taken from the one below it; where there is none, it is two.
    """
    levels: list[int] = []
    below: tuple[Structure, int] | None = None  # the last that is not merged, and its level
    for number, own in enumerate(found):
        least = 1 if not levels else levels[-1] + (2 if found[number - 1].status == "merged" else 1)
        merged = own.status == "merged"
        steps = 0 if below is None or pitch is None or merged else round(distance(below[0], own, spacing) / pitch)
        levels.append(max(least, below[1] + steps if below else 1))
        below = below if merged else (own, levels[-1])
    return levels
