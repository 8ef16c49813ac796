import sys

import cv2
import numpy as np
import pytest
import SimpleITK as sitk

from spine.core.problems import SpineError
from spine.intake import reading
from spine.intake.reading import kind_of, read_images
from tests.spine.images.dicom.dicom_samples import real, sample, save, save_stack

GREY = np.arange(16, dtype=np.uint8).reshape(4, 4)


@pytest.fixture
def tree(tmp_path):
    """One of everything: a PNG, a TIFF of 2 pages, a volume of 5 sagittal slices, an MR series of 3, a radiograph."""
    cv2.imwrite(str(tmp_path / "a.png"), GREY)
    cv2.imwritemulti(str(tmp_path / "pages.tif"), [GREY, GREY + 1])
    sitk.WriteImage(sitk.GetImageFromArray(np.ones((2, 3, 5), np.uint8)), str(tmp_path / "volume.mha"))
    save_stack(tmp_path / "mr", [0, 4, 8], SeriesDescription="T2 sag")
    save(sample(Modality="CR", PatientID="C", SeriesInstanceUID="1.8", SOPInstanceUID="1.8.1"), tmp_path / "cr")
    (tmp_path / "labels.csv").write_text("image,label\n")
    (tmp_path / ".hidden.png").write_bytes(b"")
    return tmp_path


def test_everything_is_read_by_its_content(tree):
    images = read_images(tree)
    names = [picture.name for picture in images]
    volume = [f"volume.mha#{k}" for k in range(5)]
    assert names == ["a.png", "cr", "mr/000.dcm", "mr/001.dcm", "mr/002.dcm", "pages.tif#0", "pages.tif#1", *volume]
    assert images.names == set(names)
    assert len(images) == len(names)
    assert images.problems == []


def test_slices_are_chosen_and_the_others_still_known(tree):
    images = read_images(tree, slices=1)
    pictures = {picture.name: picture for picture in images}
    (chosen,) = (name for name in pictures if name.startswith("mr/"))
    assert set(pictures) == {"a.png", "cr", chosen, "pages.tif#0", "pages.tif#1", "volume.mha#2"}
    assert images.names == read_images(tree).names
    assert pictures[chosen].pixels.tolist() == [[1, 1], [1, 1]], "index 1 of 0, 1, 2"
    assert pictures[chosen].sequence == "T2W"
    assert pictures[chosen].patient == "12345"
    assert "of 3 sagittal T2W slices" in pictures[chosen].note


@pytest.mark.parametrize(("kind", "count"), [("dicom", 4), ("picture", 3), ("volume", 5)])
def test_a_kind_limits_what_is_read(tree, kind, count):
    images = read_images(tree, kind)
    assert len(list(images)) == len(images) == count
    assert images.problems == []


def test_bad_files_are_listed_once_and_the_good_go_on(tree):
    (tree / "zero.png").write_bytes(b"")
    (tree / "not.png").write_bytes(b"plain text")
    (tree / "old.bmp").write_bytes(b"BM")
    (tree / "short.mha").write_bytes((tree / "volume.mha").read_bytes()[:-9])
    (tree / "truncated.dcm").write_bytes(real("MR_truncated.dcm").read_bytes())
    (tree / "empty.dcm").write_bytes(b"")
    good = len(list(read_images(tree / "mr")))
    images = read_images(tree)
    for _ in range(2):  # a second loop lists nothing twice
        pictures = list(images)
        bad = sorted(problem.path.rsplit("/", 1)[1] for problem in images.problems)
        assert bad == ["empty.dcm", "not.png", "old.bmp", "short.mha", "truncated.dcm", "zero.png"]
    assert sum(picture.name.startswith("mr/") for picture in pictures) == good == 3
    assert all(problem.reason and problem.advice for problem in images.problems)
    assert not any(str(tree) in problem.reason for problem in images.problems)
    assert {"zero.png", "not.png", "truncated.dcm", "empty.dcm"} <= images.names


def test_a_name_that_lies_is_no_matter_in_auto_and_an_error_for_a_kind(tmp_path):
    (tmp_path / "really_dicom.png").write_bytes(real("MR_small.dcm").read_bytes())
    (picture,) = read_images(tmp_path)
    assert picture.pixels.shape == (64, 64)
    images = read_images(tmp_path, "picture")
    assert list(images) == []
    assert "not picture" in images.problems[0].reason


def test_a_file_alone_is_named_by_itself(tree):
    assert [picture.name for picture in read_images(tree / "a.png")] == ["a.png"]
    assert [picture.name for picture in read_images(tree / "volume.mha", slices=2)] == ["volume.mha#2", "volume.mha#1"]


def test_frames_of_a_multiframe_file_are_numbered():
    names = [picture.name for picture in read_images(real("emri_small.dcm"))]
    assert names == [f"emri_small.dcm#{k}" for k in range(10)]


def test_pixels_are_decoded_one_file_at_a_time(tmp_path, monkeypatch):
    for k in range(3):
        cv2.imwrite(str(tmp_path / f"{k}.png"), GREY)
    decoded = []
    real = reading.read_greys
    monkeypatch.setattr("spine.intake.reading.read_greys", lambda path: decoded.append(path.name) or real(path))
    iterator = iter(read_images(tmp_path))
    next(iterator)
    assert decoded == ["0.png"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [({"root": "missing"}, "does not exist"), ({"kind": "film"}, "film"), ({"slices": 0}, "slices is 0")],
)
def test_wrong_arguments_are_told(tmp_path, arguments, reason):
    root = tmp_path / arguments.pop("root", "")
    with pytest.raises(SpineError, match=reason):
        read_images(root, **arguments)


def test_kinds_are_told_by_magic(tree):
    assert kind_of(tree / "cr") == "dicom"
    assert kind_of(tree / "pages.tif") == "picture"
    assert kind_of(tree / "volume.mha") == "volume"
    assert kind_of(tree / "labels.csv") == ""


def test_importing_the_reader_imports_no_pydicom():
    import subprocess

    code = (
        "import sys, spine.intake.reading, spine.images.dicom; "
        "sys.exit('pydicom' in sys.modules or 'SimpleITK' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
