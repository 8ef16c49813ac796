"""Whose slices they are, and which count that form no volume: never more than `slices` of a patient."""

import numpy as np
import pytest

from spine.dataset.manifest import Manifest
from spine.images.dicom.series import find_series
from spine.intake import DataConfig, build
from spine.intake.reading import read_images
from tests.spine.images.dicom.dicom_choice import MIDDLE, NOBODY, choose, own, setting, told
from tests.spine.images.dicom.dicom_samples import AXIAL, SAGITTAL, sample, save, save_slices, save_stack

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's, of what these tests write on purpose


def test_patients_without_any_id_are_told_apart_by_their_folders(tmp_path):
    nobody = {"StudyInstanceUID": "", "SeriesInstanceUID": "", **NOBODY}
    for name in ("a", "b"):
        save_slices(tmp_path / name, setting(**nobody, SOPInstanceUID=own(f"1.6.{ord(name)}")))
    values, problems = choose(tmp_path)
    assert values == [MIDDLE, MIDDLE]
    assert problems == []
    patients = {picture.patient for picture in read_images(tmp_path, kind="dicom")}
    assert len(patients) == 2
    assert "" not in patients  # or each slice would count as a patient, and the slices of one be split


def test_the_name_tells_the_patient_where_the_id_is_empty(tmp_path):
    for name in ("a", "b"):
        who = {"SpecificCharacterSet": "ISO_IR 192", "PatientID": "", "PatientName": f"{name}^Jürgen"}
        save_slices(tmp_path / name, setting(SOPInstanceUID=own(f"1.6.{ord(name)}")), **who)
    assert choose(tmp_path) == ([MIDDLE, MIDDLE], [])
    assert {picture.patient for picture in read_images(tmp_path)} == {"a^Jürgen", "b^Jürgen"}


def test_several_studies_of_one_id_are_told_and_the_file_name_may_tell_the_patients(tmp_path):
    for k, name in enumerate("ab"):
        uids = {"StudyInstanceUID": f"1.5.{k}", "SeriesInstanceUID": f"1.6.{k}", "SOPInstanceUID": own(f"1.6.{k}")}
        save_slices(tmp_path / name, setting(**uids), PatientID="ANONYMOUS")
    values, (problem,) = choose(tmp_path)
    assert values == [MIDDLE]
    assert "several studies have one PatientID, and one of them gave the slices (1 patients)" in problem.reason
    assert choose(tmp_path, patient_of=lambda name: name.split("/")[0]) == ([MIDDLE, MIDDLE], [])


def lone(folder, k, **elements):
    uids = {"SeriesInstanceUID": f"1.6.{k}", "SOPInstanceUID": f"1.6.{k}.1", "SeriesNumber": k}
    return save(sample(np.full((2, 2), k), **{**uids, **elements}), folder / f"{k}.dcm")


def test_lone_images_are_never_more_than_asked_for(tmp_path):
    for k in range(1, 5):
        lone(tmp_path, k)
    values, (problem,) = choose(tmp_path)
    assert values == []
    assert problem.severity == "error"
    assert "4 images of one patient form no volume" in problem.reason
    assert sorted(choose(tmp_path, 4)[0]) == [1, 2, 3, 4]
    assert sorted(choose(tmp_path, 4)[1]) == []


def test_of_lone_images_the_sagittal_t2_is_taken_and_the_others_are_told(tmp_path):
    lone(tmp_path, 1, SeriesDescription="T1", ImageOrientationPatient=SAGITTAL, ImagePositionPatient=[0, 0, 0])
    lone(tmp_path, 2, SeriesDescription="T2", ImageOrientationPatient=SAGITTAL, ImagePositionPatient=[0, 0, 0])
    lone(tmp_path, 3, SeriesDescription="T2", ImageOrientationPatient=AXIAL, ImagePositionPatient=[0, 0, 0])
    values, (problem,) = choose(tmp_path)
    assert values == [2]
    assert problem.severity == "warning"
    assert "1.dcm" in problem.reason


def test_a_lone_sagittal_slice_counts_beside_an_axial_volume(tmp_path):
    lone(tmp_path / "s", 9, SeriesDescription="T2", ImageOrientationPatient=SAGITTAL, ImagePositionPatient=[0, 0, 0])
    save_stack(tmp_path / "a", [0, 4, 8], AXIAL, axis=2, SeriesDescription="T2")
    assert choose(tmp_path) == ([9], [])


def test_radiographs_all_pass(tmp_path):
    for k in range(1, 4):
        lone(tmp_path, k, Modality="DX")
    assert choose(tmp_path) == ([1, 2, 3], [])


def test_a_localizer_alone_is_taken_and_told(tmp_path):
    save_slices(tmp_path, setting(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]))
    values, problems = choose(tmp_path)
    assert values == [MIDDLE]
    assert told(problems, "localizer")


def test_the_expression_of_a_source_tells_whose_slices_are_counted(tmp_path):
    for k, name in enumerate("ab"):  # an anonymiser made one patient and one study of two
        uids = {"SeriesInstanceUID": f"1.6.{k}", "SOPInstanceUID": own(f"1.6.{k}")}
        save_slices(tmp_path / "tree" / f"p{name}", setting(**uids), PatientID="ANONYMOUS")
    source = {"name": "s", "images": tmp_path / "tree", "read": "dicom", "patient": "p(.)/", "pseudonymise": False}
    given = {"name": "d", "output": tmp_path / "out", "sources": [source], "splits": {"train": 0.5, "test": 0.5}}
    result = build(DataConfig.model_validate({**given, "splits": {**given["splits"], "validation": 0.0}}))
    assert sorted(Manifest.read(result.root).images["patient"]) == ["a", "b"]


def test_the_choice_is_noted_and_what_was_not_chosen_is_known(tmp_path):
    save_slices(tmp_path / "tree", setting(SeriesInstanceUID=own("1.9")))
    images = read_images(tmp_path / "tree", slices=1)
    assert len(images.names) == 15  # what was not chosen is there all the same: annotations may name it
    (picture,) = images
    assert picture.pixels.tolist() == [[MIDDLE, MIDDLE]] * 2
    assert picture.note.startswith("slice nearest the middle, half way between the outermost of 15 sagittal T2W slices")


def test_slices_of_two_patients_with_one_series_uid_are_two_series(tmp_path):
    for patient in "ab":
        save_slices(tmp_path / patient, PatientID=patient, count=5)
    series, problems = find_series(sorted(tmp_path.rglob("*.dcm")))
    assert [(one.patient, len(one.slices)) for one in series] == [("a", 5), ("b", 5)]
    assert problems == []  # each is a whole stack, at the same places: two patients


def test_a_patient_id_for_each_file_of_one_series_is_told(tmp_path):
    save_slices(tmp_path, lambda dataset, k: setattr(dataset, "PatientID", f"anonymous {k}"))
    values, problems = choose(tmp_path)
    assert sorted(values) == list(range(1, 16))
    (problem,) = told(problems, "15 slices of one SeriesInstanceUID", "under 15 different PatientIDs")
    assert problem.severity == "warning"
    assert problem.path == str(tmp_path)
    assert "set `patient`" in problem.advice
    assert choose(tmp_path, patient_of=lambda name: "one") == ([MIDDLE], [])


def test_one_slice_of_a_series_with_another_patient_id_is_told(tmp_path):
    save_slices(tmp_path, lambda dataset, k: k == 14 and setattr(dataset, "PatientID", "typing error"))
    values, problems = choose(tmp_path)
    assert values == [8, 15]  # the middle of 1 to 14 lies between 7 and 8, of which 8 is the lower along the normal, -x
    assert told(problems, "15 slices of one SeriesInstanceUID", "under 2 different PatientIDs")
