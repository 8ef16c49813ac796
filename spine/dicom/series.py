"""Files, folders and trees of DICOM -> series of slices in the order of space, from headers alone.

A series is what shares a SeriesInstanceUID, an orientation and an echo time: a localizer of three planes is three
series here, and the proton-density and T2 echoes of one acquisition are two.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydicom import Dataset

from spine.dicom.headers import frame_count, is_directory, is_image, macro, quiet, read_header
from spine.dicom.sequence import sequence_of
from spine.problems import Problem, SpineError

__all__ = ["Series", "Slice", "find_series"]

_MOST_FRAMES = 2**16  # a header of ten bytes must not fill the memory
_SAME_DIRECTION = np.cos(np.radians(5))  # slices of one stack differ in orientation by rounding alone


@dataclass(frozen=True)
class Slice:
    """One image: frame `frame` (0-based, of `frames`) of a file.

    `position` is the projection of ImagePositionPatient on the normal, in mm; None without geometry. `number` is
    InstanceNumber. `normal` is the unit vector of the slice direction in the patient's system (x to the left, y to
    the back, z to the head).
    """

    path: Path
    frame: int = 0
    frames: int = 1
    position: float | None = None
    number: int = 0
    normal: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Series:
    """Slices of one series, sorted by position, then by InstanceNumber, path and frame; identifiers are the file's own.

    `patient` is PatientID, or the study's UID where that is empty. `burned_in` is BurnedInAnnotation = YES.
    """

    uid: str
    patient: str
    study: str
    modality: str
    description: str
    sequence: str
    slices: tuple[Slice, ...]
    date: str = ""
    localizer: bool = False
    burned_in: bool = False

    @property
    def normal(self) -> tuple[float, float, float] | None:
        """The unit normal of its slices, None without geometry."""
        return self.slices[0].normal

    @property
    def is_sagittal(self) -> bool:
        """Whether the normal is closest to the patient's x axis, left to right."""
        return self.normal is not None and int(np.argmax(np.abs(self.normal))) == 0

    @property
    def positions(self) -> list[float]:
        """The distinct slice positions along the normal, in mm, ascending."""
        return sorted({round(item.position, 3) for item in self.slices if item.position is not None})


def find_series(paths: Iterable[Path]) -> tuple[list[Series], list[Problem]]:
    """Read the headers of files and group their images; a bad file is a Problem, an object without image a warning.

    The series are ordered by patient, study, and the first slice's number and path.
    """
    groups: dict[tuple[str, float], list[tuple[Series, Slice]]] = defaultdict(list)
    problems = []
    for path in paths:
        try:
            with quiet():
                for key, found in _images(path):
                    groups[key].append(found)
        except SpineError as error:
            problems.append(Problem.from_error(error, path))
        except _NoImageError as remark:
            problems.append(Problem(str(path), str(remark), "nothing, unless an image was expected", "warning"))
    series = [stack for group in groups.values() for stack in _stacks(group)]
    return sorted(
        series, key=lambda one: (one.patient, one.study, one.slices[0].number, str(one.slices[0].path))
    ), problems


class _NoImageError(Exception):
    """A good DICOM object that is no picture."""


def _images(path: Path) -> list[tuple[tuple[str, float], tuple[Series, Slice]]]:
    dataset, missing = read_header(path)
    if is_directory(dataset):
        return []
    if "Rows" not in dataset and _kind(dataset).endswith("Image Storage"):
        raise SpineError(f"{path} is a {_kind(dataset)} object that ends before its image; copy it again")
    if not is_image(dataset):
        raise _NoImageError(f"it is a DICOM object without an image ({_kind(dataset)})")
    if (count := frame_count(dataset)) > _MOST_FRAMES:
        raise SpineError(f"{path} states {count:,} frames, and {_MOST_FRAMES:,} can be read; repair its header")
    if missing:
        raise SpineError(f"{path} is truncated: it lacks the last {missing:,} bytes of its pixels; copy it again")
    try:
        return [_image(dataset, path, frame) for frame in range(count)]
    except (TypeError, ValueError, AttributeError) as error:
        raise SpineError(f"{path} has a damaged header ({error}); copy it again from where it came from") from error


def _image(dataset: Dataset, path: Path, frame: int) -> tuple[tuple[str, float], tuple[Series, Slice]]:
    normal, position = _geometry(dataset, frame)
    number = dataset.get("InstanceNumber")
    one = Slice(path, frame, frame_count(dataset), position, int(number) if number else 0, normal)
    echo = macro(dataset, "MREchoSequence", frame).get("EffectiveEchoTime") or dataset.get("EchoTime") or 0
    series = _describe(dataset, path, frame)
    return (series.uid, float(echo)), (series, one)


def _describe(dataset: Dataset, path: Path, frame: int) -> Series:
    study = str(dataset.get("StudyInstanceUID") or "")
    image_type = macro(dataset, "MRImageFrameTypeSequence", frame).get("FrameType") or dataset.get("ImageType") or []
    return Series(
        uid=str(dataset.get("SeriesInstanceUID") or path),  # without a UID a file is a series of its own
        patient=str(dataset.get("PatientID") or dataset.get("PatientName") or study),
        study=study,
        modality=str(dataset.get("Modality") or ""),
        description=str(dataset.get("SeriesDescription") or dataset.get("ProtocolName") or ""),
        sequence=sequence_of(dataset, frame),
        slices=(),
        date=str(dataset.get("StudyDate") or "") + str(dataset.get("SeriesTime") or ""),
        localizer="LOCALIZER" in image_type,
        burned_in=dataset.get("BurnedInAnnotation") == "YES",
    )


def _geometry(dataset: Dataset, frame: int) -> tuple[tuple[float, float, float] | None, float | None]:
    """The normal, row direction x column direction (PS3.3 C.7.6.2.1.1), and the position along it."""
    orientation = macro(dataset, "PlaneOrientationSequence", frame).get("ImageOrientationPatient")
    origin = macro(dataset, "PlanePositionSequence", frame).get("ImagePositionPatient")
    if not orientation or not origin or len(orientation) != 6 or len(origin) != 3:
        return None, None
    normal = np.cross([float(v) for v in orientation[:3]], [float(v) for v in orientation[3:]])
    length = np.linalg.norm(normal)
    if not length:
        return None, None
    x, y, z = (float(v) for v in normal / length)
    return (x, y, z), float(np.dot((x, y, z), [float(v) for v in origin]))


def _stacks(group: list[tuple[Series, Slice]]) -> list[Series]:
    """Split the images of one series by orientation, and sort each part in space."""
    stacks: list[list[tuple[Series, Slice]]] = []
    for found in sorted(group, key=lambda pair: (str(pair[1].path), pair[1].frame)):
        home = next((stack for stack in stacks if _parallel(stack[0][1], found[1])), None)
        if home is None:
            stacks.append(home := [])
        home.append(found)
    return [replace(stack[0][0], slices=_sorted([one for _, one in stack])) for stack in stacks]


def _parallel(first: Slice, second: Slice) -> bool:
    if first.normal is None or second.normal is None:
        return first.normal is second.normal
    return float(np.dot(first.normal, second.normal)) > _SAME_DIRECTION


def _sorted(slices: list[Slice]) -> tuple[Slice, ...]:
    # One normal for all, so that positions compare; equal positions keep the order of acquisition.
    normal = slices[0].normal
    return tuple(
        sorted(
            (replace(one, normal=normal) for one in slices),
            key=lambda one: (round(one.position or 0.0, 3), one.number, str(one.path), one.frame),
        )
    )


def _kind(dataset: Dataset) -> str:
    name = getattr(dataset.get("SOPClassUID"), "name", "")
    return name or str(dataset.get("Modality") or "unknown class")
