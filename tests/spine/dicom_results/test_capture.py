import numpy as np
from pydicom import dcmread

from spine.answers.answer import Answer
from spine.answers.overlay import draw_answer
from spine.dicom_results.source import Source
from spine.dicom_results.write import results_of
from spine.images.dicom.write import MRSeries, write_mr_series


def test_a_capture_shows_the_picture_of_the_intake_and_says_of_which_image(tmp_path):
    pixels = np.random.default_rng(1).integers(0, 1000, (1, 24, 20)).astype(np.uint16)
    (path,) = write_mr_series(pixels, MRSeries("p1", "1", 3, "T2", (0.0, 0.0, 0.0)), tmp_path)
    answer = Answer("case", "3", 24, 20)
    results_of(answer, Source(path))["overlay"].save_as(tmp_path / "c.dcm")
    written, source = dcmread(tmp_path / "c.dcm"), dcmread(path)
    np.testing.assert_array_equal(written.pixel_array, draw_answer(Source(path).read().pixels, answer))
    assert written.SourceImageSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert (written.PatientID, written.StudyInstanceUID) == (source.PatientID, source.StudyInstanceUID)
    assert written.SeriesInstanceUID != source.SeriesInstanceUID
    assert "not for diagnosis" in written.ImageComments
    assert "case, version 3" in written.ImageComments
    assert "ImagePositionPatient" not in written
