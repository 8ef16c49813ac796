"""Levels that may be too low: a disc that was missed leaves a gap twice as wide as the others."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

import numpy as np

__all__ = ["doubts_of_levels"]

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


def doubts_of_levels(findings: Sequence[Levelled], spacing: tuple[float, float] | None = None) -> tuple[str, ...]:
    """A sentence for each gap between successive levels of one label that is wide enough for another box.

    `spacing` (row, column) in mm, where pixels are not square.
    """
    return tuple(
        f"{lower.label} {lower.level} and {upper.label} {upper.level} lie far apart: one between them may be missed, "
        f"and the levels from {upper.level} on too low"
        for label in dict.fromkeys(finding.label for finding in findings if finding.level)
        for lower, upper in _gaps([one for one in findings if one.label == label and one.level], spacing or (1.0, 1.0))
    )


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
