"""One image of a DICOM file: what its header tells of where it lies and what it belongs to, each number checked.

A value that is damaged (NaN, words, three numbers of which one is missing, directions that are no unit vectors) counts
as missing and is kept as a remark: in a stack of slices it would move the middle.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from pydicom import Dataset

from spine.dicom.headers import frame_count, is_directory, is_image, macro, read_header
from spine.dicom.sequence import sequence_of
from spine.numbers import finite, whole
from spine.problems import SpineError, brief

__all__ = ["Image", "NoImageError", "Remark", "images_of", "patient_of"]

_MOST_FRAMES = 2**16  # a header of ten bytes must not fill the memory
_FARTHEST = 10_000.0  # mm from the scanner's origin: no table moves a patient farther
_LARGEST = 2**31  # of what an IS may hold, PS3.5 table 6.2-1
_UNIT = 0.05  # how far rounding may take a direction from length 1, and two directions from a right angle
_OF_CLASS = (("MR", "MR"), ("Enhanced MR", "MR"), ("CT", "CT"), ("Enhanced CT", "CT"), ("Positron", "PT"))
_VOLUMETRIC = ("MR", "CT", "PT")


@dataclass(frozen=True)
class Remark:
    """A value that bends the standard: the element's keyword and what it holds; whether it was `read` all the same."""

    keyword: str
    held: str
    read: bool = False


@dataclass(frozen=True)
class Image:
    """Frame `frame` (0-based, of `frames`) of a file, with what its header tells; "" or None where it tells nothing.

    `patient` is PatientID, or PatientName. `orientation` is (row direction, column direction) and `origin` the centre
    of the first pixel, in mm, in the patient's system (x to the left, y to the back, z to the head); `location` is
    SliceLocation in mm. `number` is InstanceNumber; `place` is that too, or of a file of several frames the frame's
    number in its stack. `echo` is in ms, `size` (rows, columns), `spacing` (y, x) in mm.
    """

    path: Path
    frame: int
    frames: int
    patient: str
    study: str
    uid: str
    instance: str
    series_number: str
    reference: str
    modality: str
    description: str
    sequence: str
    date: str
    localizer: bool
    burned_in: bool
    stack: str
    size: tuple[str, str]
    number: int | None = None
    place: int | None = None
    orientation: tuple[float, ...] | None = None
    origin: tuple[float, ...] | None = None
    location: float | None = None
    spacing: tuple[float, ...] | None = None
    echo: float | None = None
    echo_number: str = ""
    remarks: tuple[Remark, ...] = ()

    @property
    def folder(self) -> Path:
        """The folder that the file lies in."""
        return self.path.parent

    @cached_property
    def normal(self) -> np.ndarray | None:
        """The unit vector row direction x column direction (PS3.3 C.7.6.2.1.1); None without orientation."""
        if self.orientation is None:
            return None
        normal = np.cross(self.orientation[:3], self.orientation[3:])
        return normal / np.linalg.norm(normal)

    @property
    def is_slice(self) -> bool:
        """Whether it may be a slice of a volume, as an MR image is and a radiograph is not."""
        return self.modality in _VOLUMETRIC or (not self.modality and self.orientation is not None)


class NoImageError(SpineError):
    """A good DICOM object that is no picture."""


def images_of(path: Path) -> list[Image]:
    """The images of a file, none of a DICOMDIR: the files that it names are found as any others are, or not at all.

    Raises NoImageError of an object without image, SpineError of a file that is damaged or truncated.
    """
    dataset, missing = read_header(path)
    if is_directory(dataset):
        return []
    if "Rows" not in dataset and _kind(dataset).endswith("Image Storage"):
        raise SpineError(f"{path} is a {_kind(dataset)} object that ends before its image; copy it again")
    if not is_image(dataset):
        raise NoImageError(
            f"{path} is a DICOM object without an image ({_kind(dataset)}); nothing, unless an image was expected"
        )
    if (count := frame_count(dataset)) > _MOST_FRAMES:
        raise SpineError(f"{path} states {count:,} frames, and {_MOST_FRAMES:,} can be read; repair its header")
    if missing:
        raise SpineError(f"{path} is truncated: it lacks the last {missing:,} bytes of its pixels; copy it again")
    return [_image(dataset, path, frame, count) for frame in range(count)]


def patient_of(dataset: Dataset) -> str:
    """Who is shown: PatientID, or PatientName where that is empty; "" where neither tells."""
    return _text(dataset, "PatientID") or _text(dataset, "PatientName").strip("^")


def _image(dataset: Dataset, path: Path, frame: int, frames: int) -> Image:
    remarks: list[Remark] = []
    number = _whole(dataset, "InstanceNumber", remarks)
    place = _whole(macro(dataset, "FrameContentSequence", frame), "InStackPositionNumber", remarks)
    return Image(
        path,
        frame,
        frames,
        patient=patient_of(dataset),
        study=_text(dataset, "StudyInstanceUID"),
        uid=_text(dataset, "SeriesInstanceUID"),
        instance=_text(dataset, "SOPInstanceUID"),
        series_number=_text(dataset, "SeriesNumber"),
        reference=_text(dataset, "FrameOfReferenceUID"),
        modality=_modality(dataset),
        description=_text(dataset, "SeriesDescription") or _text(dataset, "ProtocolName"),
        sequence=sequence_of(dataset, frame),
        date=_date(dataset),
        localizer="LOCALIZER" in _image_type(dataset, frame),
        burned_in=dataset.get("BurnedInAnnotation") == "YES",
        stack=_text(macro(dataset, "FrameContentSequence", frame), "StackID"),
        size=(_text(dataset, "Rows"), _text(dataset, "Columns")),
        number=number,
        place=(frame + 1 if place is None else place) if frames > 1 else number,
        orientation=_orientation(macro(dataset, "PlaneOrientationSequence", frame), remarks),
        origin=_origin(macro(dataset, "PlanePositionSequence", frame), remarks),
        location=_one(dataset, "SliceLocation", remarks),
        spacing=_numbers(macro(dataset, "PixelMeasuresSequence", frame), "PixelSpacing", 2, remarks),
        echo=_echo(dataset, frame, remarks),
        echo_number=_text(dataset, "EchoNumbers"),
        remarks=tuple(remarks),
    )


def _orientation(dataset: Dataset, remarks: list[Remark]) -> tuple[float, ...] | None:
    cosines = _numbers(dataset, "ImageOrientationPatient", 6, remarks)
    if cosines is None:
        return None
    row, column = np.array(cosines[:3]), np.array(cosines[3:])
    faults = (np.linalg.norm(row) - 1, np.linalg.norm(column) - 1, row @ column)
    if max(map(abs, faults)) > _UNIT:
        remarks.append(_remark(dataset, "ImageOrientationPatient"))
        return None
    return cosines


def _origin(dataset: Dataset, remarks: list[Remark]) -> tuple[float, ...] | None:
    return _numbers(dataset, "ImagePositionPatient", 3, remarks, _FARTHEST)


def _echo(dataset: Dataset, frame: int, remarks: list[Remark]) -> float | None:
    effective = _one(macro(dataset, "MREchoSequence", frame), "EffectiveEchoTime", remarks)
    return effective or _one(dataset, "EchoTime", remarks)


def _one(dataset: Dataset, keyword: str, remarks: list[Remark]) -> float | None:
    values = _numbers(dataset, keyword, 1, remarks, _FARTHEST)
    return values[0] if values else None


def _whole(dataset: Dataset, keyword: str, remarks: list[Remark]) -> int | None:
    values = _numbers(dataset, keyword, 1, remarks, _LARGEST)
    try:
        return whole(values[0]) if values else None
    except ValueError:
        remarks.append(_remark(dataset, keyword))
        return None


def _numbers(
    dataset: Dataset, keyword: str, count: int, remarks: list[Remark], most: float = _LARGEST
) -> tuple[float, ...] | None:
    """`count` finite numbers of at most `most`; None where the element is missing or, with a remark, damaged."""
    parts = _parts(dataset, keyword)
    if not any(parts):
        return None
    try:
        numbers = tuple(finite(part.replace(",", ".")) for part in parts)
    except ValueError:
        numbers = ()
    if len(numbers) != count or max(map(abs, numbers)) > most:
        remarks.append(_remark(dataset, keyword))
        return None
    if any("," in part for part in parts):  # a decimal comma can only be meant in one way
        remarks.append(_remark(dataset, keyword, read=True))
    return numbers


def _remark(dataset: Dataset, keyword: str, read: bool = False) -> Remark:
    return Remark(keyword, brief("\\".join(_parts(dataset, keyword)), 60), read)


def _parts(dataset: Dataset, keyword: str) -> list[str]:
    """The values of an element as text, as they were written where pydicom kept it."""
    value = dataset.get(keyword)
    many = isinstance(value, Iterable) and not isinstance(value, str | bytes)
    return ["" if part is None else str(part).strip(" \0") for part in (value if many else [value])]


def _text(dataset: Dataset, keyword: str) -> str:
    value = dataset.get(keyword)
    return "" if value is None else str(value).strip(" \0")


def _modality(dataset: Dataset) -> str:
    """Modality, or where an anonymiser took it away what the object's class tells."""
    kind = _kind(dataset)
    return _text(dataset, "Modality").upper() or next((name for start, name in _OF_CLASS if kind.startswith(start)), "")


def _image_type(dataset: Dataset, frame: int) -> list[str]:
    value = macro(dataset, "MRImageFrameTypeSequence", frame).get("FrameType") or dataset.get("ImageType") or []
    return [value] if isinstance(value, str) else list(map(str, value))


def _date(dataset: Dataset) -> str:
    """StudyDate and SeriesTime as digits that sort; what is no date counts as missing."""
    day = _text(dataset, "StudyDate").replace(".", "").replace("-", "")
    time = _text(dataset, "SeriesTime").replace(":", "")
    if not re.fullmatch(r"\d{8}", day):
        return ""
    return day + time if re.fullmatch(r"\d{2,6}(\.\d+)?", time) else day


def _kind(dataset: Dataset) -> str:
    name = getattr(dataset.get("SOPClassUID"), "name", "")
    return name or str(dataset.get("Modality") or "unknown class")
