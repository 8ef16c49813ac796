"""Bars of what a paper printed, and beside them bars of ours with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ensemble.report.style import COLOURS, GREY, INK, new_figure

__all__ = ["Bar", "Bars", "draw_bars"]

WIDTH = 9.6  # inches


@dataclass(frozen=True)
class Bar:
    """A value and its interval; None where there is none."""

    value: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Bars:
    """Bars of one colour, one a row: of the paper, and of ours."""

    name: str
    printed: tuple[Bar, ...]
    ours: tuple[Bar, ...]


def draw_bars(title: str, rows: Sequence[str], several: Sequence[Bars]) -> Any:
    """A figure of two panels, the paper's and ours; a group of bars a row, in the order of `several`."""
    height = 0.9 + (0.16 + 0.17 * len(several)) * len(rows)
    with new_figure(WIDTH, height, 2, sharex=True, sharey=True) as (figure, (printed, ours)):
        for place, bars in enumerate(several):
            offset = 0.8 * ((place + 0.5) / len(several) - 0.5)
            for axis, values in ((printed, bars.printed), (ours, bars.ours)):
                _draw(axis, values, offset, 0.7 / len(several), COLOURS[place % len(COLOURS)], bars.name)
        for axis, told in ((printed, "printed"), (ours, "ours, with intervals over patients")):
            axis.set_title(f"{title}: {told}")
            axis.grid(axis="x", color=GREY, alpha=0.25, linewidth=0.6)
            axis.tick_params(axis="y", length=0)
        printed.set_yticks(range(len(rows)), rows)
        printed.set_ylim(len(rows) - 0.5, -0.5)
        figure.legend(*printed.get_legend_handles_labels(), loc="outside lower center", ncols=len(several))
    return figure


def _draw(axis: Any, values: Sequence[Bar], offset: float, height: float, colour: str, name: str) -> None:
    places = [place + offset for place in range(len(values))]
    axis.barh(places, [bar.value or 0 for bar in values], height, color=colour, label=name)
    for place, bar in zip(places, values, strict=True):
        if bar.value is None:
            continue
        if bar.low is not None:
            axis.plot([bar.low, bar.high], [place, place], color=INK, linewidth=1.1)
        axis.annotate(
            f"{bar.value:.1f}",
            (0, place),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            color="white",
            fontsize=7,
        )
