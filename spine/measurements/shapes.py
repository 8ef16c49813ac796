"""What heights and widths are measured by: each structure's frame, its front and back in it, and three heights.

Heights are means over a tenth of the width: from 10 to 20 % behind the front, around the middle, and as far from the
back; corners and osteophytes are left out. So they are the three heights of morphometry (Genant et al. 1993, "Vertebral
fracture assessment using a semiquantitative technique", J Bone Miner Res 8:1137), a little inside its six points. A
disc's heights are taken between the walls of the vertebrae beside it, so that a protrusion is no part of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spine.measurements.frame import Columns, Frame, own_frame, walls_of
from spine.measurements.structures import Structure, toward

__all__ = ["Neighbours", "Shape", "body_shape", "disc_shape"]

_BANDS = ((0.1, 0.2), (0.45, 0.55), (0.8, 0.9))  # shares of the width, from the front

Neighbours = tuple[Structure | None, Structure | None]  # below, above


@dataclass(frozen=True)
class Shape:
    """What is measured of one structure, and what its outline is judged by."""

    frame: Frame
    front: float
    back: float
    heights: np.ndarray  # from front to back, (3,)
    uneven: float  # mean distance of the rougher border from a straight line / mean height
    outside: float  # share of its area in front and behind
    filled: float  # share of the area between its borders, front and back, that is its own

    @property
    def width(self) -> float:
        """From front to back."""
        return self.back - self.front

    def corners(self, upper: bool) -> np.ndarray:
        """Ends of its upper or lower border in the plane, front first, (2, 2)."""
        half = self.heights.mean() / 2 * (1 if upper else -1)
        return self.frame.place(np.array([[self.front, half], [self.back, half]]))


def body_shape(
    own: Structure, beside: Neighbours, side: np.ndarray, canal: np.ndarray, spacing: tuple[float, float]
) -> Shape | None:
    """Of a vertebral body; `side` (x, y) is roughly where posterior is. None where it is too small."""
    if (found := own_frame(own, spacing, *_directions(own, beside, side, canal, spacing))) is None:
        return None
    frame, columns = found
    front, back = walls_of(columns)
    return _shape(frame, columns, (front, back), (front, back))


def disc_shape(
    own: Structure,
    beside: Neighbours,
    bodies: tuple[Shape | None, Shape | None],
    side: np.ndarray,
    canal: np.ndarray,
    spacing: tuple[float, float],
) -> Shape | None:
    """Of a disc between the walls of the bodies below and above it."""
    if (found := own_frame(own, spacing, *_directions(own, beside, side, canal, spacing))) is None:
        return None
    frame, columns = found
    ends = columns.across[0] - columns.half, columns.across[-1] + columns.half
    facing = [body.corners(upper) for body, upper in zip(bodies, (True, False), strict=True) if body]
    if not facing:
        return _shape(frame, columns, ends, ends)
    walls = np.mean([frame.own(corners)[:, 0] for corners in facing], axis=0)
    between = max(ends[0], walls[0]), min(ends[1], walls[1])
    return _shape(frame, columns, ends, between if between[0] < between[1] else ends)


def _directions(
    own: Structure, beside: Neighbours, side: np.ndarray, canal: np.ndarray, spacing: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """(x, y) roughly towards posterior, and across the line of the neighbours; both of length 1."""
    low, high = (np.array((other or own).centre) * spacing for other in beside)
    rise = high - low
    if not rise.any():
        way = toward(canal, own.centre, spacing)
        return side, side if way is None else way
    across = np.array([-rise[0], rise[1]]) / np.hypot(*rise)
    return (across if across @ side >= 0 else -across), across


def _shape(frame: Frame, columns: Columns, ends: tuple[float, float], between: tuple[float, float]) -> Shape:
    """`ends` are front and back, `between` is where the heights are taken."""
    across, heights = columns.across, columns.upper - columns.lower
    taken = []
    for share in _BANDS:
        low, high = between[0] + np.array(share) * (between[1] - between[0])
        there = (across >= low) & (across <= high)
        there[np.abs(across - (low + high) / 2).argmin()] = True
        taken.append(heights[there].mean())
    inside = (across >= ends[0]) & (across <= ends[1])
    low, high = ends[0] + np.array([_BANDS[0][0], _BANDS[-1][1]]) * (ends[1] - ends[0])
    uneven = max(
        _roughness(across, border, (across >= low) & (across <= high)) for border in (columns.lower, columns.upper)
    )
    return Shape(
        frame,
        *ends,
        np.array(taken),
        uneven / float(np.mean(taken)),
        1 - float(columns.filled[inside].sum() / columns.filled.sum()),
        float(columns.filled[inside].sum() / heights[inside].sum()),
    )


def _roughness(across: np.ndarray, border: np.ndarray, there: np.ndarray) -> float:
    if there.sum() < 3:
        return 0.0
    line = np.polyval(np.polyfit(across[there], border[there], 1), across[there])
    return float(np.abs(border[there] - line).mean())
