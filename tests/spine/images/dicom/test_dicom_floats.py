"""Floating-point pixel data of DICOM: scaled by the range of the file, with the way back."""

import numpy as np
import pytest

from spine.intake.reading import read_images
from tests.spine.images.dicom.dicom_samples import sample, save

VALUES = np.random.default_rng(0).normal(size=(3, 4, 5))


def floating(values, keyword="FloatPixelData", **elements):
    dataset = sample(np.zeros(values.shape, int), Modality="DX", **elements)
    for integer in ("PixelData", "BitsStored", "HighBit", "PixelRepresentation"):
        delattr(dataset, integer)
    dataset.BitsAllocated = 32 if keyword == "FloatPixelData" else 64
    setattr(dataset, keyword, values.astype("f4" if keyword == "FloatPixelData" else "f8").tobytes())
    return dataset


@pytest.mark.parametrize("keyword", ["FloatPixelData", "DoubleFloatPixelData"])
def test_frames_stay_comparable_and_the_way_back_is_told(tmp_path, keyword):
    images = read_images(save(floating(VALUES, keyword), tmp_path / "a.dcm"))
    pictures = list(images)
    assert images.problems == []
    (scaling,) = {picture.scaling for picture in pictures}
    stack = np.stack([picture.pixels for picture in pictures])
    assert (stack.min(), stack.max()) == (0, 65535)
    np.testing.assert_allclose(stack * scaling.scale + scaling.offset, VALUES, rtol=0, atol=scaling.scale * 0.51)
    assert "value = pixel * " in pictures[0].note


def test_whole_numbers_stay(tmp_path):
    (picture,) = read_images(save(floating(np.array([[0.0, 4095.0]])), tmp_path / "a.dcm"))
    assert (picture.pixels.tolist(), picture.scaling) == ([[0, 4095]], None)


def test_what_is_outside_the_image_or_not_finite_is_the_lowest_value(tmp_path):
    values = np.array([[-1e9, 0.5, 2.5, np.nan]])
    images = read_images(save(floating(values, FloatPixelPaddingValue=-1e9), tmp_path / "a.dcm"))
    (picture,) = images
    assert picture.pixels.tolist() == [[0, 0, 65535, 0]]
    assert "1 values are NaN or infinity" in images.problems[0].reason


@pytest.mark.parametrize("ends", [(-9.0, -5.0), (-5.0, -9.0)])
def test_padding_may_be_a_range(tmp_path, ends):
    padding = {"FloatPixelPaddingValue": ends[0], "FloatPixelPaddingRangeLimit": ends[1]}
    images = read_images(save(floating(np.array([[-9, -7, -5, 0, 1]]), **padding), tmp_path / "a.dcm"))
    (picture,) = images
    assert picture.pixels.tolist() == [[0, 0, 0, 0, 1]]  # of the pixels within, whole numbers from 0 on, the least is 0
    assert images.problems == []


def test_a_padding_of_nan_is_nothing_to_tell(tmp_path):
    images = read_images(save(floating(np.array([[0, 0.25, 1]]), FloatPixelPaddingValue=np.nan), tmp_path / "a.dcm"))
    (picture,) = images
    assert picture.pixels.tolist() == [[0, 16384, 65535]]  # 0.25 * 65535 = 16383.75
    assert images.problems == []


def test_missing_pixels_are_a_problem(tmp_path):
    dataset = floating(VALUES)
    dataset.FloatPixelData = dataset.FloatPixelData[:-4]
    images = read_images(save(dataset, tmp_path / "a.dcm"))
    assert list(images) == []
    assert "truncated: it lacks the last 4 bytes" in images.problems[0].reason


@pytest.mark.parametrize(
    ("elements", "values"),
    [
        ({}, [[-5, 0], [7, 90]]),
        ({"RescaleSlope": 2, "RescaleIntercept": -1000}, [[-1010, -1000], [-986, -820]]),
        ({"RescaleSlope": 0.25, "RescaleIntercept": 3}, [[1.75, 3], [4.75, 25.5]]),
        ({"RescaleSlope": -0.25, "RescaleIntercept": 3}, [[4.25, 3], [1.25, -19.5]]),
    ],
)
def test_the_way_back_from_integer_pixels_leads_to_the_modality_values(tmp_path, elements, values):
    dataset = sample([[-5, 0], [7, 90]], signed=True, Modality="DX", **elements)
    (picture,) = read_images(save(dataset, tmp_path / "a.dcm"))
    scaling = picture.scaling
    np.testing.assert_allclose(picture.pixels * scaling.scale + scaling.offset, values)


def test_behind_a_window_the_way_back_is_not_known_and_whole_values_need_none(tmp_path):
    windowed = sample([[0, 9]], Modality="DX", WindowCenter=5, WindowWidth=10, SOPInstanceUID="1.1")
    plain = sample([[0, 9]], Modality="DX", SOPInstanceUID="1.2")
    for name, dataset in (("a", windowed), ("b", plain)):
        (picture,) = read_images(save(dataset, tmp_path / name / "x.dcm"))
        assert picture.scaling is None
