"""NIfTI, MetaImage and NRRD volumes -> sagittal slices, images and label volumes alike.

Every volume is turned to the axes sagittal slice, row, column that a sagittal DICOM series has: slices run from the
patient's left to the right, rows from superior to inferior, columns from anterior to posterior. A slice therefore
looks as radiologists view it, and slice k of a label volume is the mask of slice k of its image.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spine.pictures import Picture
from spine.plane import in_plane, plane_of
from spine.problems import SpineError
from spine.whole import check_pixels

__all__ = ["Volume", "middle_first", "read_volume", "sagittal_count", "sagittal_masks", "sagittal_slices"]

# SimpleITK names axes x, y, z by where they lead: to Posterior, Inferior, Right; its arrays are indexed z, y, x.
_ORIENTATION = "PIR"
_SHIFT = 32768
_MOST_VOXELS = 2**30  # 1024 x 1024 x 1024


@dataclass(frozen=True)
class Volume:
    """A volume turned to sagittal slices.

    `array` is (S, H, W): sagittal slices left to right, rows superior to inferior, columns anterior to posterior;
    `spacing` is (slice, y, x) in mm; `path` the file it came from. A volume of one slice has `plane` "axial" or
    "coronal" where it was taken so: it is a picture, as `in_plane` turns it, and not cut across.
    """

    array: np.ndarray
    spacing: tuple[float, float, float]
    path: Path
    plane: str = "sagittal"


def read_volume(path: Path) -> Volume:
    """Read and turn a 3-D volume (.nii, .nii.gz, .mha, .mhd, .nrrd); SpineError where it cannot be read."""
    import SimpleITK as sitk

    plane, _ = _plane(_header(path), path)
    turned = sitk.DICOMOrient(_read(path, lambda: sitk.ReadImage(str(path))), _ORIENTATION)
    x, y, z = turned.GetSpacing()
    array, spacing = in_plane(sitk.GetArrayFromImage(turned), (z, y, x), plane)
    return Volume(array, spacing, Path(path), plane)


def sagittal_count(path: Path) -> int:
    """The number of sagittal slices of a volume, read from its header alone; SpineError where it cannot be read."""
    return _plane(_header(path), path)[1]


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


def _header(path: Path) -> Any:
    """A SimpleITK reader that has read the header of a volume that can be read; SpineError of any other."""
    import SimpleITK as sitk

    _check_whole(Path(path))
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    _read(path, reader.ReadImageInformation)
    if reader.GetDimension() != 3 or reader.GetNumberOfComponents() != 1:
        raise SpineError(
            f"{path} has {reader.GetDimension()} axes and {reader.GetNumberOfComponents()} values a voxel; "
            "a volume of three axes and one value can be read: save one channel or one time point"
        )
    check_pixels(math.prod(reader.GetSize()), path, _MOST_VOXELS)
    return reader


def _plane(reader: Any, path: Path) -> tuple[str, int]:
    """The plane in which a volume is cut, and the number of its slices."""
    import SimpleITK as sitk

    letters = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(reader.GetDirection())
    axes = [next(axis for axis, letter in enumerate(letters) if letter in ends) for ends in ("LR", "SI", "AP")]
    size = [reader.GetSize()[axis] for axis in axes]
    plane = plane_of(size, [reader.GetSpacing()[axis] for axis in axes], path)
    return plane, size[0] if plane == "sagittal" else 1


def _picture(volume: Volume, k: int, shift: int, name: str, chosen: bool) -> Picture:
    values = np.rint(volume.array[k].astype(np.float64)) + shift
    _check_range(volume, values, "grey values")
    notes = [f"sagittal slice {k} of {len(volume.array)}, near the middle"] if chosen else []
    notes = notes if volume.plane == "sagittal" else [f"the one slice of its file, {volume.plane}"]
    notes += [f"values shifted by {shift}"] if shift else []
    _, y, x = volume.spacing
    return Picture(values.astype(np.uint16), volume.path, f"{name}#{k}", (y, x), note="; ".join(notes))


def _check_range(volume: Volume, values: np.ndarray, what: str) -> None:
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= 65535):
        raise SpineError(f"{volume.path} holds {what} from {low} to {high}; 16 bits hold 0..65535: rescale the volume")


def _read(path: Path, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except RuntimeError as error:
        raise SpineError(
            f"{path} is damaged, truncated or no NIfTI, MetaImage or NRRD volume; copy it again, or convert it"
        ) from error


def _check_whole(path: Path) -> None:
    # SimpleITK fills what a truncated NIfTI lacks, and says nothing.
    if not path.is_file() or not path.name.endswith((".nii", ".nii.gz")):
        return
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            expected, length = _nifti_length(stream.read(352)), 352
            while block := stream.read(1 << 20):
                length += len(block)
    except (OSError, EOFError, zlib.error) as error:
        raise SpineError(f"{path} is damaged or truncated ({error}); copy it again from where it came from") from error
    if length < expected:
        raise SpineError(f"{path} is truncated: it holds {length} of {expected} bytes; copy it again")


def _nifti_length(header: bytes) -> int:
    """Bytes that a NIfTI-1 file must hold by its header's dim, bitpix and vox_offset; 0 for anything else."""
    order = next((order for order in "<>" if header[:4] == struct.pack(f"{order}i", 348)), None)
    if order is None or len(header) < 348:
        return 0
    dim = struct.unpack_from(f"{order}8h", header, 40)
    (bits,) = struct.unpack_from(f"{order}h", header, 72)
    (offset,) = struct.unpack_from(f"{order}f", header, 108)
    return int(offset) + math.prod(max(1, size) for size in dim[1 : dim[0] + 1]) * bits // 8
