"""DICOM series -> pictures: which images to take of all patients, and their decoding file by file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from spine.core.problems import Problem, SpineError, examples
from spine.images.dicom.headers import read_dataset
from spine.images.dicom.midsagittal import choose_lone, choose_midsagittal, is_stack
from spine.images.dicom.pixels import Frame, iterate_frames
from spine.images.dicom.remarks import Summary
from spine.images.dicom.series import Series, Slice
from spine.images.dicom.windows import WindowChoice
from spine.images.pictures import Picture

__all__ = ["Wanted", "every_image", "midsagittal_images", "name_of", "read_pictures", "with_neighbours"]


@dataclass(frozen=True)
class Wanted:
    """One image to read: its series, its slice, and why it was chosen; or it is just `beside` a chosen one."""

    series: Series
    slice: Slice
    reason: str = ""
    beside: bool = False


def every_image(series: Sequence[Series]) -> list[Wanted]:
    """All images of all series."""
    return [Wanted(one, item) for one in series for item in one.slices]


def midsagittal_images(series: Sequence[Series], slices: int) -> tuple[list[Wanted], list[Problem]]:
    """Of each patient the n slices nearest the mid-sagittal one, and all images that cannot be slices, as radiographs.

    Single MR or CT images count only where the patient has no sagittal volume, beside which they are localizers; of
    them n at most, too.
    """
    patients: dict[str | Path, list[Series]] = defaultdict(list)
    for one in series:
        patients[one.patient or one.slices[0].path].append(one)
    wanted, problems = [], _of_several_studies(patients.values())
    for group in patients.values():
        chosen, remarks = _of_patient(group, slices)
        wanted += chosen
        problems += remarks
    return wanted, problems


def with_neighbours(wanted: Sequence[Wanted]) -> list[Wanted]:
    """The wanted images of slices, and behind them those that are next to one in its series."""
    chosen = {one.slice for one in wanted}
    others: dict[Slice, Wanted] = {}
    for one in filter(_has_order, wanted):
        near = [item for item in one.series.next_to(one.slice) if item not in chosen]
        others |= {item: Wanted(one.series, item, beside=True) for item in near}
    return [*wanted, *others.values()]


def name_of(item: Slice, file_name: str) -> str:
    """The picture's name: the file's, with `#frame` where the file holds several."""
    return file_name if item.frames == 1 else f"{file_name}#{item.frame}"


def read_pictures(
    path: Path, wanted: Sequence[Wanted], file_name: str, window: WindowChoice, summary: Summary
) -> Iterator[Picture]:
    """Decode the wanted frames of one file, and let `summary` know of them.

    `window` is what becomes black and white. SpineError where pixels cannot be decoded, or the file lacks it.
    """
    dataset = read_dataset(path)
    frames = iterate_frames(dataset, [image.slice.frame for image in wanted], window)
    for image in wanted:
        try:
            frame = next(frames)
        except SpineError as error:
            raise SpineError(f"{path}: {error}") from error
        summary.add(image.series, image.slice, frame)
        yield _picture(image, frame, file_name)


def _picture(wanted: Wanted, frame: Frame, file_name: str) -> Picture:
    series = wanted.series
    burned_in = "burned-in annotation" if series.acquired.burned_in == "YES" else ""
    picture = Picture(
        frame.pixels,
        wanted.slice.path,
        name_of(wanted.slice, file_name),
        frame.spacing,
        series.patient,
        series.study,
        series.uid,
        series.sequence,
        note="; ".join(filter(None, [wanted.reason, frame.note, burned_in])),
        scaling=frame.scaling,
        acquired=series.acquired,
        beside=wanted.beside,
    )
    if not _has_order(wanted):
        return picture
    acquisition, place = series.order[wanted.slice]
    first = series.slices[0]  # tells stacks of one series UID apart
    return replace(picture, stack=f"{first.path}#{first.frame}/{acquisition}", place=place)


def _has_order(wanted: Wanted) -> bool:
    """Whether the image is a slice of a volume, and has a place in it."""
    return wanted.series.volumetric and is_stack(wanted.series) and wanted.slice in wanted.series.order


def _of_patient(series: list[Series], slices: int) -> tuple[list[Wanted], list[Problem]]:
    stacks = [one for one in series if is_stack(one)]
    alone = [one for one in series if one.volumetric and not is_stack(one)]
    passing = every_image([one for one in series if not one.volumetric and not is_stack(one)])
    shapeless = [one for one in alone if len(one.slices) > 1 and not one.positions]
    single = [one for one in alone if one not in shapeless]
    if not any(map(_is_sagittal, stacks)) and any(map(_is_sagittal, single)):
        stacks, single = [], list(filter(_is_sagittal, single))
    if stacks:
        wanted, problems = _of_stacks(series, slices)
    else:
        chosen, problems = choose_lone(single, slices)
        wanted = [Wanted(one, one.slices[0]) for one in chosen]
    severity = "warning" if wanted else "error"
    return passing + wanted, problems + [_shapeless(one, severity) for one in shapeless]


def _is_sagittal(series: Series) -> bool:
    """Whether the series shows sagittal slices, and is no localizer."""
    return series.is_sagittal and not series.localizer


def _of_stacks(series: list[Series], slices: int) -> tuple[list[Wanted], list[Problem]]:
    try:
        choice = choose_midsagittal(series, slices)
    except SpineError as error:
        return [], [Problem.from_error(error, next(one.folder for one in series if is_stack(one)))]
    return [Wanted(choice.series, one, choice.reason) for one in choice.slices], list(choice.warnings)


def _shapeless(series: Series, severity: str) -> Problem:
    reason = (
        f"a series of {len(series.slices)} images has no ImagePositionPatient, nor numbers that tell an order: "
        "its middle is unknown"
    )
    return Problem(str(series.folder), reason, "take every slice, or leave one image of it here", severity)


def _of_several_studies(patients: Iterable[list[Series]]) -> list[Problem]:
    """A warning where patients have several studies: an anonymiser may have given several patients one PatientID."""
    several = [group for group in patients if len({one.study for one in group if one.volumetric and one.study}) > 1]
    if not several:
        return []
    folders = [one.folder for group in several for one in group]
    reason = (
        f"several studies have one PatientID, and one of them gave the slices ({len(several)} patients), such as in "
    )
    advice = "where they are several patients, tell them apart by the files' names: set `patient`"
    return [Problem(str(folders[0]), reason + examples(list(dict.fromkeys(folders))), advice, "warning")]
