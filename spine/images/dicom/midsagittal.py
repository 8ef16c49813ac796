"""The mid-sagittal slice of a patient's MR, chosen by geometry, with the choice written down; of lone images those that
count.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from spine.core.problems import Problem, SpineError, examples
from spine.images.dicom.line import POSITION
from spine.images.dicom.series import Series, Slice

__all__ = ["Choice", "choose_lone", "choose_midsagittal", "is_stack"]

_RANK = {"T2W": 0, "T2*W": 1}
_COMPUTED = frozenset(
    {"P", "PHASE", "PHASE MAP", "R", "REAL", "I", "IMAGINARY", "F", "FAT", "OP", "OPP_PHASE", "OUT_PHASE"}
)  # of ImageType, as Philips and Siemens write it
_GAP = 1.5  # times the usual distance of two slices: from there on one is missing between them


@dataclass(frozen=True)
class Choice:
    """The slices taken from one series, nearest the middle first, the reason, and what is doubtful about it."""

    series: Series
    slices: tuple[Slice, ...]
    reason: str
    warnings: tuple[Problem, ...] = ()


def is_stack(series: Series) -> bool:
    """Whether the series covers a volume: slices at several positions."""
    return len(series.positions) > 1


def choose_midsagittal(series: Sequence[Series], slices: int = 1) -> Choice:
    """Choose the n slices nearest the mid-sagittal one from all series of one patient.

    The series: sagittal ones that cover a volume, no localizer where there is another; T2W first, T2*W where the
    patient has no T2W, then any other with a warning; among equals one that is no phase or fat image, then one whose
    slices tell their positions, then the one with most positions, then the earliest, then the least UID.
    The middle is half way between the two outermost positions along the slice normal; of two slices equally near, the
    lower position along the normal counts as nearer; of several images at one position (repetitions) the first
    acquired is taken. Raises SpineError where no series is sagittal. Warnings tell of all that makes the middle
    doubtful: another order than that of positions, gaps, slices without a place, images of the series that fit no
    stack.
    """
    sagittal = [one for one in series if is_stack(one) and one.is_sagittal]
    if not sagittal:
        seen = ", ".join(sorted({one.description or one.modality for one in series})) or "none"
        plane = ", some of them without ImageOrientationPatient" if any(one.normal is None for one in series) else ""
        raise SpineError(
            f"patient has no sagittal series of several slices (series: {seen}{plane}); "
            "export a sagittal series, or convert the volume to NIfTI, which is cut in any direction"
        )
    chosen = min(sagittal, key=_preference)
    middle = (chosen.positions[0] + chosen.positions[-1]) / 2
    warnings = (Problem(str(chosen.folder), reason, advice, "warning") for reason, advice in _doubts(chosen, series))
    return Choice(chosen, _nearest(chosen, middle, slices), _reason(chosen, middle, slices), tuple(warnings))


def choose_lone(series: Sequence[Series], slices: int) -> tuple[list[Series], list[Problem]]:
    """At most n of the series of one patient that cover no volume, each of which gives one image.

    All of them where they are no more than n. Else the sagittal ones before others, T2W before T2*W before any other,
    localizers last; a warning tells what was left out. Where more than n are alike there is no telling which is in the
    middle: none is taken, and an error says so.
    """
    if len(series) <= slices:
        return list(series), []
    best = min(map(_lone_preference, series))
    alike = [one for one in series if _lone_preference(one) == best]
    others = [one.slices[0].path for one in series if _lone_preference(one) != best]
    folder = str(alike[0].folder)
    if len(alike) > slices:
        names = examples([one.slices[0].path for one in alike])
        reason = f"{len(alike)} images of one patient form no volume, and which is in the middle is not known: {names}"
        advice = f"take every slice (`slices: null`), or leave {slices} of them here"
        return [], [Problem(folder, reason, advice)]
    reason = f"{len(series)} images of one patient form no volume; left out were {examples(others)}"
    return alike, [Problem(folder, reason, "see whether the right ones were taken", "warning")]


def _rank(series: Series) -> int:
    """0 of T2W, 1 of T2*W, 2 of any other contrast: the lower the better for the choice of slices."""
    return _RANK.get(series.sequence, len(_RANK))


def _preference(series: Series) -> tuple:
    placed = series.ordered_by == POSITION
    return (
        *(series.localizer, _rank(series), _is_computed(series), not placed, -len(series.positions)),
        *(not series.date, series.date, series.uid),
    )


def _is_computed(series: Series) -> bool:
    """Whether it shows phases, parts of complex numbers, or fat or opposed phases of Dixon, and not what is graded."""
    return not _COMPUTED.isdisjoint(series.kind)


def _lone_preference(series: Series) -> tuple:
    return series.localizer, not series.is_sagittal, _rank(series)


def _nearest(series: Series, middle: float, slices: int) -> tuple[Slice, ...]:
    # A micrometre decides nothing: positions are rounded before they compare.
    order = sorted(
        zip(series.positions, series.layers, strict=True), key=lambda one: (round(abs(one[0] - middle), 3), one[0])
    )
    return tuple(layer[0] for _, layer in order[:slices])


def _reason(series: Series, middle: float, slices: int) -> str:
    count = len(series.positions)
    what = "slice" if slices == 1 else f"{min(slices, count)} slices"
    contrast = series.sequence or series.modality or "series"
    at = f"at {middle:.1f} mm along their normal" if series.ordered_by == POSITION else f"by {series.ordered_by}"
    return f"{what} nearest the middle, half way between the outermost of {count} sagittal {contrast} slices, {at}"


def _doubts(series: Series, others: Sequence[Series]) -> Iterator[tuple[str, str]]:
    """Reason and advice of each thing that makes the choice of a series, or its middle, doubtful."""
    if series.modality == "MR" and series.sequence not in _RANK:
        contrast = series.sequence or "an unknown contrast"
        reason = f"no sagittal T2W or T2*W series was recognised; {contrast} was taken"
        yield reason, "look at its pictures, and name its series so that T2 shows"
    if series.localizer:
        yield "no sagittal series but a localizer was found; it was taken", "export the sagittal series"
    if _is_computed(series):
        kind = "/".join(series.kind)
        yield (
            f"its ImageType is {kind}: a phase, part or fat image was taken",
            "export the magnitude, water or in-phase one",
        )
    if series.ordered_by != POSITION:
        order = f"the order of its slices is that of {series.ordered_by}"
        reason = f"{order}, since their {POSITION} is missing, damaged or equal"
        yield reason, "see whether the slice taken is the middle one; export the series with its positions"
    if lacking := [one.path for one in series.slices if one.position is None]:
        reason = f"{len(lacking)} of {len(series.slices)} slices do not tell where they lie: {examples(lacking)}"
        yield reason, f"the middle was found without them: repair their {POSITION}"
    if gap := _widest_gap(series):
        reason = f"its slices lie {gap[0]:g} mm apart, and two of them {gap[1]:g} mm: one is missing, or misplaced"
        yield reason, "see whether the slice taken is the middle one; export the series again"
    strays = [one.slices[0].path for one in others if one.uid == series.uid and not is_stack(one)]
    if strays:
        reason = f"{len(strays)} images of the series are no part of its stack, by plane, size or echo: "
        yield reason + examples(strays), "the middle was found without them: see whether they are slices of it"


def _widest_gap(series: Series) -> tuple[float, float] | None:
    """The usual and the widest distance of neighbours in mm, where the widest says that a slice is missing."""
    gaps = np.diff(series.positions)
    if series.ordered_by not in (POSITION, "SliceLocation") or len(gaps) < 2:
        return None
    usual, widest = round(float(np.median(gaps)), 2), round(float(gaps.max()), 2)
    return (usual, widest) if widest > _GAP * usual else None
