"""Results of files whose headers an anonymiser or another country has written, and of answers with strange names."""

import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from highdicom.seg import segread
from pydicom import dcmread

from spine.answers.answer import Finding, Grade
from spine.core.problems import SpineError
from spine.dicom_results.source import Source
from spine.dicom_results.write import write_results
from spine.images.dicom.headers import quiet
from spine.intake.reading import read_images
from tests.spine.dicom_results.sources import write_source
from tests.spine.dicom_results.test_geometry import ANSWER

EMPTY = ("PatientName", "PatientBirthDate", "PatientSex", "StudyDate", "AccessionNumber", "ReferringPhysicianName")


def written(directory, answer=ANSWER, lacks=(), **values):
    """The results by name, of a sagittal slice whose header has other values."""
    source = write_source("sagittal", directory / "source")
    with quiet():
        dataset = dcmread(source.path)
        for keyword, value in values.items():
            setattr(dataset, keyword, value)
        for keyword in lacks:
            dataset.pop(keyword, None)
        dataset.save_as(source.path)
    return {path.stem: path for path in write_results(answer, source, directory / "out")}


@pytest.mark.parametrize(
    ("characters", "name"),
    [
        ("ISO_IR 100", "Müller^Jörg"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("ISO_IR 192", "王^小東"),
    ],
)
def test_a_name_in_any_letters_is_the_patient_s(tmp_path, characters, name):
    for path in written(tmp_path, SpecificCharacterSet=characters, PatientName=name).values():
        assert dcmread(path).PatientName == name


def test_what_is_missing_or_no_value_is_empty(tmp_path):
    damaged = {"PatientSex": "W", "PatientBirthDate": "19700230", "StudyTime": "250000", "SeriesNumber": -4}
    for path in written(tmp_path / "damaged", **damaged).values():
        told = dcmread(path)
        assert (told.PatientSex, told.PatientBirthDate, told.StudyTime) == ("", "", "")
        assert 1 <= told.SeriesNumber <= 3
    for path in written(tmp_path / "missing", lacks=EMPTY).values():
        assert all(dcmread(path)[keyword].is_empty for keyword in EMPTY)


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"])
def test_a_file_that_nothing_can_refer_to_is_refused(tmp_path, keyword):
    with pytest.raises(SpineError, match=f"IM0003.dcm: it has no {keyword}"):
        written(tmp_path, lacks=[keyword])


def test_a_class_of_no_standard_and_a_frame_that_is_not_there_are_refused(tmp_path):
    with pytest.raises(SpineError, match=r"1\.2\.3\.4 object"):
        written(tmp_path / "class", SOPClassUID="1.2.3.4")
    source = write_source("enhanced", tmp_path / "frame")
    with pytest.raises(SpineError, match="has 4 frames, and frame 4"):
        replace(source, frame=4).read()


@pytest.mark.parametrize("lacks", ["SliceThickness", "FrameOfReferenceUID", "PixelSpacing"])
@pytest.mark.skipif(not shutil.which("dciodvfy"), reason="dciodvfy (Debian's dicom3tools) is not installed")
def test_a_geometry_that_is_not_whole_gives_valid_results(tmp_path, lacks):
    paths = written(tmp_path, lacks=[lacks, "SpacingBetweenSlices"])
    for path in paths.values():
        told = subprocess.run(["dciodvfy", path], capture_output=True, text=True).stderr
        assert "Error" not in told
    has_place = "PlanePositionSequence" in segread(paths["segmentation"]).PerFrameFunctionalGroupsSequence[0]
    assert has_place == (lacks == "SliceThickness")


def test_names_of_any_length_and_letters_fit(tmp_path):
    grades = ("1" * 70, "2\n3")
    grade = Grade("p" * 90, grades, np.array([np.nan, 0.5]), decided=grades[0], prediction_set=grades)
    finding = Finding("Bandscheibe äöü\\" * 9, (-3.0, -4.0, 50.0, 60.0), np.nan, 1, (grade,))
    labels = ("background", "Wirbelkörper " * 9, "a\\b", "")
    answer = replace(ANSWER, model="modèle\\" * 20, version="v" * 99, findings=(finding,), mask_labels=labels)
    paths = written(tmp_path, answer)
    assert [len(one.SegmentLabel.encode()) <= 64 for one in segread(paths["segmentation"]).SegmentSequence] == [
        True
    ] * 3
    for path in paths.values():
        told = subprocess.run(["dciodvfy", path], capture_output=True).stderr if shutil.which("dciodvfy") else b""
        assert b"Error" not in told


def test_answers_of_one_model_version_have_the_same_uids_each_time_and_others_others(tmp_path):
    def uids(name, answer):
        paths = written(tmp_path / name, answer)
        return {dcmread(path).SOPInstanceUID for path in paths.values()}

    first = uids("first", ANSWER)
    assert len(first) == 3
    assert uids("again", ANSWER) == first
    assert not uids("version", replace(ANSWER, version="4")) & first


def test_a_picture_of_the_intake_leads_to_its_frame(tmp_path):
    source = write_source("enhanced", tmp_path)
    assert [Source.of(picture) for picture in read_images(tmp_path)][2] == source
    lone = write_source("sagittal", tmp_path / "lone").path
    lone.rename(lone.with_name("IM#7"))
    found = next(picture for picture in read_images(tmp_path / "lone") if picture.name == "IM#7")
    assert Source.of(found) == Source(lone.with_name("IM#7"))


def test_a_header_that_no_result_can_be_made_with_is_told_with_its_file(tmp_path):
    source = write_source("sagittal", tmp_path)
    dataset = dcmread(source.path)
    dataset.add_new("PatientName", "US", 5)
    dataset.save_as(source.path)
    with pytest.raises(SpineError, match=r"IM0003.dcm cannot be read .*; repair its header"):
        write_results(ANSWER, source, tmp_path / "out")
