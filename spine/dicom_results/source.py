"""The stored frame that an answer is about, and what of its header results are made with.

The intake shows the frames of DICOM files as they are stored: it chooses slices and turns grey levels, and never turns,
flips or resamples pixels. So pixel (y, x) of an answer is pixel (y, x) of the stored frame, for every orientation.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydicom import Dataset
from pydicom.valuerep import DA, DS, TM

from spine.core.names import frame_of
from spine.core.problems import SpineError, within
from spine.images.dicom.headers import quiet, read_dataset, read_header
from spine.images.dicom.image import Image, images_of
from spine.images.dicom.objects import class_of
from spine.images.dicom.values import Header

if TYPE_CHECKING:
    import numpy as np

    from spine.images.pictures import Picture

__all__ = ["Source", "StoredFrame"]

_NEEDED = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
# Type 2 of the patient and study modules (PS3.3 C.7.1.1, C.7.2.1): what an anonymiser has removed is there, empty.
_MAY_BE_EMPTY = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex"),
    *("StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName"),
)
_FORMS: dict[str, Callable[[str], object]] = {
    "PatientSex": ("", "M", "F", "O").index,
    "PatientBirthDate": DA,
    "StudyDate": DA,
    "StudyTime": TM,
}  # which raise ValueError of what is none
_GEOMETRY = ("PixelSpacing", "ImageOrientationPatient", "ImagePositionPatient", "SliceThickness")
_FRAMES = ("NumberOfFrames", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


@dataclass(frozen=True)
class Source:
    """Frame `frame` (0-based) of the DICOM file `path`."""

    path: Path
    frame: int = 0

    @classmethod
    def of(cls, picture: Picture) -> Source:
        """Where a picture of the intake was read: `x.dcm`, or frame 7 of it where its name is `x.dcm#7`."""
        return cls(picture.path, frame_of(picture.name, picture.path.name) or 0)

    def read(self) -> StoredFrame:
        """The frame's header; SpineError where the file is no image, lacks the frame, or cannot be referred to."""
        with quiet(), within(self.path):
            images = images_of(self.path)
            if not 0 <= self.frame < len(images):
                raise SpineError(f"it has {len(images)} frames, and frame {self.frame} was asked for (from 0 on)")
            dataset = read_header(self.path)[0]
            _check_names(Header.of(dataset))
            return StoredFrame(self, images[self.frame], _single(dataset, images[self.frame]))


@dataclass(frozen=True)
class StoredFrame:
    """A frame's header: `image` has what is checked of it, `dataset` all of the root as if it were a file of its own.

    The dataset has no pixels and no functional groups, and a geometry where the frame's is whole.
    """

    source: Source
    image: Image
    dataset: Dataset

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return int(self.dataset.Rows), int(self.dataset.Columns)

    @property
    def has_place(self) -> bool:
        """Whether it is known where in the patient the frame lies: it has a frame of reference and a geometry."""
        return "FrameOfReferenceUID" in self.dataset and "ImagePositionPatient" in self.dataset

    @property
    def number(self) -> int | None:
        """The frame's number, from 1 on, of a file of several; None of a file of one."""
        return self.source.frame + 1 if self.image.frames > 1 else None

    @cached_property
    def pixels(self) -> np.ndarray:
        """(H, W) uint16 as the intake shows them."""
        from spine.images.dicom.pixels import iterate_frames

        with quiet():
            return next(iterate_frames(read_dataset(self.source.path), [self.source.frame])).pixels


def _check_names(header: Header) -> None:
    """SpineError where the file lacks what results refer to it by, or is of a class that is none of the standard's."""
    if lacking := [keyword for keyword in _NEEDED if not header.label(keyword)]:
        raise SpineError(f"it has no {', '.join(lacking)}: results cannot be filed with it; export it again")
    if not class_of(header).endswith(("Image Storage", "Image Storage - For Presentation", "- For Processing")):
        raise SpineError(f"it is a {class_of(header)} object, no image of the standard's; export it as one of them")


def _single(dataset: Dataset, image: Image) -> Dataset:
    """The root of a dataset as that of a file of one frame, and what results need in a form that they can have."""
    single = Dataset()
    for tag in sorted(dataset.keys()):
        with suppress(Exception):  # what pydicom cannot read is not handed on; what is needed was read before
            element = dataset[tag]
            if not element.tag.is_private and element.keyword not in (*_GEOMETRY, *_FRAMES, *_PIXELS):
                single[element.tag] = deepcopy(element)
    header = Header.of(dataset)
    for keyword in _MAY_BE_EMPTY:
        if keyword not in single or not _holds(keyword, header):
            setattr(single, keyword, "")
    _set_geometry(single, header, image)
    return single


def _holds(keyword: str, header: Header) -> bool:
    try:
        _FORMS.get(keyword, str)(header.label(keyword))
    except ValueError:
        return False
    return True


def _set_geometry(single: Dataset, header: Header, image: Image) -> None:
    measures = header.macro("PixelMeasuresSequence", image.frame)
    for keyword in ("SliceThickness", "SpacingBetweenSlices"):
        value = measures.known(keyword, lambda values: len(values) == 1 and values[0] > 0)
        if keyword in single:
            delattr(single, keyword)
        if value:
            setattr(single, keyword, _decimal(value[0]))
    stated = [place.has("PixelSpacing") for place in (measures, header)]
    if image.spacing and any(stated):  # that of the detector (ImagerPixelSpacing) is no distance in the patient
        single.PixelSpacing = [_decimal(value) for value in image.spacing]
    if not image.reference:
        single.pop("FrameOfReferenceUID", None)
    if image.orientation and image.origin and image.spacing and any(stated):
        single.ImageOrientationPatient = [_decimal(value) for value in image.orientation]
        single.ImagePositionPatient = [_decimal(value) for value in image.origin]


def _decimal(value: float) -> Any:
    return DS(value, auto_format=True)
