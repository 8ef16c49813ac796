"""Files that are there twice, and files that cost only themselves."""

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import RLELossless

import spine.images.dicom.series
from tests.spine.images.dicom.dicom_choice import MIDDLE, choose, setting
from tests.spine.images.dicom.dicom_samples import SAGITTAL, sample, save, save_slices

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's, of what these tests write on purpose


def test_a_copy_is_taken_once_and_told(tmp_path):
    for path in save_slices(tmp_path / "a"):
        (tmp_path / "b").mkdir(exist_ok=True)
        (tmp_path / "b" / path.name).write_bytes(path.read_bytes())
    values, (problem,) = choose(tmp_path, None)
    assert sorted(values) == list(range(1, 16))
    assert problem.severity == "warning"
    assert problem.path == str(tmp_path / "b" / "IM000.dcm")
    assert "14 more" in problem.reason


def test_a_copy_in_another_transfer_syntax_is_taken_once(tmp_path):
    save_slices(tmp_path / "a", count=3)
    for path in save_slices(tmp_path / "b", count=3):
        dataset = dcmread(path)
        dataset.compress(RLELossless, generate_instance_uid=False)
        save(dataset, path)
    values, (problem,) = choose(tmp_path, None)
    assert sorted(values) == [1, 2, 3]
    assert "2 more" in problem.reason


@pytest.mark.parametrize("difference", ["pixels", "position", "patient"])
def test_equal_uids_of_other_images_are_no_copies(tmp_path, difference):
    first = sample(np.full((2, 2), 1), ImageOrientationPatient=SAGITTAL, ImagePositionPatient=[0, 0, 0])
    second = sample(np.full((2, 2), 1), ImageOrientationPatient=SAGITTAL, ImagePositionPatient=[0, 0, 0])
    if difference == "pixels":
        second.PixelData = np.full((2, 2), 2, np.uint16).tobytes()
    elif difference == "position":
        second.ImagePositionPatient = [4, 0, 0]
    else:
        second.PatientID = "B"
    save(first, tmp_path / "1.dcm")
    save(second, tmp_path / "2.dcm")
    assert len(choose(tmp_path, None)[0]) == 2
    assert choose(tmp_path, None)[1] == []


def test_one_uid_for_all_slices_leaves_all_slices(tmp_path):
    save_slices(tmp_path, setting(SOPInstanceUID="1.2.3"))
    assert choose(tmp_path) == ([MIDDLE], [])
    assert len(choose(tmp_path, None)[0]) == 15


def test_what_a_file_raises_costs_that_file_alone(tmp_path, monkeypatch):
    save_slices(tmp_path)
    read = spine.images.dicom.series.images_of

    def hostile(path):
        return read(path) if path.name != "IM002.dcm" else 1 / 0

    monkeypatch.setattr(spine.images.dicom.series, "images_of", hostile)
    values, problems = choose(tmp_path)
    assert values == [MIDDLE]
    assert [problem.path for problem in problems if problem.severity == "error"] == [str(tmp_path / "IM002.dcm")]


def test_a_dicomdir_that_names_files_elsewhere_is_not_followed(tmp_path):
    outside = save_slices(tmp_path / "outside", count=1)[0]
    directory = sample()
    record = Dataset()
    record.DirectoryRecordType = "IMAGE"
    record.ReferencedFileID = ["..", "outside", outside.name]
    directory.DirectoryRecordSequence = [record]
    save(directory, tmp_path / "inside" / "DICOMDIR")
    assert choose(tmp_path / "inside", None) == ([], [])
