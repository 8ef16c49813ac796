"""An answer drawn on its picture as a secondary capture (PS3.3 A.8.1), for viewers that show no other result."""

from __future__ import annotations

from highdicom.sc import SCImage
from highdicom.sr import CodedConcept
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian

from spine.answers.answer import Answer
from spine.answers.overlay import draw_answer
from spine.dicom_results.identity import Identity
from spine.dicom_results.source import StoredFrame

__all__ = ["capture_of"]

_PURPOSE = codes.DCM.SourceImageForImageProcessingOperation


def capture_of(answer: Answer, frame: StoredFrame, occasion: str = "") -> Dataset:
    """The picture as the intake shows it, with mask, boxes, levels and grades, in colour.

    It has no place in the patient, so that nobody measures in it, and refers to the image that it shows.
    """
    identity = Identity("overlay", answer, frame, occasion)
    capture = SCImage.from_ref_dataset(
        frame.dataset,
        pixel_array=draw_answer(frame.pixels, answer),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=("L", "P"),  # one must be given; what holds is set below
        transfer_syntax_uid=ExplicitVRLittleEndian,
        **identity.keywords(),
    )
    capture.copy_patient_and_study_information(frame.dataset)
    capture.BodyPartExamined = "SPINE"  # of which there is no left and right one
    capture.PatientOrientation = frame.dataset.get("PatientOrientation") or []
    capture.BurnedInAnnotation = frame.dataset.get("BurnedInAnnotation", "NO") or "NO"
    capture.DerivationDescription = identity.note
    capture.ImageComments = identity.note
    capture.SourceImageSequence = [_source(frame)]
    return capture


def _source(frame: StoredFrame) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID = frame.dataset.SOPClassUID
    reference.ReferencedSOPInstanceUID = frame.dataset.SOPInstanceUID
    if frame.number is not None:
        reference.ReferencedFrameNumber = frame.number
    reference.PurposeOfReferenceCodeSequence = [CodedConcept.from_code(_PURPOSE)]
    return reference
