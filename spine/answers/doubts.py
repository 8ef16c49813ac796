"""Levels in doubt: a disc that was missed leaves a gap, or is there in the mask and not among the boxes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

import numpy as np

from spine.measurements import Measurements

__all__ = ["doubts_of_levels", "levels_that_differ"]

WIDE = 1.5  # times the median distance of neighbours; of one missed disc it is near 2
FEWEST = 4  # boxes, below which a median of distances says little


class Levelled(Protocol):
    """A finding with its level."""

    @property
    def label(self) -> str:
        """Of the box."""
        ...

    @property
    def box(self) -> tuple[float, float, float, float] | None:
        """Its corners x0 y0 x1 y1."""
        ...

    @property
    def level(self) -> int:
        """From below, 0 where it is not counted."""
        ...


def doubts_of_levels(
    findings: Sequence[Levelled], spacing: tuple[float, float] | None = None, measurements: Measurements | None = None
) -> tuple[str, ...]:
    """A sentence for each gap between successive levels of one label that is wide enough for another box.

    `spacing` (row, column) in mm, where pixels are not square. With `measurements` of the mask one sentence more, where
    it has other discs than there are boxes.
    """
    gaps = [
        f"{lower.label} {lower.level} and {upper.label} {upper.level} lie far apart: one between them may be missed, "
        f"and the levels from {upper.level} on too low"
        for label in dict.fromkeys(finding.label for finding in findings if finding.level)
        for lower, upper in _gaps([one for one in findings if one.label == label and one.level], spacing or (1.0, 1.0))
    ]
    differing = [
        f"{finding.label} {finding.level} of the findings is level {level} of the measurements"
        for finding, level in (levels_that_differ(findings, measurements) if measurements else ())
    ]
    return *gaps, *([f"boxes and mask do not have the same discs: {', '.join(differing)}"] if differing else [])


def levels_that_differ(findings: Sequence[Levelled], measurements: Measurements) -> list[tuple[Levelled, int]]:
    """Findings, lowest first, each with the level of the disc of the mask that it lies on, where that is another.

    One of the two missed a disc, so what is said of a level by boxes and by measurements is not of one disc.
    """
    return [
        (finding, disc.level)
        for finding in sorted(findings, key=lambda one: one.level)
        for disc in measurements.discs
        if finding.level not in (0, disc.level) and _holds(finding, disc.centre)
    ]


def _holds(finding: Levelled, centre: tuple[float, float]) -> bool:
    """Whether a point (y, x) lies in a finding's box."""
    x0, y0, x1, y1 = finding.box or (0, 0, 0, 0)
    return x0 <= centre[1] < x1 and y0 <= centre[0] < y1


def _gaps(findings: list[Levelled], spacing: tuple[float, float]) -> list[tuple[Levelled, Levelled]]:
    if len(findings) < FEWEST:
        return []
    ordered = sorted(findings, key=lambda finding: finding.level)
    centres = [_centre(finding, spacing) for finding in ordered]
    distances = np.array([np.hypot(*(second - first)) for first, second in pairwise(centres)])
    wide = distances > WIDE * np.median(distances)
    return [pair for pair, is_wide in zip(pairwise(ordered), wide, strict=True) if is_wide]


def _centre(finding: Levelled, spacing: tuple[float, float]) -> np.ndarray:
    x0, y0, x1, y1 = finding.box or (0.0, 0.0, 0.0, 0.0)
    return np.array([(y0 + y1) / 2 * spacing[0], (x0 + x1) / 2 * spacing[1]])
