"""A structure's own axes, which its heights and widths are measured along: spines are curved and pictures oblique."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from spine.measurements.structures import Structure

__all__ = ["Frame", "columns_of", "own_frame", "resampled", "walls_of"]

_FINE = 4  # samples a pixel and axis
_ENDPLATE = (0.15, 0.85)  # share of the width in which a border is an endplate, not a corner or an osteophyte
_ROUNDS = 5
_WALL = 1 / 3  # of the middle height: what is lower in front or behind is an osteophyte or a pedicle
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
    step = min(spacing) / _FINE
    across, up = (np.arange(a + step / 2, b, step) for a, b in zip(low, high, strict=True))
    places = frame.place(np.stack(np.meshgrid(across, up), axis=-1))
    rows_columns = [places[..., 1] / spacing[0], places[..., 0] / spacing[1]]
    inside = ndimage.map_coordinates(region.astype(np.float32), rows_columns, order=1, mode="grid-constant")
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
    """Front and back of what `columns_of` gives, without what is lower than a third of the middle at either end."""
    heights = upper - lower
    tall = heights >= _WALL * heights[len(heights) // 2]
    half = (across[-1] - across[0]) / max(1, len(across) - 1) / 2
    return float(across[tall][0] - half), float(across[tall][-1] + half)


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
