"""An MR series written as DICOM: pixels come back, and the geometry is the one asked for."""

from dataclasses import replace

import numpy as np
import pydicom
import pytest

from spine.images.dicom.write import MRSeries, write_mr_series
from spine.images.dicom.write_plain import PlainImage, write_image

SERIES = MRSeries("p1", "s1", 3, "t2_tse_sag", position=(20.0, -100.0, 150.0), spacing=(1.5, 1.25), gap=4.0)
PIXELS = np.arange(3 * 2 * 5, dtype=np.uint16).reshape(3, 2, 5) * 100


def test_pixels_come_back_under_the_file_of_their_slice(tmp_path):
    files = write_mr_series(PIXELS, SERIES, tmp_path, order=[0, 2, 1])
    assert [file.name for file in files] == ["IM0001.dcm", "IM0003.dcm", "IM0002.dcm"]
    for file, pixels in zip(files, PIXELS, strict=True):
        np.testing.assert_array_equal(pydicom.dcmread(file).pixel_array, pixels)


def test_sagittal_slices_step_along_the_normal(tmp_path):
    datasets = [pydicom.dcmread(file) for file in write_mr_series(PIXELS, SERIES, tmp_path)]
    # (0, 1, 0) x (0, 0, -1) = (-1, 0, 0): from the patient's left to the right.
    assert [list(d.ImagePositionPatient) for d in datasets] == [[20 - 4 * i, -100, 150] for i in range(3)]
    assert [d.SliceLocation for d in datasets] == [-20, -16, -12]
    assert list(datasets[0].PixelSpacing) == [1.5, 1.25]


def test_equal_series_give_equal_bytes_and_other_numbers_other_uids(tmp_path):
    first, again = (write_mr_series(PIXELS, SERIES, tmp_path / name) for name in ("first", "again"))
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in again]
    other = write_mr_series(PIXELS, MRSeries("p1", "s1", 4, "t1", (0.0, 0.0, 0.0)), tmp_path / "other")
    one, two = pydicom.dcmread(first[0]), pydicom.dcmread(other[0])
    assert one.StudyInstanceUID == two.StudyInstanceUID
    assert one.SeriesInstanceUID != two.SeriesInstanceUID


def test_values_above_12_bits_are_told_in_the_tags_of_the_whole_series(tmp_path):
    pixels = PIXELS.copy()
    pixels[1, 0, 0] = 40000
    datasets = [pydicom.dcmread(file) for file in write_mr_series(pixels, SERIES, tmp_path)]
    assert [d.BitsStored for d in datasets] == [16, 16, 16]
    assert datasets[1].pixel_array.max() == 40000


@pytest.mark.parametrize(
    ("pixels", "order", "message"),
    [
        (PIXELS.astype(np.float32), None, "float32"),
        (PIXELS[0], None, r"\(2, 5\)"),
        (PIXELS, [0, 1, 1], "each of the 3 slices once"),
    ],
)
def test_refuses_what_it_cannot_write(tmp_path, pixels, order, message):
    with pytest.raises(ValueError, match=message):
        write_mr_series(pixels, SERIES, tmp_path, order)


@pytest.mark.parametrize("numbers", [{"position": (float("nan"), 0.0, 0.0)}, {"gap": float("inf")}])
def test_no_series_lies_where_no_number_tells(numbers):
    with pytest.raises(ValueError, match="not finite"):
        MRSeries("p1", "s1", 3, "t2", **{"position": (0.0, 0.0, 0.0), **numbers})


RADIOGRAPH = PlainImage("CR", "p1", "s1", 2, 1, "L-spine AP", "LSPINE", 60, (2000, 4000), tags={"ViewPosition": "AP"})


def test_a_single_image_comes_back_with_its_tags(tmp_path):
    write_image(PIXELS[0], RADIOGRAPH, tmp_path / "p1" / "IM0001.dcm")
    read = pydicom.dcmread(tmp_path / "p1" / "IM0001.dcm")
    np.testing.assert_array_equal(read.pixel_array, PIXELS[0])
    assert (read.Modality, read.ViewPosition, read.PatientID, read.BitsStored) == ("CR", "AP", "p1", 12)
    write_image(PIXELS[0], replace(RADIOGRAPH, number=2), tmp_path / "IM0002.dcm")
    other = pydicom.dcmread(tmp_path / "IM0002.dcm")
    assert other.SeriesInstanceUID == read.SeriesInstanceUID
    assert other.SOPInstanceUID != read.SOPInstanceUID


@pytest.mark.parametrize(
    ("pixels", "image", "told"),
    [
        (PIXELS[0] + 4000, RADIOGRAPH, "below 4096 must hold"),
        (PIXELS, RADIOGRAPH, "pixels are"),
        (PIXELS[0], replace(RADIOGRAPH, modality="MR"), "one of CT, CR"),
    ],
)
def test_what_cannot_be_written_as_a_single_image_is_refused(tmp_path, pixels, image, told):
    with pytest.raises(ValueError, match=told):
        write_image(pixels, image, tmp_path / "x.dcm")
    assert not list(tmp_path.iterdir())
