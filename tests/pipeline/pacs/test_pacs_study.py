import io
import json

import numpy as np
import pytest
from highdicom.seg import segread
from pydicom import dcmread

from pipeline.pacs.archive import Archive
from pipeline.pacs.study import Request, answer_study
from spine.core.problems import SpineError
from spine.images.dicom.pixels import iterate_frames
from tests.pipeline.pacs.threshold_model import ThresholdModel, bright


def headers(folder):
    return [dcmread(path, stop_before_pixels=True) for path in sorted(folder.rglob("*.dcm"))]


def study_of(folder):
    return str(headers(folder)[0].StudyInstanceUID)


def seen_by(phantom, patient):
    """The middle slice of the T2W series, by its place: the phantom's slices lie along x, but for a slight tilt."""
    series = sorted(
        (dcmread(path) for path in (phantom / patient / "t2").glob("*.dcm")), key=lambda one: one.SliceLocation
    )
    return series[1]


def stored(orthanc, modality):
    """The objects of a modality, and their bytes as `bytes_` of each."""
    of_series = [one for one in orthanc.ask("/series?expand") if one["MainDicomTags"]["Modality"] == modality]
    return [orthanc.file(uid) for one in of_series for uid in one["Instances"]]


def answered(archive, phantom, model, told, patient="ph001", **request):
    return answer_study(archive, study_of(phantom / patient), model, Request(**request), told.append)


def test_results_are_stored_and_lie_on_the_source_pixel_for_pixel(orthanc, archive, phantom, model, told):
    orthanc.upload(phantom)
    before = orthanc.uids()
    outcome = answered(archive, phantom, model, told)
    assert (outcome.answered, outcome.stored, outcome.problems) == (1, 3, [])
    assert len(orthanc.uids() - before) == 3
    source = seen_by(phantom, "ph001")
    (segmentation,), (report,), (capture,) = (stored(orthanc, modality) for modality in ("SEG", "SR", "OT"))
    read = segread(io.BytesIO(segmentation))
    pixels = read.get_pixels_by_source_instance([source.SOPInstanceUID], combine_segments=True)
    np.testing.assert_array_equal(pixels[0], bright(next(iterate_frames(source, [0])).pixels))
    assert read.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0].ImagePositionPatient == (
        source.ImagePositionPatient
    )
    for written in (read, dcmread(io.BytesIO(report)), dcmread(io.BytesIO(capture))):
        assert written.StudyInstanceUID == source.StudyInstanceUID
        assert written.PatientID == source.PatientID


def test_a_second_run_does_nothing_and_asks_nothing(orthanc, archive, phantom, model, told):
    orthanc.upload(phantom)
    answered(archive, phantom, model, told)
    before, asked = orthanc.uids(), model.asked
    outcome = answered(archive, phantom, model, told)
    assert (outcome.answered, outcome.skipped, outcome.stored) == (0, 1, 0)
    assert (orthanc.uids(), model.asked) == (before, asked)
    assert "has its results by threshold, version 1 already" in told[-1]


def test_another_version_and_again_make_new_ones_from_the_images_alone(orthanc, archive, phantom, model, told):
    orthanc.upload(phantom)
    counts = []
    for run in ({"model": model}, {"model": ThresholdModel("2")}, {"model": model, "again": True}):
        outcome = answered(archive, phantom, told=told, **run)
        counts.append((outcome.answered, outcome.stored))
    assert counts == [(1, 3)] * 3
    assert len(orthanc.uids("SEG")) == 3


def test_what_an_interruption_left_out_is_stored_by_the_next_run(orthanc, archive, phantom, model, told):
    orthanc.upload(phantom)
    answered(archive, phantom, model, told)
    whole = orthanc.uids()
    (report,) = [one for one in orthanc.ask("/series?expand") if one["MainDicomTags"]["Modality"] == "SR"]
    orthanc.ask(f"/series/{report['ID']}", method="DELETE")
    assert len(orthanc.uids()) == len(whole) - 1
    outcome = answered(archive, phantom, model, told)
    assert (outcome.answered, outcome.stored) == (1, 1)
    assert orthanc.uids() == whole


def test_captures_of_a_screen_are_answered_where_there_is_nothing_else(
    orthanc, archive, phantom, model, told, tmp_path
):
    one = dcmread(next((phantom / "ph001" / "t2").glob("*.dcm")))
    one.SOPClassUID = one.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4.5.6.7"
    one.SeriesInstanceUID, one.Modality = "1.2.3.4.5.6", "OT"
    one.save_as(tmp_path / "capture.dcm")
    orthanc.upload(tmp_path)
    assert answered(archive, phantom, model, told, dry_run=True).answered == 1
    orthanc.upload(phantom / "ph001" / "t2")
    told.clear()
    assert answered(archive, phantom, model, told, dry_run=True).answered == 1


def test_a_dry_run_tells_and_stores_nothing(orthanc, archive, phantom, model, told):
    orthanc.upload(phantom)
    before = orthanc.uids()
    outcome = answered(archive, phantom, model, told, dry_run=True)
    assert (outcome.answered, outcome.stored, model.asked) == (1, 0, 0)
    assert "would be answered by threshold, version 1" in told[0]
    assert orthanc.uids() == before


def test_one_series_is_answered_where_it_is_asked_for(orthanc, archive, phantom, model, told):
    orthanc.upload(phantom)
    t1 = headers(phantom / "ph001" / "t1")[0].SeriesInstanceUID
    outcome = answered(archive, phantom, model, told, series=str(t1))
    assert outcome.stored == 3
    (segmentation,) = stored(orthanc, "SEG")
    assert dcmread(io.BytesIO(segmentation)).ReferencedSeriesSequence[0].SeriesInstanceUID == t1
    with pytest.raises(SpineError, match="series has no images"):
        answered(archive, phantom, model, told, series="1.2.3")


def test_a_bad_image_is_told_of_and_the_others_are_answered(orthanc, archive, phantom, model, told, tmp_path):
    orthanc.upload(phantom)
    bad = dcmread(next((phantom / "ph001" / "t2_axial").glob("*.dcm")))
    bad.SOPInstanceUID = bad.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4.5.6.7"
    bad.PixelData = bad.PixelData[:1000]
    bad.save_as(tmp_path / "bad.dcm")
    orthanc.upload(tmp_path)
    outcome = answered(archive, phantom, model, told)
    assert outcome.stored == 3
    (problem,) = [one for one in outcome.problems if one.severity == "error"]
    assert "truncated" in problem.reason


def test_a_study_that_is_not_there_or_has_no_images(orthanc, archive, phantom, model, told):
    with pytest.raises(SpineError, match="has no study of this UID"):
        answered(archive, phantom, model, told)
    with pytest.raises(SpineError, match=r"'\.\./x' is no DICOM UID"):
        answer_study(archive, "../x", model, Request(), told.append)
    orthanc.upload(phantom / "ph001")
    answered(archive, phantom, model, told)
    for one in orthanc.ask("/series?expand"):
        if one["MainDicomTags"]["Modality"] == "MR":
            orthanc.ask(f"/series/{one['ID']}", method="DELETE")
    outcome = answered(archive, phantom, model, told)  # its own results are no images
    assert (outcome.answered, outcome.stored) == (0, 0)
    assert [one.severity for one in outcome.problems] == ["error"]


def test_bounds_hold(orthanc, archive, phantom, model, told):
    orthanc.upload(phantom / "ph001")
    with pytest.raises(SpineError, match="more than 3 images; give --most-instances"):
        answered(archive, phantom, model, told, most_instances=3)
    with Archive(archive.address, 40_000) as small, pytest.raises(SpineError, match="give --most-mib"):
        answered(small, phantom, model, told)
    assert model.asked == 0


def test_nothing_that_is_told_names_the_patient(orthanc, archive, phantom, model, told, tmp_path):
    for path in sorted((phantom / "ph001").rglob("*.dcm")):
        one = dcmread(path)
        one.PatientID, one.PatientName, one.AccessionNumber = "ID4711", "Doe^Jane", "ACC99"
        one.PatientBirthDate, one.StudyDate = "19610203", "20240506"
        if path.name == "IM0001.dcm":
            one.ImagePositionPatient, one.PixelData = ["1", "2"], one.PixelData[:100]
        (tmp_path / path.parent.name).mkdir(exist_ok=True)
        one.save_as(tmp_path / path.parent.name / path.name)
    orthanc.upload(tmp_path)
    outcome = answered(archive, phantom, model, told)
    said = "\n".join([*told, *(json.dumps(vars(problem)) for problem in outcome.problems)])
    assert outcome.problems
    assert told
    for secret in ("ID4711", "Doe", "Jane", "ACC99", "1961", "2024", study_of(tmp_path)):
        assert secret not in said
