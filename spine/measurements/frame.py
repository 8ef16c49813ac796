"""A structure's own axes, which its heights and widths are measured along: spines are curved and pictures oblique."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from spine.measurements.structures import Structure

__all__ = ["Frame", "columns_of", "own_frame", "resampled", "walls_of"]

_FINE = 4  # samples a pixel and axis
_MOST = 1024  # samples along an axis, where a structure is large or pixels are long and thin
_ENDPLATE = (0.15, 0.85)  # share of the width in which a border is an endplate, not a corner or an osteophyte
_ROUNDS = 5
_WALL = (1 / 3, 2 / 3)  # of the height: what is lower in front is an osteophyte, what is lower behind a pedicle
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
        for least, most, size in zip(corners.min(axis=1)[::-1] - 1, corners.max(axis=1)[::-1], region.shape, strict=True)
    ]
    axes[:, 2] -= box[1].start, box[0].start
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    inside = cv2.warpAffine(region[*box].astype(np.float32), axes, (len(across), len(up)), flags=how)
    return inside >= 0.5, up, across


def columns_of(
    structure: Structure, frame: Frame, spacing: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places towards posterior (n,), lower and upper borders (n,) there, from the foremost to the hindmost point."""
    reach = frame.own(structure.points(spacing))
    low, high = reach.min(axis=0) - max(spacing), reach.max(axis=0) + max(spacing)
    inside, up, across = resampled(structure.region, spacing, frame, low, high)
    step = up[1] - up[0]
    drawn = inside.any(axis=0)
    inside, across = inside[:, drawn], across[drawn]
    lower, upper = up[inside.argmax(axis=0)], up[::-1][inside[::-1].argmax(axis=0)]
    return across, lower - step / 2, upper + step / 2


def walls_of(across: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> tuple[float, float]:
    """Front and back of a vertebral body, from what `columns_of` gives: without osteophytes, pedicles and what is behind.

    From its middle on, the body ends where it is lower than a share of its height.
    """
    heights = upper - lower
    middle = int(_MIDDLE * len(heights))
    least = np.median(heights[: max(1, 2 * middle)])
    low_in_front = np.flatnonzero(heights[:middle] < _WALL[0] * least)
    low_behind = np.flatnonzero(heights[middle:] < _WALL[1] * least)
    first = low_in_front[-1] + 1 if len(low_in_front) else 0
    last = max(middle + low_behind[0] - 1, first) if len(low_behind) else len(heights) - 1
    half = (across[-1] - across[0]) / max(1, len(across) - 1) / 2
    return float(across[first] - half), float(across[last] + half)


def own_frame(structure: Structure, spacing: tuple[float, float], posterior: np.ndarray, near: np.ndarray) -> Frame:
    """The frame whose axis halves the angle of the two endplates, by straight lines through them.

    `posterior` (x, y) tells its direction roughly; `near` (x, y) is the direction to begin with where the structure
    is not clearly longer than it is wide. The centre is the structure's.
    """
    points = structure.points(spacing)
    variances, directions = np.linalg.eigh(np.cov(points.T))
    start = directions[:, 1] if variances[1] > _ELONGATED * variances[0] else near
    frame = Frame(points.mean(axis=0), start * (1 if start @ posterior >= 0 else -1))
    for _ in range(_ROUNDS):
        across, lower, upper = columns_of(structure, frame, spacing)
        front, back = walls_of(across, lower, upper)
        first, last = front + np.array(_ENDPLATE) * (back - front)
        middle = (across >= first) & (across <= last)
        slopes = [np.polyfit(across[middle], border[middle], 1)[0] for border in (lower, upper)]
        frame = frame.turned(float(np.tan(np.mean(np.arctan(slopes)))))
    return frame
