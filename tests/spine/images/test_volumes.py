import gzip
import struct

import numpy as np
import pytest
import SimpleITK as sitk

from spine.core.problems import SpineError
from spine.images.volumes import middle_first, read_volume, sagittal_count, sagittal_masks, sagittal_slices
from tests.spine.decoder_files import nifti

SPACING = {"R": 4.0, "A": 0.5, "S": 0.8}  # mm between voxels from right to left, anterior to posterior, and so on


def anatomy():
    """(left to right, superior to inferior, anterior to posterior) = (5, 4, 3): every voxel tells where it is."""
    left, down, back = np.meshgrid(np.arange(5), np.arange(4), np.arange(3), indexing="ij")
    return (100 * left + 10 * down + back).astype(np.uint16)


def write(path, array, stored):
    """Store the anatomy with its axes x, y, z towards `stored`, three letters of where each axis leads."""
    axes = {"R": (0, 1), "L": (0, -1), "I": (1, 1), "S": (1, -1), "P": (2, 1), "A": (2, -1)}
    order = [axes[letter] for letter in stored]
    turned = np.transpose(array, [axis for axis, _ in reversed(order)])
    turned = np.flip(turned, [2 - k for k, (_, sign) in enumerate(order) if sign < 0])
    image = sitk.GetImageFromArray(np.ascontiguousarray(turned))
    unit = {"L": (1, 0, 0), "R": (-1, 0, 0), "P": (0, 1, 0), "A": (0, -1, 0), "S": (0, 0, 1), "I": (0, 0, -1)}
    image.SetDirection(np.array([unit[letter] for letter in stored], float).T.ravel().tolist())
    image.SetSpacing([(4.0, 0.8, 0.5)[axis] for axis, _ in order])
    sitk.WriteImage(image, str(path))


@pytest.mark.parametrize("suffix", [".mha", ".nii.gz", ".nrrd"])
@pytest.mark.parametrize("stored", ["PIR", "LPS", "RAS", "SLA", "AIL"])
def test_every_stored_orientation_gives_the_same_slices(tmp_path, stored, suffix):
    path = tmp_path / f"v{suffix}"
    write(path, anatomy(), stored)
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.array, anatomy())
    assert volume.spacing == pytest.approx((4.0, 0.8, 0.5))
    assert sagittal_count(path) == 5


@pytest.mark.parametrize("suffix", [".mha", ".mhd", ".nii", ".nii.gz", ".nrrd", ".nhdr"])
@pytest.mark.parametrize("seed", range(8))
def test_oblique_volumes_of_every_type_are_turned_as_itk_turns_them(tmp_path, suffix, seed):
    rng = np.random.default_rng(seed)
    dtype = ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"][seed]
    image = sitk.GetImageFromArray(rng.integers(0, 100, rng.integers(3, 7, 3)).astype(dtype))
    image.SetDirection(np.linalg.qr(rng.standard_normal((3, 3)))[0].ravel().tolist())
    image.SetSpacing((rng.random(3) + 0.5).tolist())
    path = tmp_path / f"v{suffix}"
    sitk.WriteImage(image, str(path), useCompression=bool(seed % 2))
    turned = sitk.DICOMOrient(sitk.ReadImage(str(path)), "PIR")
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.array, sitk.GetArrayFromImage(turned))
    assert volume.spacing == pytest.approx(turned.GetSpacing()[::-1], rel=1e-5)
    assert sagittal_count(path) == len(volume.array)


def _quaternion(data, b, c, d, qfac=1.0):
    """The header with a qform of this rotation beside what it has."""
    struct.pack_into("<f", data, 76, qfac)
    struct.pack_into("<h", data, 252, 1)
    struct.pack_into("<3f", data, 256, b, c, d)
    return data


@pytest.mark.parametrize(
    ("b", "c", "d", "qfac"), [(0, 0, 0, 1), (0.5, 0.5, 0.5, 1), (0.1, -0.7, 0.3, -1), (0, 1, 0, 1)]
)
def test_a_qform_alone_is_read_as_itk_reads_it(tmp_path, b, c, d, qfac):
    data = bytearray(nifti(anatomy(), np.diag([4, 0.8, 0.5, 1]), form="none"))
    path = tmp_path / "v.nii"
    path.write_bytes(_quaternion(data, b, c, d, qfac))
    turned = sitk.DICOMOrient(sitk.ReadImage(str(path)), "PIR")
    np.testing.assert_array_equal(read_volume(path).array, sitk.GetArrayFromImage(turned))


def test_a_sheared_sform_beside_a_rectangular_qform_is_that_of_another_space(tmp_path):
    sheared = np.diag([1.0, 1, 1, 1])
    sheared[0, 1] = 0.3
    data = bytearray(nifti(anatomy(), sheared))
    struct.pack_into("<3f", data, 80, 4, 0.8, 0.5)
    (tmp_path / "v.nii").write_bytes(_quaternion(data, 0, 0, 0))
    assert read_volume(tmp_path / "v.nii").spacing == pytest.approx((4, 0.5, 0.8))


def test_nifti_2_and_units_other_than_millimetres(tmp_path):
    first = nifti(anatomy(), np.diag([0.004, 0.0005, 0.0008, 1]))
    head = bytearray(544)
    struct.pack_into("<i4s4s", head, 0, 540, b"n+2\0", b"\r\n\x1a\n")
    struct.pack_into("<hh8q", head, 12, 512, 16, 3, 5, 4, 3, 1, 1, 1, 1)
    struct.pack_into("<8d", head, 104, 1, 0.004, 0.0005, 0.0008, 1, 1, 1, 1)
    struct.pack_into("<q2d", head, 168, 544, 1, 0)
    struct.pack_into("<2i", head, 344, 0, 1)
    struct.pack_into("<12d", head, 400, 0.004, 0, 0, 0, 0, 0.0005, 0, 0, 0, 0, 0.0008, 0)
    struct.pack_into("<i", head, 500, 1)
    in_metres = bytearray(first)
    in_metres[123] = 1
    (tmp_path / "one.nii").write_bytes(in_metres)
    (tmp_path / "two.nii").write_bytes(bytes(head) + first[352:])
    one, two = (read_volume(tmp_path / name) for name in ("one.nii", "two.nii"))
    assert one.spacing == pytest.approx((4, 0.8, 0.5))
    assert two.spacing == pytest.approx((4, 0.8, 0.5))
    np.testing.assert_array_equal(one.array, two.array)
    # Stored axes lead to the right, anterior and superior: the last two are turned and exchanged.
    np.testing.assert_array_equal(one.array, anatomy().transpose(0, 2, 1)[:, ::-1, ::-1])


def test_rows_run_down_and_columns_run_back(tmp_path):
    write(tmp_path / "v.mha", anatomy(), "LPS")
    middle = sagittal_slices(read_volume(tmp_path / "v.mha"), 1)[0]
    assert middle.pixels.tolist() == [[200, 201, 202], [210, 211, 212], [220, 221, 222], [230, 231, 232]]
    assert middle.name == "v.mha#2"
    assert middle.spacing == pytest.approx((0.8, 0.5))


def test_masks_lie_on_their_images_whatever_way_each_is_stored(tmp_path):
    write(tmp_path / "image.mha", anatomy(), "LPS")
    write(tmp_path / "mask.nii.gz", (anatomy() >= 220).astype(np.uint8), "RAS")
    pictures = sagittal_slices(read_volume(tmp_path / "image.mha"), 3)
    masks = sagittal_masks(read_volume(tmp_path / "mask.nii.gz"), 3)
    assert [picture.name for picture in pictures] == [f"image.mha#{k}" for k in masks]
    for picture, mask in zip(pictures, masks.values(), strict=True):
        np.testing.assert_array_equal(mask, picture.pixels >= 220)


def test_the_middle_comes_first():
    assert middle_first(5, 3) == [2, 1, 3]
    assert middle_first(4, 2) == [1, 2]
    assert middle_first(3, 9) == [1, 0, 2]
    assert middle_first(3) == [0, 1, 2]


def test_signed_values_are_shifted_and_said_to_be(tmp_path):
    write(tmp_path / "v.mha", anatomy().astype(np.int16) - 1000, "LPS")
    picture = sagittal_slices(read_volume(tmp_path / "v.mha"))[0]
    assert picture.pixels[0, 0] == 32768 - 1000
    assert "shifted by 32768" in picture.note


@pytest.mark.parametrize("suffix", [".mha", ".nii", ".nii.gz"])
def test_a_truncated_volume_is_refused(tmp_path, suffix):
    image = sitk.GetImageFromArray(np.random.default_rng(0).integers(0, 999, (20, 20, 20)).astype(np.int16))
    path = tmp_path / f"v{suffix}"
    sitk.WriteImage(image, str(path))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(SpineError, match="truncated"):
        read_volume(path)


def test_what_is_no_volume_is_refused(tmp_path):
    with gzip.open(tmp_path / "v.nii.gz", "wb") as stream:
        stream.write(b"no volume")
    with pytest.raises(SpineError, match=r"v\.nii\.gz"):
        read_volume(tmp_path / "v.nii.gz")


def test_a_series_of_volumes_is_refused(tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((2, 3, 4, 5), np.uint8), isVector=False), str(tmp_path / "v.mha"))
    with pytest.raises(SpineError, match="4 axes"):
        read_volume(tmp_path / "v.mha")


def test_a_header_that_states_too_many_voxels_is_refused_before_they_are_allocated(tmp_path):
    size = "2048 2048 2048"
    head = f"ObjectType = Image\nNDims = 3\nDimSize = {size}\nElementType = MET_UCHAR\nCompressedData = True\n"
    (tmp_path / "v.mha").write_bytes(f"{head}ElementDataFile = LOCAL\n".encode() + b"\0" * 100)
    for read in (read_volume, sagittal_count):
        with pytest.raises(SpineError, match="8,589,934,592 bytes"):
            read(tmp_path / "v.mha")
