"""The canal's antero-posterior width behind each disc, across the canal's own direction there."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from spine.measurements.frame import Frame, resampled
from spine.measurements.results import Canal

__all__ = ["canal_widths"]

_ROUNDS = 3
_DEEP = 2.0  # widths of the disc behind its centre in which the canal is looked for


def canal_widths(
    frames: Mapping[int, Frame], widths: Mapping[int, float], canal: np.ndarray, spacing: tuple[float, float]
) -> dict[int, Canal]:
    """Level -> the canal behind its disc; `frames` and `widths` are the discs', in the unit of `spacing` (y, x).

    A level reaches half-way to the next disc; the lowest and highest reach as far on their open side. Where the canal
    ends within a level, its last stretch, as long as the canal is wide, is left out: ends are pointed or cut aslant.
    """
    centres = {level: frame.centre for level, frame in frames.items()}
    return {
        level: _of_level(level, frame, widths[level], _reaches(level, centres, widths[level]), canal, spacing)
        for level, frame in frames.items()
    }


def _reaches(level: int, centres: Mapping[int, np.ndarray], width: float) -> tuple[float, float]:
    """How far a level reaches down and up from its disc's centre."""
    down, up = (
        float(np.hypot(*(centres[level] - centres[other]))) / 2 if other in centres else None
        for other in (level - 1, level + 1)
    )
    return down or up or width / 2, up or down or width / 2


def _of_level(
    level: int, disc: Frame, width: float, reaches: tuple[float, float], canal: np.ndarray, spacing: tuple[float, float]
) -> Canal:
    frame, (down, up) = disc, reaches
    for _ in range(_ROUNDS):
        low, high = np.array([0.0, -down]), np.array([_DEEP * width, up])
        inside, places, across = resampled(canal, spacing, frame, low, high)
        rows = np.flatnonzero(inside.any(axis=1))
        if len(rows) < 2:
            return Canal(level, "absent")
        first, last = _ends(inside[rows])
        middle = across[0] + (first + last) / 2 * (across[1] - across[0])
        lean = np.polyfit(places[rows], middle, 1)[0]  # towards posterior, a unit up
        # Turned about the disc's centre by that lean: the canal then runs along the frame's own `up`.
        frame = frame.turned(-float(lean))
    return _least(level, canal, frame, (low, high), spacing)


def _least(
    level: int, canal: np.ndarray, frame: Frame, window: tuple[np.ndarray, np.ndarray], spacing: tuple[float, float]
) -> Canal:
    """The least width of the rows of a window, its corners in the frame's coordinates."""
    sides = np.zeros_like(canal)
    sides[:, [0, -1]] = canal[:, [0, -1]]
    if sides.any() and resampled(sides, spacing, frame, *window)[0].any():
        return Canal(level, "cut")
    inside, _, across = resampled(canal, spacing, frame, *window)
    rows = np.flatnonzero(inside.any(axis=1))
    if not len(rows):
        return Canal(level, "absent")
    first, last = _ends(inside[rows])
    typical = int(np.median(last - first + 1))
    start = rows[0] if rows[0] == 0 else rows[0] + typical
    stop = rows[-1] if rows[-1] == len(inside) - 1 else rows[-1] - typical
    if start > stop:
        return Canal(level, "absent")
    counted = (rows >= start) & (rows <= stop)
    interrupted = counted.sum() < stop - start + 1
    samples = 0 if interrupted else int((last - first + 1)[counted].min())
    return Canal(level, "measured", float(samples * (across[1] - across[0])))


def _ends(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and last column that is inside in each row of (n, U) bool."""
    return rows.argmax(axis=1), rows.shape[1] - 1 - rows[:, ::-1].argmax(axis=1)
