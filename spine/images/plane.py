"""The plane in which a volume is cut: sagittal, or that of its one slice; a stack that gives only strips is refused."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from spine.core.problems import SpineError

__all__ = ["in_plane", "plane_of"]

_FAR_FEWER = 4  # slices than pixels along both other axes: it was taken slice by slice, in another plane
_STRIP = 32  # pixels: what is narrower shows no spine
_COARSE = 4  # times the pixels' distance


def plane_of(size: Sequence[int], spacing: Sequence[float], path: Path) -> str:
    """ "sagittal", or of a volume of one slice the plane of that slice: "axial" or "coronal".

    `size` and `spacing` (mm) are those of the volume turned to sagittal slices, rows, columns. Raises SpineError where
    several slices lie in another plane and are so few, or so far apart, that a sagittal cut across them is a strip; and
    of what is one voxel wide along two axes.
    """
    if sorted(size)[1] == 1:
        raise SpineError(f"{path} has {math.prod(size)} voxels in a line, which is no picture; save its slices")
    if 1 in size:
        return ("sagittal", "axial", "coronal")[tuple(size).index(1)]
    few, many = (1, 2) if size[1] < size[2] else (2, 1)
    coarse = spacing[few] > _COARSE * spacing[many]
    if _FAR_FEWER * size[few] < min(size[0], size[many]) and (size[few] < _STRIP or coarse):
        taken = {1: "axial", 2: "coronal"}[few]
        raise SpineError(
            f"{path} has {size[few]} {taken} slices, {spacing[few]:.3g} mm apart, of {size[0]} x {size[many]} pixels: "
            f"a sagittal cut is a strip of {size[1]} x {size[2]}; give a sagittal series, or save its slices"
        )
    return "sagittal"


def in_plane(
    array: np.ndarray, spacing: tuple[float, float, float], plane: str
) -> tuple[np.ndarray, tuple[float, float, float]]:
    """A volume of sagittal slices (left to right), rows, columns -> one of slices of another plane, and its spacing.

    As radiologists view them: columns from the patient's right to the left, rows from anterior to posterior of axial
    slices, from superior to inferior of coronal ones.
    """
    if plane == "sagittal":
        return array, spacing
    order = {"axial": (1, 2, 0), "coronal": (2, 1, 0)}[plane]
    first, second, third = (spacing[axis] for axis in order)
    return array.transpose(order)[:, :, ::-1], (first, second, third)
