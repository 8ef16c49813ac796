"""Which slices of a series are next to each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["beside", "places"]

_GAP = 1.5  # times the usual distance of two slices: from there on one is missing between them


def places(positions: Sequence[float]) -> list[int]:
    """Whole numbers of ascending positions, such that neighbours differ by 1, and by 2 where a slice is missing.

    One is missing where two are more than 1.5 times as far apart as slices of the series usually are: the median, of
    two in the middle the smaller.
    """
    gaps = np.diff(positions)
    usual = np.sort(gaps)[(len(gaps) - 1) // 2] if len(gaps) else 0.0
    steps = [1 if gap <= _GAP * usual else 2 for gap in gaps]
    return np.cumsum([0, *steps]).tolist()  # type: ignore[no-any-return]


def beside(chosen: Sequence[int], count: int) -> list[int]:
    """The slices of 0..count-1 that are next to one of the chosen and are not chosen themselves, ascending."""
    near = {k + step for k in chosen for step in (-1, 1)}
    return sorted(near.intersection(range(count)) - set(chosen))
