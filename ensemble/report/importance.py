"""What the report shows of members that decide by measurements: how much each measurement matters to them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from ensemble.report.plots import WIDE, Drawing
from ensemble.report.style import GREY, Style, new_figure
from spine.member.importance import Importance
from spine.member.member import Member

__all__ = ["importance_drawings", "importances"]

MOST = 12  # measurements in a figure


def importances(members: Mapping[str, Member]) -> dict[str, Importance]:
    """Member -> its importance, of those that have one."""
    found = {name: Importance.of_member(member.path) for name, member in members.items()}
    return {name: importance for name, importance in found.items() if importance}


def importance_drawings(members: Mapping[str, Member], styles: dict[str, Style]) -> dict[str, Drawing]:
    """A figure `importance_<member>` of each."""
    return {
        f"importance_{name}": partial(_bars, importance, styles[name])
        for name, importance in importances(members).items()
    }


def _bars(importance: Importance, style: Style) -> Any:
    rises = sorted(importance.rises.items(), key=lambda item: -item[1].mean)[:MOST]
    with new_figure(WIDE, 0.75 + 0.22 * len(rises)) as (figure, axis):
        for place, (_, rise) in enumerate(rises):
            axis.barh(place, rise.mean, color=style["color"], height=0.55)
            ends = [rise.mean - rise.deviation, rise.mean + rise.deviation]
            axis.plot(ends, [place, place], color=GREY, linewidth=1.1)
        axis.axvline(0, color=GREY, linewidth=0.8)
        axis.set_yticks(range(len(rises)), [title for title, _ in rises])
        axis.set_ylim(len(rises) - 0.5, -0.5)
        axis.tick_params(axis="y", length=0)
        axis.spines["left"].set_visible(False)
        axis.grid(axis="x", color=GREY, alpha=0.25, linewidth=0.6)
        axis.locator_params(axis="x", nbins=5)
        axis.set_title("rise of the loss")
    return figure
