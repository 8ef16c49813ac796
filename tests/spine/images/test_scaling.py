"""Real values at 16 bits: by one rule a file, with the way back in the manifest."""

import gzip

import numpy as np
import pandas as pd
import pytest

from spine.core.files import write_json
from spine.core.problems import SpineError
from spine.dataset.manifest import IMAGES, Manifest
from spine.images.scaling import Scaling, Sixteen
from spine.images.volumes import read_volume, sagittal_masks
from spine.intake import build
from spine.intake.reading import read_images
from tests.spine.dataset_on_disk import smooth_noise, write_dataset
from tests.spine.decoder_files import metaimage, nifti, nrrd, plain_tiff, tiff


def turned(values):
    values = np.asarray(values)
    rule = Sixteen.of([values], "file")
    return rule(values).tolist(), rule.scaling


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32, np.float64])
def test_whole_numbers_that_fit_stay_as_they_are(dtype):
    assert turned(np.array([0, 7, 255], dtype)) == ([0, 7, 255], None)


def test_the_whole_range_of_16_bits_stays():
    assert turned([0.0, 4095.0, 65535.0]) == ([0, 4095, 65535], None)


@pytest.mark.parametrize("dtype", [np.int16, np.int64, np.float32])
def test_signed_whole_numbers_are_shifted_by_a_fixed_number(dtype):
    assert turned(np.array([-32768, -1, 32767], dtype)) == ([0, 32767, 65535], Scaling(1.0, -32768.0))


def test_fractions_are_scaled_by_their_own_range():
    assert turned([0.0, 0.25, 1.0]) == ([0, 16384, 65535], Scaling(1 / 65535, 0.0))
    pixels, scaling = turned([-2.0, -0.5, 4.0])
    assert pixels == [0, 16384, 65535]
    assert scaling.scale == pytest.approx(6 / 65535)
    assert scaling.offset == -2


def test_whole_numbers_beyond_16_bits_are_scaled():
    assert turned([0, 65535, 131070]) == ([0, 32768, 65535], Scaling(2.0, 0.0)), "halves go to the even number"
    assert turned(np.array([-40000, 0, 91070]))[0] == [0, 20000, 65535]


def test_the_way_back_leads_to_the_values():
    values = np.random.default_rng(0).normal(1e-3, 1e-5, (9, 11))
    pixels, scaling = turned(values)
    back = np.array(pixels) * scaling.scale + scaling.offset
    np.testing.assert_allclose(back, values, rtol=0, atol=scaling.scale / 2 * 1.001)


@pytest.mark.parametrize("value", [0.5, -1e-300, 1e300])
def test_a_constant_keeps_its_value(value):
    pixels, scaling = turned([value, value])
    assert [pixel * scaling.scale + scaling.offset for pixel in pixels] == [value, value]


def test_the_extremes_of_float64_are_no_matter():
    assert turned([-1.7e308, 0.0, 1.7e308])[0] == [0, 32768, 65535]


def test_what_is_not_finite_is_background_and_counted():
    values = np.array([np.nan, 0.5, np.inf, 1.5, -np.inf])
    rule = Sixteen.of([values], "file")
    assert rule(values).tolist() == [0, 0, 0, 65535, 0]
    assert rule.missing == 3
    assert "3 values are NaN or infinity" in rule.remark
    whole = np.array([np.nan, 100.0, 200.0])
    assert Sixteen.of([whole], "file")(whole).tolist() == [100, 100, 200], "the lowest of what is measured"


def test_nothing_finite_is_an_error():
    with pytest.raises(SpineError, match=r"x\.nii holds no finite value"):
        Sixteen.of([np.full(3, np.nan)], "x.nii")


VALUES = np.random.default_rng(1).normal(size=(4, 5, 6)).astype(np.float32)  # (x, y, z)
STACK = np.ascontiguousarray(VALUES.T)
VOLUMES = {
    "a.nii": lambda values: nifti(values),
    "a.nii.gz": lambda values: gzip.compress(nifti(values)),
    "a.mha": lambda values: metaimage(np.ascontiguousarray(values.T)),
    "a.nrrd": lambda values: nrrd(np.ascontiguousarray(values.T)),
}


@pytest.mark.parametrize("name", VOLUMES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_slices_of_a_float_volume_stay_comparable(tmp_path, name, dtype):
    (tmp_path / name).write_bytes(VOLUMES[name](VALUES.astype(dtype)))
    pictures = list(read_images(tmp_path / name))
    (scaling,) = {picture.scaling for picture in pictures}
    stack = np.stack([picture.pixels for picture in pictures])
    assert (stack.min(), stack.max()) == (0, 65535), "the ends are the volume's, and not a slice's"
    back = np.sort((stack * scaling.scale + scaling.offset).ravel())
    np.testing.assert_allclose(back, np.sort(VALUES.ravel()), rtol=0, atol=scaling.scale * 0.51)
    assert all(f"value = pixel * {scaling.scale:.9g}" in picture.note for picture in pictures)


def test_a_small_slope_of_whole_voxels_is_a_real_value(tmp_path):
    stored = np.arange(120, dtype=np.int16).reshape(4, 5, 6)
    (tmp_path / "a.nii").write_bytes(nifti(stored, slope=0.001, intercept=-0.03))
    pictures = list(read_images(tmp_path / "a.nii"))
    assert len({int(pixel) for picture in pictures for pixel in picture.pixels.ravel()}) == 120
    scaling = pictures[0].scaling
    assert scaling.scale * 65535 == pytest.approx(0.119)
    assert scaling.offset == pytest.approx(-0.03)


@pytest.mark.parametrize("slope", [0.0, np.nan, np.inf])
def test_a_slope_that_is_none_leaves_the_values_as_stored(tmp_path, slope):
    (tmp_path / "a.nii").write_bytes(
        nifti(np.arange(24, dtype=np.int16).reshape(2, 3, 4), slope=slope, intercept=np.nan)
    )
    assert sorted(pixel for one in read_images(tmp_path) for pixel in one.pixels.ravel()) == list(range(24))


def test_pages_of_a_float_tiff_share_one_range(tmp_path):
    pages = [np.array([[0.0, 0.5]], np.float32), np.array([[1.0, 2.0]], np.float32)]
    size = {256: 2, 257: 1, 258: 32, 339: 3}
    (tmp_path / "a.tif").write_bytes(tiff(*((page.tobytes(), size) for page in pages)))
    pictures = list(read_images(tmp_path))
    assert [picture.pixels.tolist() for picture in pictures] == [[[0, 16384]], [[32768, 65535]]]
    assert {picture.scaling for picture in pictures} == {Scaling(2 / 65535, 0.0)}


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int32])
def test_colours_of_large_types_are_read(tmp_path, kind):
    colours = np.dstack([np.full((2, 2), value) for value in (10, 200, 70)]).astype(kind)
    colours[0, 0] = 0
    (tmp_path / "a.tif").write_bytes(plain_tiff(colours))
    (picture,) = read_images(tmp_path)
    luma = 0.299 * 10 + 0.587 * 200 + 0.114 * 70
    assert picture.pixels.tolist() == [[0, 65535], [65535, 65535]]
    assert picture.scaling.scale * 65535 == pytest.approx(luma)


@pytest.mark.parametrize("name", ["a.tif", *VOLUMES])
def test_missing_values_are_told_of_the_file(tmp_path, name):
    values = VALUES.copy()
    values[1, 2, 3] = np.nan
    (tmp_path / name).write_bytes(VOLUMES.get(name, lambda array: plain_tiff(array[..., 3]))(values))
    images = read_images(tmp_path)
    assert all(picture.pixels.max() > 0 for picture in images)
    (problem,) = images.problems
    assert (problem.path, problem.severity) == (str(tmp_path / name), "warning")
    assert "1 values are NaN or infinity" in problem.reason


@pytest.mark.parametrize("values", [VALUES, np.full((2, 2, 2), np.nan, np.float32), VALUES * 0 - 1])
def test_what_is_no_class_index_is_no_mask(tmp_path, values):
    (tmp_path / "a.nii").write_bytes(nifti(values))
    with pytest.raises(SpineError, match=r"a\.nii"):
        sagittal_masks(read_volume(tmp_path / "a.nii"))


def test_the_manifest_tells_the_way_back(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "unit.nii").write_bytes(nifti(VALUES))
    (tmp_path / "in" / "plain.tif").write_bytes(plain_tiff(np.array([[1, 2]], np.uint8)))
    config = tmp_path / "config.yaml"
    config.write_text(
        f"name: a\noutput: {tmp_path / 'out'}\nsplits: {{train: 1.0, validation: 0.0, test: 0.0, seed: 1}}\n"
        f"sources:\n- {{name: s, images: {tmp_path / 'in'}, read: auto, slices: 1}}\n"
    )
    build(config)
    images = Manifest.read(tmp_path / "out").images.set_index("sample")
    scale, offset = images.loc[[name for name in images.index if "unit" in name], ["scale", "offset"]].to_numpy()[0]
    assert scale == pytest.approx(float(np.ptp(VALUES)) / 65535)
    assert offset == pytest.approx(float(VALUES.min()))
    assert images.loc[[name for name in images.index if "plain" in name], ["scale", "offset"]].isna().all(axis=None)


def test_a_dataset_from_before_is_read_and_has_the_same_hash(tmp_path):
    manifest = write_dataset(tmp_path, {"a": smooth_noise(0)}, splits=[("a", "train", "")])
    table = pd.read_csv(tmp_path / "images.csv", dtype=str, keep_default_na=False)
    table[list(IMAGES[:-2])].to_csv(tmp_path / "images.csv", index=False)
    write_json({"mask_labels": [], "data_hash": manifest.data_hash, "splits_hash": ""}, tmp_path / "dataset.json")
    before = Manifest.read(tmp_path)
    assert before.images[["scale", "offset"]].isna().all(axis=None)
    assert before.data_hash == manifest.data_hash
