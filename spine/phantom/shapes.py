"""Shapes in a plane of the body, in mm: a place with its tilt, stacks of them, outlines and smooth lines.

The plane is a picture's: first coordinate towards its right, second down. A pose's own coordinates are (right, up), so
an outline is written upright and then placed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

__all__ = ["Pose", "blob", "bounds", "ellipse", "rounded", "smooth_line", "stack", "superellipse"]


@dataclass(frozen=True)
class Pose:
    """A place in the plane, in mm and radians; a positive `tilt` has its front lower."""

    centre: np.ndarray
    tilt: float
    depth: float
    height: float
    wedge: float  # radians by which the front is more open than the back

    def place(self, points: np.ndarray) -> np.ndarray:
        """From its own (towards posterior, up) to the plane, (n, 2) both."""
        cos, sin = np.cos(self.tilt), np.sin(self.tilt)
        return self.centre + np.atleast_2d(points) @ np.array([[cos, -sin], [-sin, -cos]])


def superellipse(depth: float, height: float, power: float) -> np.ndarray:
    """Outline |x / (depth / 2)|^power + |y / (height / 2)|^power = 1, (72, 2)."""
    return _unit_superellipse(power) * (depth / 2, height / 2)


def ellipse(centre: object, width: float, height: float, power: float = 2.2) -> np.ndarray:
    """A superellipse around a place, (72, 2)."""
    return superellipse(width, height, power) + np.asarray(centre, dtype=float)


def blob(centre: object, size: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """A roundish outline around a place, its width and height drawn between two sizes, (72, 2)."""
    return ellipse(centre, rng.uniform(*size), rng.uniform(*size), 2.1)


@lru_cache(maxsize=32)
def _unit_superellipse(power: float, side: int = 18) -> np.ndarray:
    # Evenly along a square, then drawn in to the curve: corners and edges are sampled alike.
    run, one = np.linspace(-1, 1, side, endpoint=False), np.ones(side)
    square = np.concatenate([np.stack(xy, 1) for xy in ((one, run), (-run, one), (-one, -run), (run, -one))])
    unit = square / (np.abs(square) ** power).sum(axis=1, keepdims=True) ** (1 / power)
    unit.setflags(write=False)
    return unit


def stack(point: np.ndarray, tilt: float, depth: float, height: float, wedge: float) -> Pose:
    """The pose that stands on `point`, leaning by half its wedge."""
    standing = Pose(point, tilt - wedge / 2, depth, height, wedge)
    return Pose(standing.place(np.array([0, height / 2]))[0], standing.tilt, depth, height, wedge)


def smooth_line(points: np.ndarray, count: int = 160) -> np.ndarray:
    """Resample a line to `count` points and smooth it over about one level."""
    place = np.linspace(0, len(points) - 1, count)
    line = np.stack([np.interp(place, np.arange(len(points)), column) for column in points.T], axis=1)
    window = np.hanning(count // 8 + 2)[1:-1]
    # Extended as a mirror through its ends, so that the ends stay where they are.
    width = len(window)
    padded = np.concatenate([2 * line[0] - line[width:0:-1], line, 2 * line[-1] - line[-2 : -width - 2 : -1]])
    kernel = window / window.sum()
    smooth = np.stack([np.convolve(column, kernel, mode="same") for column in padded.T], axis=1)
    return smooth[width:-width]


def rounded(points: np.ndarray, times: int = 3) -> np.ndarray:
    """A closed outline with its corners cut off again and again (Chaikin), (2^times n, 2)."""
    for _ in range(times):
        after = np.roll(points, -1, axis=0)
        points = np.stack([0.75 * points + 0.25 * after, 0.25 * points + 0.75 * after], axis=1).reshape(-1, 2)
    return points


def bounds(mask: np.ndarray) -> tuple[int, int, int, int]:
    """The smallest x0, y0, x1, y1 (half-open pixels) around what is true."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
