"""Pictures side by side, a line an image: in the page as a table, beside it as one PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ensemble.report.pixels import data_url
from ensemble.report.style import new_figure

__all__ = ["Line", "draw_cases", "draw_grid"]

SIDE = 1.35  # inches of a picture in the PNG, at least: 160 pixels where eight have the width of a page
WIDEST = 2.0  # inches of one of few
WIDTH = 10.8  # inches of all that lie side by side, at most
CASES_A_LINE = 4


@dataclass(frozen=True)
class Line:
    """One image of the dataset: why it is shown, and what each column shows of it, with a caption below where there is.

    Pictures are grey (H, W) or RGB (H, W, 3) uint8.
    """

    why: str
    sample: str
    pictures: Mapping[str, np.ndarray]
    captions: Mapping[str, str]

    @property
    def urls(self) -> dict[str, str]:
        """The pictures as data URLs, by heading."""
        return {heading: data_url(picture) for heading, picture in self.pictures.items()}


def draw_grid(lines: Sequence[Line], side: float = SIDE) -> Any:
    """All lines as one figure, headed once; where a line has more pictures than fit, it is wrapped, and each is headed.

    `side` is the least width of a picture in inches.
    """
    count = max(len(line.pictures) for line in lines)
    wrapped = -(-count // int(WIDTH / side))
    columns = -(-count // wrapped)
    side = min(max(side, WIDTH / columns), WIDEST)
    heights = [side * max(map(_aspect, line.pictures.values())) + 0.35 for line in lines for _ in range(wrapped)]
    options: dict[str, Any] = {"squeeze": False, "gridspec_kw": {"height_ratios": heights}}
    width, height = side * columns + 0.3, sum(heights) + 0.3
    with new_figure(width, height, columns, len(heights), **options) as (figure, axes):
        for place, line in enumerate(lines):
            across = axes[place * wrapped : (place + 1) * wrapped]
            across[0, 0].set_ylabel(line.why, fontsize=8)
            for axis, (heading, picture) in zip(across.flat, line.pictures.items(), strict=False):
                _show(axis, picture, line.captions.get(heading, ""))
                axis.set_title(heading if place == 0 or wrapped > 1 else "", fontsize=8)
            for axis in across.flat[len(line.pictures) :]:
                axis.set_visible(False)
    return figure


def draw_cases(cases: Sequence[tuple[np.ndarray, str]]) -> Any:
    """Pictures with a caption each, some a line, as one figure."""
    lines = -(-len(cases) // CASES_A_LINE)
    height = 1.5 * SIDE * max(_aspect(picture) for picture, _ in cases) + 0.35
    with new_figure(1.5 * SIDE * CASES_A_LINE, height * lines, CASES_A_LINE, lines, squeeze=False) as (figure, axes):
        for axis, (picture, caption) in zip(axes.flat, cases, strict=False):
            _show(axis, picture, caption)
        for axis in axes.flat[len(cases) :]:
            axis.set_visible(False)
    return figure


def _show(axis: Any, picture: np.ndarray, caption: str) -> None:
    axis.imshow(picture, cmap="gray", vmin=0, vmax=255)
    axis.set_xlabel(caption, fontsize=7)
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)


def _aspect(picture: np.ndarray) -> float:
    return picture.shape[0] / picture.shape[1]
