"""NIfTI, MetaImage and NRRD volumes -> sagittal slices, images and label volumes alike.

Every volume is turned to the axes sagittal slice, row, column that a sagittal DICOM series has: slices run from the
patient's left to the right, rows from superior to inferior, columns from anterior to posterior. A slice therefore
looks as radiologists view it, and slice k of a label volume is the mask of slice k of its image.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spine.pictures import Picture
from spine.problems import SpineError

__all__ = ["Volume", "middle_first", "read_volume", "sagittal_count", "sagittal_masks", "sagittal_slices"]

# SimpleITK names axes x, y, z by where they lead: to Posterior, Inferior, Right; its arrays are indexed z, y, x.
_ORIENTATION = "PIR"
_SHIFT = 32768


@dataclass(frozen=True)
class Volume:
    """A volume turned to sagittal slices.

    `array` is (S, H, W): sagittal slices left to right, rows superior to inferior, columns anterior to posterior;
    `spacing` is (slice, y, x) in mm; `path` the file it came from.
    """

    array: np.ndarray
    spacing: tuple[float, float, float]
    path: Path


def read_volume(path: Path) -> Volume:
    """Read and turn a 3-D volume (.nii, .nii.gz, .mha, .mhd, .nrrd); SpineError where it cannot be read."""
    import SimpleITK as sitk

    image = _read(path, lambda: sitk.ReadImage(str(path)))
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise SpineError(
            f"{path} has {image.GetDimension()} axes and {image.GetNumberOfComponentsPerPixel()} values a voxel; "
            "a volume of three axes and one value can be read: save one channel or one time point"
        )
    turned = sitk.DICOMOrient(image, _ORIENTATION)
    x, y, z = turned.GetSpacing()
    return Volume(sitk.GetArrayFromImage(turned), (z, y, x), Path(path))


def sagittal_count(path: Path) -> int:
    """The number of sagittal slices of a volume, read from its header alone; SpineError where it cannot be read."""
    import SimpleITK as sitk

    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    _read(path, reader.ReadImageInformation)
    if reader.GetDimension() != 3:
        raise SpineError(f"{path} has {reader.GetDimension()} axes; a volume of three can be read")
    code = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(reader.GetDirection())
    lateral = next(axis for axis, letter in enumerate(code) if letter in "LR")
    return reader.GetSize()[lateral]


def middle_first(count: int, n: int | None = None) -> list[int]:
    """Indices of equidistant slices 0..count-1: all in order, or the n nearest the middle, nearest first.

    The middle is half way between the first and the last slice; of two equally near, the lower index comes first.
    """
    if n is None:
        return list(range(count))
    return sorted(range(count), key=lambda k: (abs(2 * k - (count - 1)), k))[:n]


def sagittal_slices(volume: Volume, n: int | None = None, name: str = "") -> list[Picture]:
    """The n slices nearest the mid-sagittal one, nearest first, or with n=None every slice from left to right.

    A picture is named `name#k` (`name` is the file's name if not given), k counting slices from the left. Signed
    volumes are stored with a fixed shift of 32768, so that slices stay comparable; the note then says so.
    """
    indices = middle_first(len(volume.array), n)
    shift = _SHIFT if volume.array.dtype.kind != "u" and volume.array.min() < 0 else 0
    return [_picture(volume, k, shift, name or volume.path.name, chosen=n is not None) for k in indices]


def sagittal_masks(volume: Volume, n: int | None = None) -> dict[int, np.ndarray]:
    """Slice index k -> (H, W) uint16 class indices of a label volume, chosen as `sagittal_slices` chooses.

    Raises SpineError where the values are no class indices.
    """
    _check_range(volume, volume.array, "class indices")
    return {k: volume.array[k].astype(np.uint16) for k in middle_first(len(volume.array), n)}


def _picture(volume: Volume, k: int, shift: int, name: str, chosen: bool) -> Picture:
    values = np.rint(volume.array[k]) + shift
    _check_range(volume, values, "grey values")
    notes = [f"sagittal slice {k} of {len(volume.array)}, near the middle"] if chosen else []
    notes += [f"values shifted by {shift}"] if shift else []
    _, y, x = volume.spacing
    return Picture(values.astype(np.uint16), volume.path, f"{name}#{k}", (y, x), note="; ".join(notes))


def _check_range(volume: Volume, values: np.ndarray, what: str) -> None:
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= 65535):
        raise SpineError(f"{volume.path} holds {what} from {low} to {high}; 16 bits hold 0..65535: rescale the volume")


def _read(path: Path, read: Callable[[], Any]) -> Any:
    _check_gzip(Path(path))
    try:
        return read()
    except RuntimeError as error:
        raise SpineError(
            f"{path} is damaged, truncated or no NIfTI, MetaImage or NRRD volume; copy it again, or convert it"
        ) from error


def _check_gzip(path: Path) -> None:
    # SimpleITK fills what a truncated .nii.gz lacks, and says nothing; gzip's own checksum tells.
    if path.suffix != ".gz" or not path.is_file():
        return
    try:
        with gzip.open(path) as stream:
            while stream.read(1 << 20):
                pass
    except (OSError, EOFError, zlib.error) as error:
        raise SpineError(f"{path} is damaged or truncated ({error}); copy it again from where it came from") from error
