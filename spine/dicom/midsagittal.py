"""The mid-sagittal slice of a patient's MR, chosen by geometry, with the choice written down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spine.dicom.series import Series, Slice
from spine.problems import SpineError

__all__ = ["Choice", "choose_midsagittal", "is_stack"]

_RANK = {"T2W": 0, "T2*W": 1}


@dataclass(frozen=True)
class Choice:
    """The slices taken from one series, nearest the middle first, the reason, and a warning ("" where all is well)."""

    series: Series
    slices: tuple[Slice, ...]
    reason: str
    warning: str = ""


def is_stack(series: Series) -> bool:
    """Whether the series covers a volume: slices at several positions."""
    return len(series.positions) > 1


def choose_midsagittal(series: Sequence[Series], slices: int = 1) -> Choice:
    """Choose the n slices nearest the mid-sagittal one from all series of one patient.

    The series: sagittal ones that cover a volume, no localizer where there is another; T2W first, T2*W where the
    patient has no T2W, then any other with a warning; among equals the one with most positions, then the earliest,
    then the least UID. The middle is half way between the two outermost positions along the slice normal; of two
    slices equally near, the lower position along the normal counts as nearer; of several images at one position
    (repetitions) the first acquired is taken. Raises SpineError where no series is sagittal.
    """
    sagittal = [one for one in series if is_stack(one) and one.is_sagittal]
    if not sagittal:
        seen = ", ".join(sorted({one.description or one.modality for one in series})) or "none"
        raise SpineError(
            f"patient has no sagittal series of several slices (series: {seen}); export a sagittal series, "
            "or convert the volume to NIfTI, which is cut in any direction"
        )
    chosen = min(sagittal, key=_preference)
    middle = (chosen.positions[0] + chosen.positions[-1]) / 2
    return Choice(chosen, _nearest(chosen, middle, slices), _reason(chosen, middle, slices), _warning(chosen))


def _preference(series: Series) -> tuple:
    rank = _RANK.get(series.sequence, 2)
    return series.localizer, rank, -len(series.positions), series.date, series.uid


def _nearest(series: Series, middle: float, slices: int) -> tuple[Slice, ...]:
    by_position: dict[float, Slice] = {}
    for one in series.slices:
        by_position.setdefault(round(one.position or 0.0, 3), one)
    # A micrometre decides nothing: positions are rounded before they compare.
    order = sorted(by_position, key=lambda position: (round(abs(position - middle), 3), position))
    return tuple(by_position[position] for position in order[:slices])


def _reason(series: Series, middle: float, slices: int) -> str:
    count = len(series.positions)
    what = "slice" if slices == 1 else f"{min(slices, count)} slices"
    contrast = series.sequence or series.modality or "series"
    along = (
        f"half way between the outermost of {count} sagittal {contrast} slices, at {middle:.1f} mm along their normal"
    )
    return f"{what} nearest the middle, {along}"


def _warning(series: Series) -> str:
    if series.modality != "MR" or series.sequence in _RANK:
        return ""
    return f"no sagittal T2W or T2*W series was recognised; {series.sequence or 'an unknown contrast'} was taken"
