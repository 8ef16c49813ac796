"""Of images that form no volume, such as the one MR slice of a patient, the n that count."""

from __future__ import annotations

from collections.abc import Sequence

from spine.dicom.midsagittal import rank
from spine.dicom.series import Series
from spine.problems import Problem, examples

__all__ = ["choose_lone"]


def choose_lone(series: Sequence[Series], slices: int) -> tuple[list[Series], list[Problem]]:
    """At most n of the series of one patient that cover no volume, each of which gives one image.

    All of them where they are no more than n. Else the sagittal ones before others, T2W before T2*W before any other,
    localizers last; a warning tells what was left out. Where more than n are alike there is no telling which is in the
    middle: none is taken, and an error says so.
    """
    if len(series) <= slices:
        return list(series), []
    best = min(map(_preference, series))
    alike = [one for one in series if _preference(one) == best]
    others = [one.slices[0].path for one in series if _preference(one) != best]
    folder = str(alike[0].folder)
    if len(alike) > slices:
        names = examples([one.slices[0].path for one in alike])
        reason = f"{len(alike)} images of one patient form no volume, and which is in the middle is not known: {names}"
        advice = f"take every slice (`slices: null`), or leave {slices} of them here"
        return [], [Problem(folder, reason, advice)]
    reason = f"{len(series)} images of one patient form no volume; left out were {examples(others)}"
    return alike, [Problem(folder, reason, "see whether the right ones were taken", "warning")]


def _preference(one: Series) -> tuple:
    return one.localizer, not one.is_sagittal, rank(one)
