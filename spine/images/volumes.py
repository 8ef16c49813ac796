"""NIfTI, MetaImage and NRRD volumes -> sagittal slices, images and label volumes alike.

Every volume is turned to the axes sagittal slice, row, column that a sagittal DICOM series has: slices run from the
patient's left to the right, rows from superior to inferior, columns from anterior to posterior. A slice therefore
looks as radiologists view it, and slice k of a label volume is the mask of slice k of its image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from spine.core.problems import SpineError, one_file
from spine.images.decoders import metaimage, nifti, nrrd
from spine.images.decoders.grid import Grid
from spine.images.integrity import COPY_AGAIN
from spine.images.neighbours import beside
from spine.images.pictures import Picture
from spine.images.plane import in_plane, plane_of
from spine.images.scaling import Sixteen

__all__ = ["Volume", "middle_first", "read_volume", "sagittal_count", "sagittal_masks", "sagittal_slices"]

# Of left, posterior and superior (0, 1, 2) those that slices, rows and columns count along, and which way: to the
# right, to inferior, to posterior.
_TOWARDS, _SIGNS = (0, 2, 1), (-1, -1, 1)


@dataclass(frozen=True)
class Volume:
    """A volume turned to sagittal slices.

    `array` is (S, H, W), as stored: sagittal slices left to right, rows superior to inferior, columns anterior to
    posterior; a value is stored * `slope` + `intercept`. `spacing` is (slice, y, x) in mm; `path` the file it came
    from. `surplus` counts the bytes behind its voxels. A volume of one slice has `plane` "axial" or "coronal" where
    it was taken so: it is a picture, as `in_plane` turns it, and not cut across.
    """

    array: np.ndarray
    spacing: tuple[float, float, float]
    path: Path
    slope: float = 1.0
    intercept: float = 0.0
    surplus: int = 0
    plane: str = "sagittal"

    def values(self, k: int) -> np.ndarray:
        """(H, W) values of slice k."""
        return self._valued(self.array[k])

    @cached_property
    def sixteen(self) -> Sixteen:
        """How the values of all slices become 16 bits, so that they stay comparable."""
        rule = Sixteen.of(map(self._valued, self._blocks()), self.path)
        if rule.low == rule.high and self.array.min() < self.array.max():
            raise SpineError(
                f"{self.path} states the slope {self.slope:g} and intercept {self.intercept:g}, by which all voxels "
                "have one value; fix its header"
            )
        return rule

    @property
    def remarks(self) -> list[str]:
        """What a person should know of what was read."""
        surplus = (
            f"{self.surplus:,} bytes{' or more' if self.surplus >= 2**16 else ''} lie behind its voxels"
            if self.surplus
            else ""
        )
        return [remark for remark in (self.sixteen.remark, surplus) if remark]

    def _valued(self, stored: np.ndarray) -> np.ndarray:
        return stored if (self.slope, self.intercept) == (1, 0) else stored * np.float64(self.slope) + self.intercept

    def _blocks(self) -> Iterator[np.ndarray]:
        """The voxels in pieces, as they lie in memory: across it, every piece would touch all of it."""
        order = np.argsort(np.abs(self.array.strides))[::-1]
        yield from self.array.transpose(order)


def read_volume(path: Path) -> Volume:
    """Read and turn a 3-D volume (.nii, .nii.gz, .mha, .mhd, .nrrd, .nhdr); SpineError where it cannot be read."""
    path = Path(path)
    with one_file(path):
        grid = _grid(path)
        plane, _ = _plane(grid)
        stored, surplus = grid.read()
        array, spacing = in_plane(*_turned(stored, grid), plane)
        return Volume(array, spacing, path, grid.slope, grid.intercept, surplus, plane)


def sagittal_count(path: Path) -> int:
    """The number of sagittal slices of a volume, read from its header alone; SpineError where it cannot be read."""
    with one_file(path):
        return _plane(_grid(Path(path)))[1]


def middle_first(count: int, n: int | None = None) -> list[int]:
    """Indices of equidistant slices 0..count-1: all in order, or the n nearest the middle, nearest first.

    The middle is half way between the first and the last slice; of two equally near, the lower index comes first.
    """
    if n is None:
        return list(range(count))
    return sorted(range(count), key=lambda k: (abs(2 * k - (count - 1)), k))[:n]


def sagittal_slices(volume: Volume, n: int | None = None, name: str = "", *, neighbours: bool = False) -> list[Picture]:
    """The n slices nearest the mid-sagittal one, nearest first, or with n=None every slice from left to right.

    With `neighbours` those next to them follow, as `beside`.

    A picture is named `name#k` (`name` is the file's name if not given), k counting slices from the left. Values that
    are no whole numbers of 16 bits are scaled, and signed ones shifted, by one rule for the whole volume, so that
    slices stay comparable; the note then says so.
    """
    indices = middle_first(len(volume.array), n)
    name = name or volume.path.name
    pictures = [_picture(volume, k, name, chosen=n is not None) for k in indices]
    others = beside(indices, len(volume.array)) if neighbours else []
    return pictures + [replace(_picture(volume, k, name, chosen=False), beside=True) for k in others]


def sagittal_masks(volume: Volume, n: int | None = None) -> dict[int, np.ndarray]:
    """Slice index k -> (H, W) uint16 class indices of a label volume, chosen as `sagittal_slices` chooses.

    Raises SpineError where the values are no class indices.
    """
    rule = volume.sixteen
    if rule.scaling is not None or rule.missing:
        raise SpineError(
            f"{volume.path} holds values from {rule.low:g} to {rule.high:g}; class indices are whole numbers 0..65535: "
            "fix the label volume"
        )
    return {k: volume.values(k).astype(np.uint16) for k in middle_first(len(volume.array), n)}


def _picture(volume: Volume, k: int, name: str, chosen: bool) -> Picture:
    rule = volume.sixteen
    notes = [f"sagittal slice {k} of {len(volume.array)}, near the middle"] if chosen else []
    notes = notes if volume.plane == "sagittal" else [f"the one slice of its file, {volume.plane}"]
    notes += [str(rule.scaling)] if rule.scaling else []
    _, y, x = volume.spacing
    pixels = rule(volume.values(k))
    own = Picture(pixels, volume.path, f"{name}#{k}", (y, x), note="; ".join(notes), scaling=rule.scaling)
    return replace(own, stack=name, place=k) if len(volume.array) > 1 else own


def _grid(path: Path) -> Grid:
    """What the header of a volume states, by its first bytes; SpineError of any other file."""
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise SpineError(f"{path} cannot be opened ({error.strerror}); check the path and its permissions") from error
    if not head:
        raise SpineError(f"{path} is empty (0 bytes); {COPY_AGAIN}")
    if head.startswith(nrrd.MAGIC):
        return nrrd.read_grid(path)
    return metaimage.read_grid(path) if head.lstrip().startswith(metaimage.MAGIC) else nifti.read_grid(path)


def _plane(grid: Grid) -> tuple[str, int]:
    """The plane in which a volume is cut, and the number of its slices."""
    order = _order(grid)
    size = [grid.size[axis] for axis in order]
    plane = plane_of(size, [float(grid.spacing[axis]) for axis in order], grid.path)
    return plane, size[0] if plane == "sagittal" else 1


def _order(grid: Grid) -> list[int]:
    """The axes of a volume along which its sagittal slices, rows and columns are counted."""
    axes = _axes(grid.steps)
    return [axes[towards] for towards in _TOWARDS]


def _axes(steps: np.ndarray) -> list[int]:
    """For left, posterior and superior the axis of the volume that lies nearest it, the most parallel first."""
    cosines = np.abs(steps / np.linalg.norm(steps, axis=0))
    axes = [0, 0, 0]
    for _ in range(3):
        towards, axis = np.unravel_index(cosines.argmax(), cosines.shape)
        axes[towards] = int(axis)
        cosines[towards], cosines[:, axis] = -1, -1
    return axes


def _turned(stored: np.ndarray, grid: Grid) -> tuple[np.ndarray, tuple[float, float, float]]:
    """(S, H, W), a view of the stored (z, y, x), and the spacing of its axes."""
    order = _order(grid)
    array = stored.transpose([2 - axis for axis in order])
    ahead = [grid.steps[row, axis] * sign > 0 for row, axis, sign in zip(_TOWARDS, order, _SIGNS, strict=True)]
    array = array[tuple(slice(None, None, 1 if forward else -1) for forward in ahead)]
    slices, y, x = (float(grid.spacing[axis]) for axis in order)
    return array, (slices, y, x)
