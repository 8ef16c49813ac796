"""Slices of one plane -> where each lies on the line through them, told by the best that their headers have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spine.images.dicom.image import Image

__all__ = ["POSITION", "Line", "layers", "line_of"]

POSITION, _LOCATION, _NUMBER = "ImagePositionPatient", "SliceLocation", "InstanceNumber"
_SAME = 0.05  # mm: what lies closer is one slice, taken again
_STRAIGHT = 0.2  # greatest share of their spread that origins on a line have across it

Places = list[float | None]


@dataclass(frozen=True)
class Line:
    """Where slices lie: `places`, one a slice and None where it is not known, along the unit vector `normal`.

    `by` is the element that told: ImagePositionPatient or SliceLocation, in mm, or InstanceNumber, counting slices.
    """

    normal: tuple[float, float, float] | None
    places: Places
    by: str = POSITION

    @property
    def count(self) -> int:
        """How many different places there are."""
        return len(layers([place for place in self.places if place is not None]))

    @property
    def repeats(self) -> bool:
        """Whether several slices are at one place, or it is not known that none are."""
        return self.count < len(self.places)


def line_of(images: Sequence[Image]) -> Line:
    """Put slices of one plane on a line.

    Their positions tell, where every slice has one and not all have the same, as an anonymiser leaves them; else
    SliceLocation, then InstanceNumber, if it holds for every slice and agrees with the positions that are there; else
    the positions that are there. Only what may be slices of a volume is put in order without positions.
    """
    normal = next((image.normal for image in images if image.normal is not None), None)
    if normal is None:
        normal = _direction([image.origin for image in images if image.origin is not None])
    vector = None if normal is None else (float(normal[0]), float(normal[1]), float(normal[2]))
    positions: Places = [
        None if normal is None or image.origin is None else float(normal @ image.origin) for image in images
    ]
    by_position = Line(vector, positions)
    if len(images) == 1 or not images[0].is_slice or (by_position.count > 1 and None not in positions):
        return by_position
    locations = [image.location for image in images]
    if None not in positions and None not in locations and Line(vector, locations).count == 1:
        return by_position  # one position, stated twice: a slice that was taken many times
    for by, places in ((_LOCATION, locations), (_NUMBER, _ranks([image.place for image in images]))):
        other = Line(vector, places, by)
        if None not in places and other.count > 1 and (by_position.count <= 1 or _agree(positions, places)):
            return other
    return by_position if by_position.count else Line(vector, locations, _LOCATION)


def layers(places: Sequence[float]) -> list[list[int]]:
    """The indices of equal places together, within 0.05 mm of the first of them, by rising place."""
    groups: list[list[int]] = []
    for index in np.argsort(places, kind="stable"):
        if groups and places[index] - places[groups[-1][0]] <= _SAME:
            groups[-1].append(int(index))
        else:
            groups.append([int(index)])
    return groups


def _ranks(numbers: Sequence[int | None]) -> Places:
    """0, 1, ... in the order of the numbers; None for all where one is missing or comes twice."""
    known = [number for number in numbers if number is not None]
    if len(set(known)) < len(numbers):
        return [None] * len(numbers)
    order = {number: float(rank) for rank, number in enumerate(sorted(known))}
    return [None if number is None else order[number] for number in numbers]


def _agree(positions: Places, places: Places) -> bool:
    """Whether both put the slices of which both tell in one order, or in the opposite one."""
    pairs = sorted(pair for pair in zip(places, positions, strict=True) if None not in pair)
    steps = np.diff([position for _, position in pairs if position is not None])
    return bool((steps >= 0).all() or (steps <= 0).all())


def _direction(origins: Sequence[tuple[float, ...]]) -> np.ndarray | None:
    """The unit vector of the line on which origins lie; None where they lie on none."""
    if len(origins) < 2:
        return None
    points = np.array(origins) - np.mean(origins, axis=0)
    _, spread, axes = np.linalg.svd(points, full_matrices=False)
    if spread[0] <= _SAME or (len(spread) > 1 and spread[1] > _STRAIGHT * spread[0]):
        return None
    return axes[0] if axes[0][np.argmax(np.abs(axes[0]))] > 0 else -axes[0]
