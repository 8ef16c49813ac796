"""One image of a DICOM file: what its header tells of where it lies and what it belongs to, each number checked.

A value that is damaged (NaN, words, three numbers of which one is missing, directions that are no unit vectors) counts
as missing and is kept as a remark: in a stack of slices it would move the middle.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from spine.core.problems import SpineError
from spine.images.acquired import UNTOLD, Acquired
from spine.images.dicom.acquired import acquired_of
from spine.images.dicom.headers import frame_count, read_header
from spine.images.dicom.objects import class_of, is_directory, is_image, is_told, modality_of, patient_of
from spine.images.dicom.sequence import echo_time, sequence_of
from spine.images.dicom.values import Header

__all__ = ["Image", "NoImageError", "images_of", "is_readable", "orientation_of", "origin_of", "spacing_of"]

_MOST_FRAMES = 2**16  # a header of ten bytes must not fill the memory
_FARTHEST = 10_000.0  # mm from the scanner's origin: no table moves a patient farther
_LARGEST = 2**31  # of what an IS may hold, PS3.5 table 6.2-1
_SPACINGS = (1e-5, 1e3)  # mm; what lies beyond is no distance of two pixels
_UNIT = 0.05  # how far rounding may take a direction from length 1, and two directions from a right angle
_VOLUMETRIC = ("MR", "CT", "PT")


@dataclass(frozen=True)
class Image:
    """Frame `frame` (0-based, of `frames`) of a file, with what its header tells; "" or None where it tells nothing.

    `patient` is PatientID, or PatientName. `orientation` is (row direction, column direction) and `origin` the centre
    of the first pixel, in mm, in the patient's system (x to the left, y to the back, z to the head); `location` is
    SliceLocation in mm. `number` is InstanceNumber; `place` is that too, or of a file of several frames the frame's
    number in its stack. `echo` is in ms, `size` (rows, columns), `spacing` (y, x) in mm, `kind` FrameType or ImageType.
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
    kind: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    acquired: Acquired = UNTOLD

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
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels; ValueError where the header states no numbers."""
        return int(self.size[0]), int(self.size[1])

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
    header = Header.of(dataset)
    if is_directory(header):
        return []
    if "Rows" not in dataset and class_of(header).endswith("Image Storage"):
        raise SpineError(f"{path} is a {class_of(header)} object that ends before its image; copy it again")
    if not is_image(header):
        if not is_told(header):  # a class is in every object (PS3.3 C.12.1), near its begin
            raise SpineError(
                f"{path} is a damaged DICOM file without an image ({class_of(header)}): its header ends, or no longer "
                "holds, before it tells what the object is; copy it again, or leave it out"
            )
        raise NoImageError(
            f"{path} is a DICOM object without an image ({class_of(header)}); nothing, unless an image was expected"
        )
    if (count := frame_count(header)) > _MOST_FRAMES:
        raise SpineError(f"{path} states {count:,} frames, and {_MOST_FRAMES:,} can be read; repair its header")
    if missing:
        raise SpineError(f"{path} is truncated: it lacks the last {missing:,} bytes of its pixels; copy it again")
    if "MOSAIC" in header.names("ImageType"):  # Siemens, PS3.3 C.7.6.1.1.2 leaves value 4 and more to makers
        header.remark("it is a mosaic, many slices side by side in one picture: export it with each slice by itself")
    images = [_image(header, path, frame, count) for frame in range(count)]
    remarks = tuple(header.remarks)
    return [replace(image, remarks=remarks) for image in images]


def is_readable(path: Path) -> bool:
    """Whether a file's header can be read as far as what the object is, a picture or another one."""
    try:
        header = Header.of(read_header(path)[0])
    except SpineError:
        return False
    return is_told(header) or is_image(header)


def spacing_of(header: Header, frame: int = 0) -> tuple[float, float] | None:
    """(y, x) in mm: PixelSpacing, else ImagerPixelSpacing (at the detector, PS3.3 10.7.1.3); None if neither.

    What the detector's spacing measures is magnified: it is divided by EstimatedRadiographicMagnificationFactor, and a
    remark tells where there is none. A remark tells of each that is stated and is no spacing.
    """
    measures = header.macro("PixelMeasuresSequence", frame)
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        for place in (measures, header):
            if values := place.known(keyword, _is_spacing, "is no spacing of rows and columns"):
                magnified = _magnification(header) if keyword == "ImagerPixelSpacing" else 1.0
                return values[0] / magnified, values[1] / magnified
    return None


def _magnification(header: Header) -> float:
    """How many times larger the detector has seen the patient; 1 with a remark where the header does not say."""
    if value := header.known("EstimatedRadiographicMagnificationFactor", lambda values: values[0] >= 1, "is below 1"):
        return value[0]
    header.remark("its spacing is that at the detector: lengths in the patient are smaller, by an unknown factor")
    return 1.0


def _image(header: Header, path: Path, frame: int, frames: int) -> Image:
    content = header.macro("FrameContentSequence", frame)
    kind = tuple(map(str.upper, _image_type(header, frame)))
    number, place = _whole(header, "InstanceNumber"), _whole(content, "InStackPositionNumber")
    return Image(
        path,
        frame,
        frames,
        patient=patient_of(header),
        study=header.label("StudyInstanceUID"),
        uid=header.label("SeriesInstanceUID"),
        instance=header.label("SOPInstanceUID"),
        series_number=header.label("SeriesNumber"),
        reference=header.label("FrameOfReferenceUID"),
        modality=modality_of(header),
        description=header.label("SeriesDescription") or header.label("ProtocolName"),
        sequence=sequence_of(header, frame),
        date=_date(header),
        localizer="LOCALIZER" in kind,
        stack=content.label("StackID"),
        size=(header.label("Rows"), header.label("Columns")),
        number=number,
        place=(frame + 1 if place is None else place) if frames > 1 else number,
        orientation=orientation_of(header.macro("PlaneOrientationSequence", frame)),
        origin=origin_of(header.macro("PlanePositionSequence", frame)),
        location=_location(header),
        spacing=spacing_of(header, frame),
        echo=echo_time(header, frame) or None,
        echo_number=header.label("EchoNumbers"),
        kind=kind,
        acquired=acquired_of(header),
    )


def orientation_of(header: Header) -> tuple[float, ...] | None:
    """The directions of rows and of columns, six numbers; None, with a remark where it is damaged."""
    return header.known("ImageOrientationPatient", _are_directions, "is no two directions at a right angle")


def _are_directions(cosines: Sequence[float]) -> bool:
    if len(cosines) != 6 or max(map(abs, cosines)) > 2:
        return False
    row, column = np.array(cosines[:3]), np.array(cosines[3:])
    faults = (np.linalg.norm(row) - 1, np.linalg.norm(column) - 1, row @ column)
    return max(map(abs, faults)) <= _UNIT


def origin_of(header: Header) -> tuple[float, ...] | None:
    """The centre of the first pixel in mm; None, with a remark where it is damaged."""
    return header.known("ImagePositionPatient", partial(_are_within, 3, _FARTHEST), "is no place within 10 m")


def _location(header: Header) -> float | None:
    values = header.known("SliceLocation", partial(_are_within, 1, _FARTHEST), "is no place within 10 m")
    return values[0] if values else None


def _is_spacing(values: Sequence[float]) -> bool:
    return len(values) == 2 and all(_SPACINGS[0] <= value <= _SPACINGS[1] for value in values)


def _whole(header: Header, keyword: str) -> int | None:
    values = header.known(keyword, _is_whole, "is no whole number")
    return int(values[0]) if values else None


def _is_whole(values: Sequence[float]) -> bool:
    return _are_within(1, _LARGEST, values) and values[0].is_integer()


def _are_within(count: int, most: float, values: Sequence[float]) -> bool:
    return len(values) == count and all(abs(value) <= most for value in values)


def _image_type(header: Header, frame: int) -> list[str]:
    return header.macro("MRImageFrameTypeSequence", frame).names("FrameType") or header.names("ImageType")


def _date(header: Header) -> str:
    """StudyDate and SeriesTime as digits that sort; what is no date counts as missing."""
    day = header.label("StudyDate").replace(".", "").replace("-", "")
    time = header.label("SeriesTime").replace(":", "")
    if not re.fullmatch(r"\d{8}", day):
        return ""
    return day + time if re.fullmatch(r"\d{2,6}(\.\d+)?", time) else day
