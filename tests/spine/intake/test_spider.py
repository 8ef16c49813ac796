import numpy as np
import pytest

from spine.core.problems import SpineError
from spine.dataset.manifest import Manifest
from spine.images.pictures import read_mask
from spine.intake import build
from spine.intake.config import DataConfig
from spine.intake.spider import class_mask, read_release

HEADER = (
    "Patient,IVD label,Modic,UP endplate,LOW endplate,Spondylolisthesis,Disc herniation,Disc narrowing,"
    "Disc bulging,Pfirrman grade\n"
)


def _labels():
    """One slice, 12 x 10 pixels: vertebra 1, disc 201 below it, the canal behind both."""
    labels = np.zeros((12, 10), np.uint16)
    labels[1:5, 2:7] = 1
    labels[6:9, 2:8] = 201
    labels[1:11, 9] = 100
    return labels


def _write(volume, path):
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(volume)
    image.SetDirection((0, 0, -1, 1, 0, 0, 0, -1, 0))  # columns to posterior, rows to inferior, slices to the right
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))


@pytest.fixture
def release(tmp_path):
    root = tmp_path / "spider"
    for patient in (1, 2, 3, 4):
        labels = np.zeros((3, 12, 10), np.uint16)
        labels[1] = _labels()
        _write(labels, root / "masks" / f"{patient}_t2.mha")
        _write((labels + 10 * patient).astype(np.int16), root / "images" / f"{patient}_t2.mha")
    rows = [f"{patient},1,0,0,1,0,0,{patient % 2},1,{patient}.0\n" for patient in (1, 2, 3, 4)]
    (root / "radiological_gradings.csv").write_text(HEADER + "".join(rows))
    return root


def test_instances_become_classes():
    labels = np.array([[0, 1, 25, 101, 125, 100, 201, 225, 226]])
    assert class_mask(labels).tolist() == [[0, 1, 1, 1, 1, 3, 2, 2, 0]]


def test_the_middle_slice_has_mask_boxes_and_grades(release, tmp_path):
    reading = read_release(release, 1, tmp_path / "scratch", min_area=1)
    assert [one.image for one in reading.annotations] == [f"{patient}_t2.mha#1" for patient in (1, 2, 3, 4)]
    first = reading.annotations[0]
    boxes = {box.label: (box.x0, box.y0, box.x1, box.y1) for box in first.boxes}
    assert boxes == {"lumbar_region": (2, 1, 8, 9), "vertebra": (2, 1, 7, 5), "disc": (2, 6, 8, 9)}
    disc = first.boxes[-1]
    assert disc.level == "1"
    assert disc.values["pfirrmann"] == "1"
    assert disc.values["lower_endplate"] == "1"
    np.testing.assert_array_equal(read_mask(first.mask), class_mask(_labels()))
    assert (first.patient, first.sequence) == ("1", "t2")


def test_the_release_builds_with_one_config(release, tmp_path):
    config = {
        "name": "tiny",
        "output": tmp_path / "out",
        "sources": [
            {
                "name": "spider",
                "images": release / "images",
                "annotations": [{"format": "spider", "path": release, "min_area": 1}],
            }
        ],
        "targets": {"degeneration": {"of": "pfirrmann", "at_least": 3, "labels": ["normal", "degenerated"]}},
        "splits": {"train": 0.5, "validation": 0.25, "test": 0.25},
    }
    result = build(DataConfig.model_validate(config))
    assert result.problems == []
    manifest = Manifest.read(result.root)
    assert manifest.images["patient"].tolist() == ["1", "2", "3", "4"]
    assert manifest.mask_labels == ("vertebra", "disc", "canal")
    assert manifest.labels["value"].tolist() == ["normal", "normal", "degenerated", "degenerated"]
    np.testing.assert_array_equal(read_mask(manifest.mask_path("spider_3_t2_1")), class_mask(_labels()))


def test_a_damaged_mask_and_a_missing_one_are_told(release, tmp_path):
    (release / "masks" / "1_t2.mha").write_bytes(b"")
    (release / "masks" / "2_t2.mha").unlink()
    reading = read_release(release, 1, tmp_path / "scratch")
    assert len(reading.annotations) == 2
    assert sorted(problem.severity for problem in reading.problems) == ["error", "warning"]


def test_a_folder_that_is_no_release(tmp_path):
    with pytest.raises(SpineError, match="masks"):
        read_release(tmp_path, 1, tmp_path)


def test_a_table_of_other_columns_names_them(release, tmp_path):
    (release / "radiological_gradings.csv").write_text("Patient,grade\n1,2\n")
    with pytest.raises(SpineError, match="pfirrman grade"):
        read_release(release, 1, tmp_path / "scratch")


def test_a_grade_that_is_no_finite_number_is_told_and_no_label(release, tmp_path):
    table = release / "radiological_gradings.csv"
    table.write_text(table.read_text().replace("1,1,0,0,1,0,0,1,1,1.0", "1,1,0,0,1,0,0,1,1,1e999"))
    reading = read_release(release, 1, tmp_path / "scratch", min_area=1)
    (problem,) = reading.problems
    assert problem.path == f"{table}: line 2, pfirrman grade"
    assert "'1e999' is not a finite number" in problem.reason
    values = [dict(one.boxes[-1].values) for one in reading.annotations]
    assert "pfirrmann" not in values[0]
    assert values[0]["bulging"] == "1"
    assert [one["pfirrmann"] for one in values[1:]] == ["2", "3", "4"]
