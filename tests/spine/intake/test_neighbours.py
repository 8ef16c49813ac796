"""Which slices are next to a picture: by names, by volumes, by DICOM; and what a dataset keeps of them."""

import nibabel
import numpy as np
import pandas as pd
import pytest

from spine.core.problems import SpineError
from spine.dataset.audit.quality import wrong_neighbours
from spine.dataset.manifest import BOXES, Manifest
from spine.dataset.truth import Region, _regions
from spine.images.dicom.series import Series, Slice
from spine.images.dicom.write import MRSeries, write_mr_series
from spine.images.neighbours import beside, places
from spine.images.pictures import read_picture
from spine.intake.crop import CropSettings, crop_samples
from tests.spine.source_on_disk import built, config, warnings, write_picture

SERIES = r"(?P<series>p\d_t2)_s(?P<slice>\d+)"


@pytest.mark.parametrize(
    ("positions", "expected"),
    [
        ([54, 56, 58], [0, 1, 2]),
        ([54, 56, 60, 62, 64], [0, 1, 3, 4, 5]),
        ([-4.4, 0.0, 4.5, 8.9], [0, 1, 2, 3]),
        ([1, 2, 4], [0, 1, 3]),
        ([7], [0]),
    ],
)
def test_slices_that_are_too_far_apart_are_no_neighbours(positions, expected):
    assert places(positions) == expected


def test_what_is_beside_the_chosen():
    assert beside([2, 1], 5) == [0, 3]
    assert beside([0], 1) == []


def named(manifest):
    """Sample -> the slices before and after it, without the name of the source."""
    rows = manifest.images.set_index("sample")[["before", "after"]]
    return {
        name.removeprefix("s_"): tuple(side.removeprefix("s_") for side in row)
        for name, row in zip(rows.index, rows.to_numpy().tolist(), strict=True)
    }


@pytest.fixture
def loose(tmp_path):
    """Slices of two patients, of which only some are labelled; one is far from its series, one has no number."""
    numbers = {"p1_t2_s8": 1, "p1_t2_s10": 2, "p1_t2_s12": 3, "p1_t2_s20": 4, "p2_t2_s10": 5, "p2_t2_s12": 6, "p1": 7}
    for name, seed in numbers.items():
        write_picture(tmp_path / "images" / f"{name}.png", seed)
    (tmp_path / "boxes.csv").write_text(
        "image,x0,y0,x1,y1,grade\n"
        + "".join(f"{name}.png,1,1,6,4,x\n" for name in numbers if name not in ("p1_t2_s12", "p2_t2_s10"))
    )
    return tmp_path


def build_loose(root, **settings):
    table = {"format": "table", "path": root / "boxes.csv", "label": "disc"}
    table |= {"box": ["x0", "y0", "x1", "y1"], "targets": ["grade"]}
    return built(root, table, **{"patient": r"(?P<patient>p\d)", "series": SERIES, **settings})


def test_neighbours_of_loose_pictures_are_told_by_their_names(loose):
    result = build_loose(loose)
    manifest = Manifest.read(result.root)
    assert named(manifest) == {
        "p1_t2_s8": ("", "p1_t2_s10"),
        "p1_t2_s10": ("p1_t2_s8", "p1_t2_s12_beside"),  # no sample: nothing is told of it
        "p1_t2_s20": ("", ""),
        "p2_t2_s12": ("p2_t2_s10_beside", ""),
        "p1": ("", ""),
    }
    kept = sorted(path.name for path in (result.root / "neighbours").iterdir())
    assert kept == ["s_p1_t2_s12_beside.png", "s_p2_t2_s10_beside.png"]
    pixels = read_picture(manifest.neighbour_path("s_p1_t2_s12_beside", of_crop=False), "x").pixels
    np.testing.assert_array_equal(pixels, write_picture(loose / "again.png", 3))
    write_picture(result.root / "neighbours" / "s_p1_t2_s12_beside.png", 8)
    (problem,) = wrong_neighbours(manifest)
    assert "the file was changed" in problem.reason
    assert problem.path.endswith("s_p1_t2_s12_beside.png")


def test_crops_keep_the_slices_next_to_their_pictures(loose):
    manifest = Manifest.read(build_loose(loose).root)
    crops = crop_samples(manifest, manifest.boxes, loose / "crops", CropSettings(label="disc"))
    regions = dict(zip(crops.images["sample"], _regions(crops, crops.images.set_index("sample")), strict=True))
    region = regions["s_p1_t2_s10_disc0"]
    parents = loose / "crops" / "parents"
    assert region.slices == tuple(parents / f"s_{name}.png" for name in ("p1_t2_s8", "p1_t2_s10", "p1_t2_s12_beside"))
    assert all(file.exists() for one in regions.values() for file in one.slices)
    assert not list(wrong_neighbours(crops))


def test_a_crop_of_a_crop_has_no_neighbours(loose):
    manifest = Manifest.read(build_loose(loose).root)
    crops = crop_samples(manifest, manifest.boxes, loose / "crops", CropSettings(label="disc"))
    boxes = pd.DataFrame([("s_p1_t2_s10_disc0", "0", "part", 0.0, 0.0, 2.0, 2.0, "")], columns=list(BOXES))
    assert set(named(crop_samples(crops, boxes, loose / "twice", CropSettings(label="part"))).values()) == {("", "")}


def test_without_series_no_neighbours_are_kept_and_the_dataset_is_as_before(loose):
    plain = Manifest.read(build_loose(loose, series="").root)
    assert set(named(plain).values()) == {("", "")}
    assert not (plain.root / "neighbours").exists()
    first = plain.data_hash
    assert Manifest.read(build_loose(loose).root).data_hash != first


def test_a_number_that_occurs_twice_and_a_name_without_any_are_told(loose):
    write_picture(loose / "images" / "more" / "p2_t2_s12.png", 9)
    found = [problem.reason for problem in warnings(build_loose(loose))]
    assert any("have one slice number" in reason and "p2_t2_s12" in reason for reason in found)
    result = build_loose(loose, series="file")
    assert any("by it no picture has a place" in problem.reason for problem in warnings(result))


@pytest.mark.parametrize(
    ("series", "why"), [("s(?P<slice>", "is not a regular"), (r"s(?P<slice>\d+)", "names no groups")]
)
def test_a_wrong_expression_is_refused(tmp_path, series, why):
    with pytest.raises(ValueError, match=why):
        config(tmp_path, series=series)


def test_the_slices_next_to_the_middle_one_of_a_volume_are_kept(tmp_path):
    array = np.arange(5 * 6 * 8, dtype=np.int16).reshape(5, 6, 8)
    (tmp_path / "images").mkdir()
    nibabel.save(nibabel.Nifti1Image(array, np.diag([4.0, 1, 1, 1])), tmp_path / "images" / "a.nii")
    result = built(tmp_path, read="volume", series="file", slices=1)
    manifest = Manifest.read(result.root)
    (told,) = named(manifest).values()
    assert told == ("a_1_beside", "a_3_beside")
    region = _regions(manifest, manifest.images.set_index("sample"))[0]
    means = [read_picture(file, "x").pixels.mean() for file in region.slices]
    assert means == sorted(means)
    assert np.diff(means).tolist() == [48, 48]


def test_the_slices_next_to_the_middle_one_of_a_dicom_series_are_kept_under_pseudonyms(tmp_path):
    pixels = np.stack(
        [np.full((12, 16), 100 * number, np.uint16) + np.arange(16, dtype=np.uint16) for number in (1, 2, 3)]
    )
    series = MRSeries("p1", "s1", 3, "t2_tse_sag", position=(20.0, -100.0, 150.0), spacing=(1.5, 1.25), gap=4.0)
    write_mr_series(pixels, series, tmp_path / "images")
    result = built(tmp_path, read="dicom", series="file", slices=1)
    manifest = Manifest.read(result.root)
    (region,) = _regions(manifest, manifest.images.set_index("sample"))
    means = [read_picture(file, "x").pixels.mean() for file in region.slices]
    assert means == sorted(set(means))  # as they were written, from the patient's left to the right
    assert all("p1" not in path.name and path.name.startswith("s_P") for path in region.slices)
    assert {path.parent.name for path in region.slices} == {"images", "neighbours"}


def stack(normal, *positions):
    slices = tuple(Slice(f"{number}.dcm", position=one, normal=normal) for number, one in enumerate(positions))
    return Series("1.2", "p", "s", "MR", "t2", "t2", slices)


def test_dicom_slices_count_to_the_patient_s_right_as_those_of_volumes_do():
    to_left, to_right = stack((1.0, 0.0, 0.0), -4.0, 0.0, 4.0), stack((-1.0, 0.0, 0.0), -4.0, 0.0, 4.0)
    assert [to_left.order[one] for one in to_left.slices] == [(0, 2), (0, 1), (0, 0)]
    assert [to_right.order[one] for one in to_right.slices] == [(0, 0), (0, 1), (0, 2)]
    repeated = stack((-1.0, 0.0, 0.0), 0.0, 0.0, 4.0, 4.0, 12.0)
    assert [repeated.order[one] for one in repeated.slices] == [(0, 0), (1, 0), (0, 1), (1, 1), (0, 3)]


def test_a_neighbour_s_name_is_no_way_out_of_the_dataset(loose):
    manifest = Manifest.read(build_loose(loose).root)
    with pytest.raises(SpineError, match="cannot be a file's name"):
        Manifest(manifest.root, manifest.images.assign(before="../a"))


def test_a_region_without_neighbours_stands_for_them(tmp_path):
    assert Region(tmp_path / "a.png").slices == (tmp_path / "a.png",) * 3
