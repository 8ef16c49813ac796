"""The single structures of a mask: connected pieces, those that touch parted, ordered from below.

Small or misplaced pieces are ignored by rule: those below a tenth of their class's largest piece or below 4 pixels, and
pieces of vertebrae behind the canal, which are spinous processes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from scipy import ndimage

from spine.measurements.results import Status

__all__ = ["Structure", "structures", "toward", "with_merged", "without_specks"]

_SPECK, _FEWEST = 0.1, 4
_NECK = 0.6  # of the thickest place: what is thinner may be where two structures touch
_PART = 0.35  # least area of a part, as a share of the largest one
_MERGED = 1.7  # area, as a multiple of the class's median, from which a piece is several structures
_NEIGHBOURS = np.ones((3, 3), bool)


@dataclass(frozen=True)
class Structure:
    """One disc or vertebral body of a picture: where it is, (H, W) bool, and whether it can be measured."""

    region: np.ndarray
    status: Status = "measured"

    @cached_property
    def pixels(self) -> np.ndarray:
        """Its pixels' y, x, (n, 2)."""
        return np.argwhere(self.region)

    @property
    def centre(self) -> tuple[float, float]:
        """Mean y, x in pixels."""
        y, x = self.pixels.mean(axis=0)
        return float(y), float(x)

    def points(self, spacing: tuple[float, float]) -> np.ndarray:
        """The pixels' centres, (n, 2) as x, y in the unit of `spacing` (y, x)."""
        return (self.pixels * spacing)[:, ::-1]


def without_specks(selected: np.ndarray) -> tuple[list[np.ndarray], int]:
    """Connected pieces (H, W) bool of a class, 8-connected, without their specks, and how many specks there were."""
    pieces, count = ndimage.label(selected, _NEIGHBOURS)
    areas = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
    least = max(_FEWEST, _SPECK * areas.max(initial=0))
    kept = 1 + np.flatnonzero(areas >= least)
    return [pieces == number for number in kept], count - len(kept)


def structures(selected: np.ndarray, spacing: tuple[float, float], canal: np.ndarray) -> tuple[list[Structure], int]:
    """Structures of one class (H, W) bool, lowest in the picture first, and how many specks were ignored.

    Of vertebrae, pieces behind `canal` (H, W) bool are still among them; none is told as merged yet.
    """
    pieces, specks = without_specks(selected)
    parts = [part for piece in pieces for part in _parted(piece, spacing, canal)]
    found = [Structure(part, "cut" if _at_edge(part) else "measured") for part in parts]
    return sorted(found, key=lambda structure: -structure.centre[0]), specks


def with_merged(found: list[Structure]) -> list[Structure]:
    """The structures of one class, those that are too large for one of three or more told as merged."""
    areas = [structure.region.sum() for structure in found]
    if len(found) < 3:
        return found
    largest = _MERGED * np.median(areas)
    return [
        replace(structure, status="merged") if structure.status == "measured" and area > largest else structure
        for structure, area in zip(found, areas, strict=True)
    ]


def toward(canal: np.ndarray, centre: tuple[float, float], spacing: tuple[float, float]) -> np.ndarray | None:
    """Direction (x, y), length 1, from a centre (y, x) to the nearest point of the canal; None without one."""
    pixels = np.argwhere(canal) - np.asarray(centre)
    if not len(pixels):
        return None
    away = (pixels * spacing)[:, ::-1]
    nearest = away[np.hypot(*away.T).argmin()]
    length = np.hypot(*nearest)
    return nearest / length if length > 0 else None


def _at_edge(region: np.ndarray) -> bool:
    return any(edge.any() for edge in (region[0], region[-1], region[:, 0], region[:, -1]))


def _parted(piece: np.ndarray, spacing: tuple[float, float], canal: np.ndarray) -> list[np.ndarray]:
    """The structures that a piece is made of: parted where it is narrow, if the parts lie one above the other."""
    box = ndimage.find_objects(piece.astype(np.uint8))[0]
    inner = ndimage.binary_fill_holes(np.pad(piece[box], 1))
    depth = ndimage.distance_transform_edt(inner, sampling=spacing)[1:-1, 1:-1]
    for share in np.linspace(0, _NECK, 13)[1:]:
        cores, count = ndimage.label(depth > share * depth.max(), _NEIGHBOURS)
        large = np.flatnonzero(_areas(cores, count) >= _PART * _areas(cores, count).max()) + 1
        if len(large) > 1:
            cores[~np.isin(cores, large)] = 0
            to_core = ndimage.distance_transform_edt(cores == 0, spacing, return_distances=False, return_indices=True)
            owners = np.where(piece[box], cores[tuple(to_core)], 0)
            parts = [np.zeros_like(piece) for _ in large]
            for part, number in zip(parts, large, strict=True):
                part[box] = owners == number
            if _stacked(parts, spacing, canal):
                return [inner for part in parts for inner in _parted(part, spacing, canal)]
    return [piece]


def _areas(numbers: np.ndarray, count: int) -> np.ndarray:
    return np.bincount(numbers.ravel(), minlength=count + 1)[1:]


def _stacked(parts: list[np.ndarray], spacing: tuple[float, float], canal: np.ndarray) -> bool:
    """Whether parts of like size lie along the spine, not one behind the other: across the way to the canal."""
    areas = np.array([part.sum() for part in parts])
    if areas.min() < _PART * areas.max():
        return False
    centres = [Structure(part).centre for part in parts]
    for lower, upper in pairwise(centres):
        middle = ((lower[0] + upper[0]) / 2, (lower[1] + upper[1]) / 2)
        way = toward(canal, middle, spacing)
        way = np.array([1.0, 0.0]) if way is None else way
        x, y = (upper[1] - lower[1]) * spacing[1], (upper[0] - lower[0]) * spacing[0]
        if abs(x * way[0] + y * way[1]) > abs(x * way[1] - y * way[0]):
            return False
    return True
