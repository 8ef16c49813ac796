"""An answer's mask as a DICOM segmentation (PS3.3 A.51): BINARY, a segment a class, on the frame's own geometry.

A frame that states no place in the patient, such as a radiograph, gives a segmentation without one: it refers to the
image, pixel for pixel, which the standard allows where each frame names the image that it was derived from.
"""

from __future__ import annotations

from copy import deepcopy

import numpy as np
from highdicom import AlgorithmIdentificationSequence
from highdicom.seg import SegmentAlgorithmTypeValues, SegmentationTypeValues, SegmentDescription
from highdicom.seg import Segmentation as SegmentationObject
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import SecondaryCaptureImageStorage

from spine.answers.answer import Answer
from spine.core.problems import SpineError
from spine.dicom_results.codes import anatomical_structure, one_value, structure
from spine.dicom_results.identity import Identity, uid_of
from spine.dicom_results.source import StoredFrame

__all__ = ["segmentation_of"]


def segmentation_of(answer: Answer, frame: StoredFrame, occasion: str = "") -> Dataset:
    """The segmentation of an answer that has a mask, segment i of it the class i of `mask_labels`.

    Each class has its frame, an empty one too: viewers take a missing frame for a damaged object. SpineError where the
    mask is not of the frame's size, or has no classes.
    """
    mask, identity = _checked(answer, frame), Identity("segmentation", answer, frame, occasion)
    labels = answer.mask_labels[1:]
    planes = np.stack([mask == index for index in range(1, len(labels) + 1)], axis=-1)[np.newaxis]
    result = SegmentationObject(
        source_images=[_of_one_frame(frame)],
        pixel_array=planes,
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=[_segment(index, label, identity) for index, label in enumerate(labels, start=1)],
        omit_empty_frames=False,
        content_label="SPINE_MASK",
        content_description="Not for diagnosis",
        **identity.keywords(),
    )
    _refer_to(result, frame)
    if not frame.has_place:
        result.PatientOrientation = frame.dataset.get("PatientOrientation") or []
    return result


def _checked(answer: Answer, frame: StoredFrame) -> np.ndarray:
    mask = answer.mask
    if mask is None or len(answer.mask_labels) < 2:
        raise SpineError("the answer has no mask with a class beside the background; ask a model that segments")
    if mask.shape != frame.shape or mask.dtype.kind not in "iub":
        raise SpineError(
            f"the mask is {mask.shape} of {mask.dtype}, frame {frame.source.frame} of {frame.source.path} "
            f"{frame.shape} (height, width); give class indices of the frame that the answer is about"
        )
    if mask.size and not 0 <= mask.min() <= mask.max() < len(answer.mask_labels):
        raise SpineError(
            f"the mask holds classes {mask.min()} to {mask.max()}; its labels are {', '.join(answer.mask_labels)}"
        )
    return mask


def _segment(number: int, label: str, identity: Identity) -> SegmentDescription:
    return SegmentDescription(
        segment_number=number,
        segment_label=one_value(label),
        segmented_property_category=anatomical_structure(),
        segmented_property_type=structure(label),
        algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=AlgorithmIdentificationSequence(
            name=identity.model, family=codes.cid7162.ArtificialIntelligence, version=identity.version
        ),
        tracking_uid=uid_of("segment", identity.sop_instance, number),
        tracking_id=one_value(f"{number} {label}"),
    )


def _of_one_frame(frame: StoredFrame) -> Dataset:
    """The frame as an image of one frame, of a class that needs no geometry: what it truly is, `_refer_to` says."""
    single = deepcopy(frame.dataset)
    single.SOPClassUID = SecondaryCaptureImageStorage
    single.setdefault("Modality", "OT")
    if not frame.has_place:
        single.pop("FrameOfReferenceUID", None)
    if single.get("PixelSpacing") and not single.get("SliceThickness"):
        single.SliceThickness = single.get("SpacingBetweenSlices") or single.PixelSpacing[0]  # viewers need one
    return single


def _refer_to(result: Dataset, frame: StoredFrame) -> None:
    """Give each reference to the source its class and, of a file of several frames, the frame's number."""
    for reference in (*result.SourceImageSequence, *result.ReferencedSeriesSequence[0].ReferencedInstanceSequence):
        reference.ReferencedSOPClassUID = frame.dataset.SOPClassUID
    for group in result.PerFrameFunctionalGroupsSequence:
        reference = group.DerivationImageSequence[0].SourceImageSequence[0]
        reference.ReferencedSOPClassUID = frame.dataset.SOPClassUID
        if frame.number is not None:
            reference.ReferencedFrameNumber = frame.number
