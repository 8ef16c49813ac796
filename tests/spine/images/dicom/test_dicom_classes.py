import pytest
from pydicom import uid

from spine.images.dicom.objects import is_capture_class, may_be_image_class


@pytest.mark.parametrize(
    "known",
    [uid.MRImageStorage, uid.EnhancedCTImageStorage, uid.DigitalXRayImageStorageForPresentation,
     uid.MultiFrameGrayscaleWordSecondaryCaptureImageStorage, "1.2.3.4", ""],
)  # fmt: skip
def test_images_and_what_nobody_knows_may_be_pictures(known):
    assert may_be_image_class(known)


@pytest.mark.parametrize(
    "known",
    [uid.SegmentationStorage, uid.Comprehensive3DSRStorage, uid.EncapsulatedPDFStorage, uid.RawDataStorage,
     uid.GrayscaleSoftcopyPresentationStateStorage, uid.KeyObjectSelectionDocumentStorage],
)  # fmt: skip
def test_other_objects_are_none(known):
    assert not may_be_image_class(known)


def test_captures():
    assert is_capture_class(uid.SecondaryCaptureImageStorage)
    assert not is_capture_class(uid.MRImageStorage)
