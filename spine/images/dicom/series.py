"""Files, folders and trees of DICOM -> series of slices in the order of space, from headers alone.

A series is a stack: images of one SeriesInstanceUID in parallel planes. A localizer of three planes is three series
here, and the proton-density and T2 echoes of one acquisition are two. Where the UIDs fail, geometry, description and
number tell (`spine.images.dicom.stacks`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from spine.core.problems import Problem, SpineError, one_file
from spine.images.acquired import UNTOLD, Acquired
from spine.images.dicom.copies import without_copies
from spine.images.dicom.headers import quiet
from spine.images.dicom.image import Image, NoImageError, images_of
from spine.images.dicom.line import POSITION, layers, line_of
from spine.images.dicom.remarks import folded
from spine.images.dicom.stacks import shared_series, stacks_of
from spine.images.neighbours import places

__all__ = ["Series", "Slice", "find_series"]

_TOWARDS = (-1, 1, -1)  # right, back and feet, in the patient's system


@dataclass(frozen=True)
class Slice:
    """One image: frame `frame` (0-based, of `frames`) of a file.

    `position` tells where it lies along the normal: the projection of ImagePositionPatient in mm, or what its series
    is `ordered_by`; None where nothing tells. `number` is InstanceNumber. `normal` is the unit vector of the slice
    direction in the patient's system (x to the left, y to the back, z to the head). `remarks` are those on its header.
    """

    path: Path
    frame: int = 0
    frames: int = 1
    position: float | None = None
    number: int = 0
    normal: tuple[float, float, float] | None = None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Series:
    """Slices of one series, sorted by position, then by InstanceNumber, path and frame; identifiers are the file's own.

    `patient` is PatientID; where that is empty PatientName, the study's UID, or the first UID of the folder's stacks;
    "" of a lone image of which nothing tells. `ordered_by` is the element that its positions come from:
    ImagePositionPatient or SliceLocation (mm), or InstanceNumber (slices). `volumetric` says whether its images may be
    slices of a volume, `kind` is FrameType or ImageType. `acquired` is what its first header tells, with burned-in text
    where any of them does.
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
    kind: tuple[str, ...] = ()
    acquired: Acquired = UNTOLD
    ordered_by: str = POSITION
    volumetric: bool = True

    @property
    def folder(self) -> Path:
        """The folder of its first slice."""
        return self.slices[0].path.parent

    @property
    def normal(self) -> tuple[float, float, float] | None:
        """The unit normal of its slices, None without geometry."""
        return self.slices[0].normal

    @property
    def is_sagittal(self) -> bool:
        """Whether the normal is closest to the patient's x axis; without a normal, whether the description says so."""
        if self.normal is None:
            return "sag" in self.description.lower()
        return int(np.argmax(np.abs(self.normal))) == 0

    @cached_property
    def layers(self) -> list[tuple[Slice, ...]]:
        """The slices at each distinct position, ascending; of several at one the first acquired comes first."""
        placed = [one for one in self.slices if one.position is not None]
        groups = layers([one.position for one in placed if one.position is not None])
        return [tuple(sorted((placed[k] for k in group), key=_acquired)) for group in groups]

    @cached_property
    def order(self) -> dict[Slice, tuple[int, int]]:
        """Of each placed slice how many were acquired at its place before it, and the place, by whole numbers.

        They count to the patient's right, to the back or to the feet, as slices of volumes do: slices of one
        acquisition are next to each other where they differ by 1.
        """
        numbers = places(self.positions)
        if self.normal is not None:
            axis = int(np.argmax(np.abs(self.normal)))
            if self.normal[axis] * _TOWARDS[axis] < 0:
                numbers = [numbers[-1] - number for number in numbers]
        return {
            one: (acquisition, number)
            for number, layer in zip(numbers, self.layers, strict=True)
            for acquisition, one in enumerate(layer)
        }

    def next_to(self, one: Slice) -> list[Slice]:
        """The slices before and after a placed one, of its acquisition, that there are."""
        acquisition, place = self.order[one]
        return [self._at[near] for near in ((acquisition, place - 1), (acquisition, place + 1)) if near in self._at]

    @cached_property
    def _at(self) -> dict[tuple[int, int], Slice]:
        return {where: one for one, where in self.order.items()}

    @cached_property
    def positions(self) -> list[float]:
        """The distinct slice positions, ascending; what lies within 0.05 mm is one position."""
        return [round(min(one.position or 0.0 for one in layer), 3) for layer in self.layers]


def find_series(
    paths: Iterable[Path], patient_of: Callable[[Path], str] = lambda path: ""
) -> tuple[list[Series], list[Problem]]:
    """Read the headers of files and group their images; a bad file is a Problem, an object without image a warning.

    `patient_of` a file is the patient by its name, "" where the header tells.

    A file that is there twice counts once, and a value that cannot tell where a slice lies is passed over; both are
    warnings. The series are ordered by patient, study, and the first slice's number and path.
    """
    images, problems = _read(paths)
    images, copies = without_copies(images)
    images = [replace(image, patient=patient_of(image.path) or image.patient) for image in images]
    series = [_series(stack) for stack in stacks_of(images)]
    remarks = folded({image.path: image.remarks for image in images})
    return (
        sorted(
            _with_patients(series),
            key=lambda one: (one.patient, one.study, one.slices[0].number, str(one.slices[0].path)),
        ),
        problems + copies + shared_series(images) + list(remarks),
    )


def _read(paths: Iterable[Path]) -> tuple[list[Image], list[Problem]]:
    images, problems = [], []
    for path in paths:
        try:
            with quiet(), one_file(path):
                images += images_of(path)
        except NoImageError as remark:
            problems.append(Problem.from_error(remark, path, "warning"))
        except SpineError as error:
            problems.append(Problem.from_error(error, path))
    return images, problems


def _series(stack: Sequence[Image]) -> Series:
    line, first = line_of(stack), stack[0]
    study = first.study if len({image.study for image in stack}) == 1 else ""  # a UID a slice is no study's
    slices = [
        Slice(image.path, image.frame, image.frames, place, image.number or 0, line.normal, image.remarks)
        for image, place in zip(stack, line.places, strict=True)
    ]
    return Series(
        uid=first.uid or first.instance or first.path.name,
        patient=first.patient or study,
        study=study,
        modality=first.modality,
        description=first.description,
        sequence=first.sequence,
        slices=tuple(sorted(slices, key=_in_space)),
        date=first.date,
        localizer=first.localizer,
        kind=first.kind,
        acquired=_acquired_of(stack),
        ordered_by=line.by,
        volumetric=first.is_slice,
    )


def _acquired_of(stack: Sequence[Image]) -> Acquired:
    burned_in = {image.acquired.burned_in for image in stack}
    worst = next(answer for answer in ("YES", "", "NO") if answer in burned_in)
    return replace(stack[0].acquired, burned_in=worst)


def _with_patients(series: list[Series]) -> list[Series]:
    """Where nothing names the patient the folder tells: its stacks, and lone slices beside them, are of one."""
    unknown = sorted((one for one in series if not one.patient), key=lambda one: str(one.slices[0].path))
    of_folder: dict[Path, str] = {}
    for one in unknown:
        if len(one.slices) > 1:
            of_folder.setdefault(one.folder, one.uid)
    return [
        replace(one, patient=of_folder.get(one.folder, "")) if not one.patient and one.volumetric else one
        for one in series
    ]


def _in_space(one: Slice) -> tuple:
    unplaced = one.position is None
    return unplaced, round(one.position or 0.0, 3), *_acquired(one)


def _acquired(one: Slice) -> tuple:
    return one.number, str(one.path), one.frame
