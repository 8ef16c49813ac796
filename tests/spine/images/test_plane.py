"""Volumes of one slice, and of few thick slices in another plane: no strips are cut across them."""

import numpy as np
import pytest
import SimpleITK as sitk

from spine.core.problems import SpineError
from spine.images.volumes import read_volume, sagittal_count, sagittal_masks, sagittal_slices


def save_axes(path, size, spacing, stored="RAS"):
    """A volume of (x, y, z) voxels whose axes lead to `stored`; each voxel tells x + 100 y + 10,000 z."""
    x, y, z = np.meshgrid(*map(np.arange, size), indexing="ij")
    image = sitk.GetImageFromArray(np.ascontiguousarray((x + 100 * y + 10_000 * z).T.astype(np.uint16)))
    unit = {"L": (1, 0, 0), "R": (-1, 0, 0), "P": (0, 1, 0), "A": (0, -1, 0), "S": (0, 0, 1), "I": (0, 0, -1)}
    image.SetDirection(np.array([unit[letter] for letter in stored], float).T.ravel().tolist())
    image.SetSpacing(spacing)
    sitk.WriteImage(image, str(path))


@pytest.mark.parametrize("n", [None, 1, 3])
@pytest.mark.parametrize(
    ("size", "plane", "pixels"),
    [  # x to the patient's right, y to anterior, z to superior; columns run from right to left, so x falls
        ((3, 2, 1), "axial", [[102, 101, 100], [2, 1, 0]]),  # rows from anterior to posterior: y falls
        ((3, 1, 2), "coronal", [[10_002, 10_001, 10_000], [2, 1, 0]]),  # rows from superior to inferior: z falls
        ((1, 2, 3), "sagittal", [[20_100, 20_000], [10_100, 10_000], [100, 0]]),  # columns to posterior: y falls
    ],
)
def test_a_volume_of_one_slice_is_that_slice(tmp_path, size, plane, pixels, n):
    save_axes(tmp_path / "v.nii.gz", size, (0.5, 0.6, 0.7))
    assert sagittal_count(tmp_path / "v.nii.gz") == 1
    volume = read_volume(tmp_path / "v.nii.gz")
    (picture,) = sagittal_slices(volume, n)
    assert picture.pixels.tolist() == pixels
    assert picture.name == "v.nii.gz#0"
    spacing = {"axial": (0.6, 0.5), "coronal": (0.7, 0.5), "sagittal": (0.7, 0.6)}[plane]
    assert picture.spacing == pytest.approx(spacing)
    assert picture.note == ("" if n is None else "sagittal slice 0 of 1, near the middle") or plane != "sagittal"
    assert picture.note == f"the one slice of its file, {plane}" or plane == "sagittal"
    assert sagittal_masks(volume, n)[0].tolist() == pixels


@pytest.mark.parametrize("stored", ["RAS", "LPS", "SAR"])
@pytest.mark.parametrize(
    ("lateral", "depth", "height", "message"),  # (voxels, mm) along each
    [
        ((64, 1.0), (48, 1.0), (5, 1.0), "5 axial slices, 1 mm apart"),
        ((64, 0.5), (64, 0.5), (12, 5.0), "12 axial slices, 5 mm apart"),
        ((200, 0.5), (200, 0.5), (40, 4.0), "40 axial slices"),
        ((64, 0.5), (8, 5.0), (64, 0.5), "8 coronal slices"),
    ],
)
def test_few_thick_slices_of_another_plane_are_not_cut_into_strips(tmp_path, stored, lateral, depth, height, message):
    of = {"R": lateral, "L": lateral, "A": depth, "P": depth, "S": height}
    save_axes(tmp_path / "v.mha", [of[letter][0] for letter in stored], [of[letter][1] for letter in stored], stored)
    for read in (read_volume, sagittal_count):
        with pytest.raises(SpineError, match=message):
            read(tmp_path / "v.mha")


@pytest.mark.parametrize(
    ("size", "spacing"),
    [
        ((5, 64, 64), (4.0, 0.5, 0.5)),  # a sagittal stack
        ((2, 64, 64), (4.0, 0.5, 0.5)),
        ((64, 64, 40), (0.5, 0.5, 1.5)),  # thin axial slices
        ((200, 200, 49), (0.5, 0.5, 0.5)),  # a slab of even voxels
        ((20, 20, 120), (1.0, 1.0, 1.0)),  # a narrow cut-out of a long spine
    ],
)
def test_what_shows_a_spine_sagittally_is_cut(tmp_path, size, spacing):
    save_axes(tmp_path / "v.mha", size, spacing)
    assert sagittal_count(tmp_path / "v.mha") == len(read_volume(tmp_path / "v.mha").array) == size[0]


def test_voxels_in_a_line_are_no_picture(tmp_path):
    save_axes(tmp_path / "v.mha", (7, 1, 1), (1.0, 1.0, 1.0))
    with pytest.raises(SpineError, match="7 voxels in a line"):
        read_volume(tmp_path / "v.mha")
