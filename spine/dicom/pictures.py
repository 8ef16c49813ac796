"""DICOM series -> pictures: which images to take of all patients, and their decoding file by file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from spine.dicom.headers import read_dataset
from spine.dicom.midsagittal import choose_midsagittal, is_stack
from spine.dicom.pixels import iterate_frames
from spine.dicom.series import Series, Slice
from spine.pictures import Picture
from spine.problems import Problem, SpineError

__all__ = ["Wanted", "every_image", "midsagittal_images", "name_of", "read_pictures"]

_VOLUMETRIC = ("MR", "CT", "PT")


@dataclass(frozen=True)
class Wanted:
    """One image to read: its series, its slice, and why it was chosen."""

    series: Series
    slice: Slice
    reason: str = ""


def every_image(series: Sequence[Series]) -> list[Wanted]:
    """All images of all series."""
    return [Wanted(one, item) for one in series for item in one.slices]


def midsagittal_images(series: Sequence[Series], slices: int) -> tuple[list[Wanted], list[Problem]]:
    """Of each patient the n slices nearest the mid-sagittal one, and all images that are no part of a volume.

    Single MR or CT images count only where the patient has no volume: beside one they are localizers.
    """
    patients: dict[str, list[Series]] = defaultdict(list)
    for one in series:
        patients[one.patient].append(one)
    wanted, problems = [], []
    for group in patients.values():
        chosen, remarks = _of_patient(group, slices)
        wanted += chosen
        problems += remarks
    return wanted, problems


def name_of(item: Slice, file_name: str) -> str:
    """The picture's name: the file's, with `#frame` where the file holds several."""
    return file_name if item.frames == 1 else f"{file_name}#{item.frame}"


def read_pictures(path: Path, wanted: Sequence[Wanted], file_name: str) -> Iterator[Picture]:
    """Decode the wanted frames of one file; SpineError where its pixels cannot be decoded."""
    dataset = read_dataset(path)
    frames = iterate_frames(dataset, [one.slice.frame for one in wanted])
    for one in wanted:
        try:
            frame = next(frames)
        except SpineError as error:
            raise SpineError(f"{path}: {error}; copy it again, or decompress it with dcmdjpeg or gdcmconv") from error
        burned_in = "burned-in annotation" if one.series.burned_in else ""
        note = "; ".join(filter(None, [one.reason, frame.note, burned_in]))
        yield _picture(one, frame.pixels, frame.spacing, file_name, note)


def _picture(one: Wanted, pixels, spacing, file_name: str, note: str) -> Picture:
    series = one.series
    name = name_of(one.slice, file_name)
    return Picture(
        pixels, one.slice.path, name, spacing, series.patient, series.study, series.uid, series.sequence, note
    )


def _of_patient(series: list[Series], slices: int) -> tuple[list[Wanted], list[Problem]]:
    stacks = [one for one in series if is_stack(one)]
    wanted, problems = _of_stacks(stacks, slices) if stacks else ([], [])
    for one in series:
        if is_stack(one):
            continue
        if one.modality not in _VOLUMETRIC:
            wanted += every_image([one])
        elif len(one.slices) > 1 and not one.positions:
            problems.append(_without_geometry(one))
        elif not stacks:
            wanted.append(Wanted(one, one.slices[0]))
    return wanted, problems


def _of_stacks(stacks: list[Series], slices: int) -> tuple[list[Wanted], list[Problem]]:
    folder = stacks[0].slices[0].path.parent
    try:
        choice = choose_midsagittal(stacks, slices)
    except SpineError as error:
        return [], [Problem.from_error(error, folder)]
    advice = "look at its pictures, and name its series so that T2 shows"
    problems = [Problem(str(folder), choice.warning, advice, "warning")] if choice.warning else []
    return [Wanted(choice.series, one, choice.reason) for one in choice.slices], problems


def _without_geometry(series: Series) -> Problem:
    reason = f"a series of {len(series.slices)} images has no ImagePositionPatient: its middle is unknown"
    return Problem(str(series.slices[0].path.parent), reason, "take every slice, or leave one image of it here")
