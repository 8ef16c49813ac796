import numpy as np
import pytest
from highdicom.seg import segread
from pydicom import dcmread

from spine.answers.answer import Answer
from spine.core.problems import SpineError
from spine.dicom_results.source import Source
from spine.dicom_results.write import write_results
from spine.images.dicom.write import MRSeries, write_mr_series

LABELS = ("background", "vertebra", "disc", "canal")


@pytest.fixture
def mr(tmp_path):
    """The middle slice of a small sagittal series."""
    pixels = np.random.default_rng(1).integers(0, 1000, (3, 24, 20)).astype(np.uint16)
    return write_mr_series(pixels, MRSeries("p1", "1", 3, "T2 sag", (-40.0, 12.5, 80.25)), tmp_path / "mr")[1]


def answer_with(mask):
    return Answer("case", "3", *mask.shape, mask=mask, mask_labels=LABELS)


def a_mask(shape=(24, 20)):
    mask = np.zeros(shape, int)
    mask[2:9, 3:8], mask[12:20, 10:17] = 1, 2  # no canal
    return mask


def test_a_segmentation_is_the_mask_on_the_frame_s_own_place(mr, tmp_path):
    mask = a_mask()
    path, *_ = write_results(answer_with(mask), Source(mr), tmp_path)
    written, source = segread(path), dcmread(mr)
    pixels = written.get_pixels_by_source_instance([source.SOPInstanceUID], combine_segments=True)
    np.testing.assert_array_equal(pixels[0], mask)
    assert written.PatientID == source.PatientID
    assert written.StudyInstanceUID == source.StudyInstanceUID
    assert written.SeriesInstanceUID != source.SeriesInstanceUID
    assert written.FrameOfReferenceUID == source.FrameOfReferenceUID
    frames = written.PerFrameFunctionalGroupsSequence
    assert len(frames) == 3  # the canal's is there, and empty
    for frame in frames:
        assert frame.PlanePositionSequence[0].ImagePositionPatient == source.ImagePositionPatient
        reference = frame.DerivationImageSequence[0].SourceImageSequence[0]
        assert reference.ReferencedSOPClassUID == source.SOPClassUID
    assert written.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing == source.PixelSpacing


@pytest.mark.parametrize("lacking", [("FrameOfReferenceUID",), ("ImagePositionPatient",), ()])
def test_a_segmentation_of_a_frame_with_a_spacing_alone_has_a_thickness_too(mr, tmp_path, lacking):
    """As highdicom wants it to read it, whatever else the source tells."""
    dataset = dcmread(mr)
    for keyword in ("SliceThickness", "SpacingBetweenSlices", *lacking):
        delattr(dataset, keyword)
    dataset.save_as(mr)
    path, *_ = write_results(answer_with(a_mask()), Source(mr), tmp_path)
    measures = segread(path).SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert measures.SliceThickness == measures.PixelSpacing[0]


def test_an_answer_of_another_size_is_refused(mr, tmp_path):
    with pytest.raises(SpineError, match=r"\(20, 24\).*\(24, 20\)"):
        write_results(answer_with(a_mask().T), Source(mr), tmp_path)
