"""The single structures of a mask: connected pieces, those that touch parted, ordered from below.

Small or misplaced pieces are ignored by rule: those below a tenth of their class's largest piece or below 4 pixels, and
pieces of vertebrae behind the canal, which are spinous processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import cv2
import numpy as np
from scipy import ndimage

from spine.measurements.results import Status

__all__ = [
    "Structure",
    "distance",
    "joined_discs",
    "merged_bodies",
    "merged_discs",
    "pitch_of",
    "structures",
    "toward",
    "without_specks",
]

_SPECK, _FEWEST = 0.1, 4
_MOST = 64  # pieces: 24 vertebrae, and as many spinous processes
_NECK = 0.6  # of the thickest place: what is thinner may be where two structures touch
_PART = 0.35  # least area of a part, as a share of the largest one
_MERGED = 1.7  # area, as a multiple of the class's median, from which a piece is several structures
_THICK = 0.6  # thickness / length of a disc from which it is no single one
_WHOLE = 0.9  # quantile of the lengths of a class's pieces that is a whole one's, though most be in pieces
_NEAR = 0.9  # most distance of two pieces of a disc, as a share of the usual one from disc to disc
_LONG = 1.5  # most length of a disc, as a multiple of a whole one's
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
    """Connected pieces (H, W) bool of a class, 8-connected, without their specks, and how many specks there were.

    Of a mask that is noise the largest pieces are kept, which are more than a spine has.
    """
    pieces, count = ndimage.label(selected, _NEIGHBOURS)
    areas = _areas(pieces, count)
    largest = np.argsort(-areas, kind="stable")[:_MOST]
    least = max(_FEWEST, _SPECK * areas.max(initial=0))
    kept = 1 + np.sort(largest[areas[largest] >= least])
    return [pieces == number for number in kept], count - len(kept)


def structures(selected: np.ndarray, spacing: tuple[float, float], canal: np.ndarray) -> tuple[list[Structure], int]:
    """Structures of one class (H, W) bool, lowest in the picture first, and how many specks were ignored.

    Of vertebrae, pieces behind `canal` (H, W) bool are still among them; none is told as merged yet.
    """
    pieces, specks = without_specks(selected)
    parts = [part for piece in pieces for part in _parted(piece, spacing, canal)]
    found = [Structure(part, "cut" if _at_edge(part) else "measured") for part in parts]
    return sorted(found, key=lambda structure: -structure.centre[0]), specks


def joined_discs(
    discs: Sequence[Structure], bodies: Sequence[Structure], spacing: tuple[float, float], canal: np.ndarray
) -> list[Structure]:
    """Discs, lowest first, those in pieces joined: one piece lies behind the other, and both make one thin disc."""
    if (pitch := pitch_of(bodies, discs, spacing)) is None:
        return list(discs)
    longest = _LONG * np.quantile([_sides(own, spacing)[1] for own in discs], _WHOLE) if discs else 0.0
    joined: list[Structure] = []
    for own in discs:
        near = bool(joined) and distance(own, joined[-1], spacing) < _NEAR * pitch
        if near and not _is_above(own, joined[-1], spacing, canal):
            status: Status = "cut" if "cut" in (own.status, joined[-1].status) else "measured"
            both = Structure(own.region | joined[-1].region, status)
            short, long = _sides(both, spacing)
            if long < longest and short < _THICK * long:
                joined[-1] = both
                continue
        joined.append(own)
    return joined


def pitch_of(bodies: Sequence[Structure], discs: Sequence[Structure], spacing: tuple[float, float]) -> float | None:
    """Usual distance of one level from the next, in the unit of `spacing` (y, x); None where nothing tells it.

    Bodies tell it if there are three, all together otherwise: a disc is found in pieces more often.
    """
    of_bodies, of_discs = (
        [
            distance(lower, upper, spacing)
            for lower, upper in pairwise(found)
            if "merged" not in (lower.status, upper.status)
        ]
        for found in (bodies, discs)
    )
    told = of_bodies if len(of_bodies) > 1 else [*of_bodies, *of_discs]
    return float(np.median(told)) if told else None


def distance(one: Structure, other: Structure, spacing: tuple[float, float]) -> float:
    """Between two centres, in the unit of `spacing` (y, x)."""
    return float(np.hypot(*((np.array(one.centre) - other.centre) * spacing)))


def _sides(own: Structure, spacing: tuple[float, float]) -> tuple[float, float]:
    """Thickness and length of the smallest rectangle about it."""
    sides = cv2.minAreaRect(own.points(spacing).astype(np.float32))[1]
    return min(sides), max(sides)


def merged_bodies(found: Sequence[Structure]) -> list[Structure]:
    """Vertebral bodies, those that are too large for one of three or more told as merged."""
    return _merged(found, [True] * len(found))


def merged_discs(found: Sequence[Structure], spacing: tuple[float, float]) -> list[Structure]:
    """Discs, those that are too large, and too thick or long, for one of three or more told as merged.

    Discs of one spine differ more than its bodies do: a large one alone is a healthy disc among narrowed ones.
    """
    sides = [_sides(own, spacing) for own in found]
    usual = np.median([long for _, long in sides]) if found else 0.0
    return _merged(found, [short > _THICK * long or long > _LONG * usual for short, long in sides])


def _merged(found: Sequence[Structure], suspected: Sequence[bool]) -> list[Structure]:
    if len(found) < 3:
        return list(found)
    largest = _MERGED * np.median([len(own.pixels) for own in found])
    return [
        replace(own, status="merged") if own.status == "measured" and suspect and len(own.pixels) > largest else own
        for own, suspect in zip(found, suspected, strict=True)
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
    return all(_is_above(upper, lower, spacing, canal) for lower, upper in pairwise(Structure(part) for part in parts))


def _is_above(upper: Structure, lower: Structure, spacing: tuple[float, float], canal: np.ndarray) -> bool:
    """Whether one lies above the other or below, rather than in front or behind: across the way to the canal."""
    (y0, x0), (y1, x1) = lower.centre, upper.centre
    way = toward(canal, ((y0 + y1) / 2, (x0 + x1) / 2), spacing)
    way = np.array([1.0, 0.0]) if way is None else way
    x, y = (x1 - x0) * spacing[1], (y1 - y0) * spacing[0]
    return bool(abs(x * way[0] + y * way[1]) <= abs(x * way[1] - y * way[0]))
