"""A structure's own axes, which its heights and widths are measured along: spines are curved and pictures oblique."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy import ndimage

from spine.measurements.structures import Structure

__all__ = ["Columns", "Frame", "own_frame", "resampled", "walls_of"]

_FINE = 4  # samples a pixel and axis
_MOST = 1024  # samples along an axis, where a structure is large or pixels are long and thin
_ENDPLATE = (0.15, 0.85)  # share of the width in which a border is an endplate, not a corner or an osteophyte
_ROUNDS = 5
_FEWEST = 4  # columns that a structure is measured by
_WALL = (1 / 3, 2 / 3)  # of the height: what is lower in front is an osteophyte, what is lower behind a pedicle
_NOTCH = 0.08  # of the length: what is lower for less is a notch in an endplate
_MIDDLE = 0.4  # of the length from the front: in the body, though an arch may be behind it
_ELONGATED = 2.25  # variance along the long axis / across it: 1.5 times as long as wide


@dataclass(frozen=True)
class Frame:
    """A place and a direction in the plane: own coordinates are (towards posterior, up), the plane's (x, y)."""

    centre: np.ndarray  # x, y in the unit
    posterior: np.ndarray  # of length 1

    @property
    def up(self) -> np.ndarray:
        """Across `posterior`, towards the picture's top."""
        x, y = self.posterior
        return np.array([y, -x]) if x > 0 else np.array([-y, x])

    def place(self, points: np.ndarray) -> np.ndarray:
        """From own coordinates to the plane's, (..., 2) both."""
        return self.centre + points[..., :1] * self.posterior + points[..., 1:] * self.up

    def own(self, points: np.ndarray) -> np.ndarray:
        """From the plane's coordinates to own ones, (..., 2) both."""
        away = points - self.centre
        return np.stack([away @ self.posterior, away @ self.up], axis=-1)

    def turned(self, slope: float) -> Frame:
        """Turned so that a line which rises by `slope` towards posterior lies along its axis."""
        along = self.posterior + slope * self.up
        return Frame(self.centre, along / np.hypot(*along))


@dataclass(frozen=True)
class Columns:
    """A structure's borders along a frame's axes, at each place from its foremost to its hindmost point, (n,) each."""

    across: np.ndarray  # towards posterior
    lower: np.ndarray
    upper: np.ndarray
    filled: np.ndarray  # length that is the structure's own between its borders

    @property
    def half(self) -> float:
        """Half the way from one place to the next."""
        return float(self.across[-1] - self.across[0]) / (len(self.across) - 1) / 2


def resampled(
    region: np.ndarray, spacing: tuple[float, float], frame: Frame, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(V, U) bool of a region (H, W) on a grid along the frame's axes; the grid's places up (V,) and posterior (U,).

    `low` and `high` are the grid's corners in own coordinates. Between the pixels' centres the region is interpolated:
    its border lies half-way, so that n pixels are n pixels long.
    """
    step = max(min(spacing) / _FINE, float((high - low).max()) / _MOST)
    across, up = (np.arange(a + step / 2, b, step) for a, b in zip(low, high, strict=True))
    # The grid's first place and its two steps, from own coordinates to columns and rows.
    axes = np.stack([step * frame.posterior, step * frame.up, frame.place(np.array([across[0], up[0]]))], axis=1)
    axes = axes / np.array(spacing)[::-1, None]
    corners = axes[:, 2:] + axes[:, :2] @ [[0, len(across), 0, len(across)], [0, 0, len(up), len(up)]]
    box = [
        slice(min(max(0, int(least)), size - 1), max(1, int(most) + 2))
        for least, most, size in zip(
            corners.min(axis=1)[::-1] - 1, corners.max(axis=1)[::-1], region.shape, strict=True
        )
    ]
    axes[:, 2] -= box[1].start, box[0].start
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    inside = cv2.warpAffine(region[*box].astype(np.float32), axes, (len(across), len(up)), flags=how)
    return inside >= 0.5, up, across


def columns_of(structure: Structure, frame: Frame, spacing: tuple[float, float]) -> Columns | None:
    """The columns of a structure along a frame's axes; None where it is too thin to have two."""
    reach = frame.own(structure.points(spacing))
    low, high = reach.min(axis=0) - max(spacing), reach.max(axis=0) + max(spacing)
    inside, up, across = resampled(structure.region, spacing, frame, low, high)
    drawn = inside.any(axis=0)
    if drawn.sum() < _FEWEST:
        return None
    step = up[1] - up[0]
    inside, across = inside[:, drawn], across[drawn]
    lower, upper = up[inside.argmax(axis=0)] - step / 2, up[::-1][inside[::-1].argmax(axis=0)] + step / 2
    return Columns(across, lower, upper, inside.sum(axis=0) * step)


def walls_of(columns: Columns) -> tuple[float, float]:
    """Front and back of a vertebral body: without osteophytes, pedicles and what is behind them.

    From its middle on, the body ends where it is lower than a share of its height.
    """
    heights = columns.upper - columns.lower
    middle = int(_MIDDLE * len(heights))
    usual = np.median(heights[: max(1, 2 * middle)])
    low_in_front = np.flatnonzero(heights[:middle] < _WALL[0] * usual)
    low_behind = np.flatnonzero(_long_runs(heights[middle:] < _WALL[1] * usual, int(_NOTCH * len(heights)) + 1))
    first = low_in_front[-1] + 1 if len(low_in_front) else 0
    last = max(middle + low_behind[0] - 1, first) if len(low_behind) else len(heights) - 1
    return float(columns.across[first] - columns.half), float(columns.across[last] + columns.half)


def _long_runs(low: np.ndarray, least: int) -> np.ndarray:
    """Where a row of truths is at least so long, or reaches the end: a Schmorl's node is no end of a body."""
    return ndimage.binary_opening(np.pad(low, (0, least), constant_values=True), np.ones(least))[: len(low)]


def own_frame(
    structure: Structure, spacing: tuple[float, float], posterior: np.ndarray, near: np.ndarray
) -> tuple[Frame, Columns] | None:
    """The frame whose axis halves the angle of straight lines through the two endplates, and the columns in it.

    `posterior` (x, y) tells its direction roughly; `near` (x, y) is the direction to begin with where the structure
    is not clearly longer than it is wide. The centre is the structure's. None where it is too small to have one.
    """
    points = structure.points(spacing)
    variances, directions = np.linalg.eigh(np.cov(points.T))
    start = directions[:, 1] if variances[1] > _ELONGATED * variances[0] else near
    frame = Frame(points.mean(axis=0), start * (1 if start @ posterior >= 0 else -1))
    for _ in range(_ROUNDS):
        if (columns := columns_of(structure, frame, spacing)) is None:
            return None
        front, back = walls_of(columns)
        first, last = front + np.array(_ENDPLATE) * (back - front)
        middle = (columns.across >= first) & (columns.across <= last)
        if middle.sum() < 2:
            return None
        borders = (columns.lower, columns.upper)
        slopes = [np.polyfit(columns.across[middle], border[middle], 1)[0] for border in borders]
        frame = frame.turned(float(np.tan(np.mean(np.arctan(slopes)))))
    columns = columns_of(structure, frame, spacing)
    return None if columns is None else (frame, columns)
