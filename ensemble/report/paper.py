"""The page of a published system: its tables beside ours, footnotes where they matter; all text is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ensemble.report.templates import environment

__all__ = ["Cell", "PaperColumn", "PaperFigure", "PaperPage", "PaperRow", "PaperTable", "render_paper"]


@dataclass(frozen=True)
class Cell:
    """A printed number, ours and its interval, as text; a dash where there is none."""

    printed: str
    ours: str
    interval: str = ""


@dataclass(frozen=True)
class PaperColumn:
    """A printed column, the metric of ours beside it, and the numbers of its footnotes; or one of ours alone."""

    name: str
    metric: str = ""
    marks: tuple[int, ...] = ()
    is_printed: bool = True


@dataclass(frozen=True)
class PaperRow:
    """A row as the paper calls it, which row of ours stands there, empty where none does, and a cell a column."""

    name: str
    ours: str
    cells: tuple[Cell, ...]
    marks: tuple[int, ...] = ()


@dataclass(frozen=True)
class PaperTable:
    """A table of the paper beside ours, a sentence on what ours was measured on, and `cautions` on its intervals."""

    source: str
    title: str
    measured_on: str
    columns: tuple[PaperColumn, ...]
    rows: tuple[PaperRow, ...]
    marks: tuple[int, ...] = ()
    cautions: tuple[str, ...] = ()


@dataclass(frozen=True)
class PaperFigure:
    """A picture as a data URL, and label -> colour in it; a `wide` one takes the whole width of the page."""

    caption: str
    url: str
    wide: bool = False
    legend: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PaperPage:
    """All that the page tells. `notes` are numbered from 1; `findings` have about, printed, implied and verdict."""

    name: str
    paper: str
    title: str
    citation: str
    warnings: tuple[str, ...]
    tables: tuple[PaperTable, ...]
    notes: tuple[str, ...]
    findings: Sequence[Any]
    figures: tuple[PaperFigure, ...]
    reports: Mapping[str, str]  # experiment -> link
    not_drawn: tuple[str, ...] = ()  # a sentence on each figure that a report had nothing to draw of
    demo: str = ""  # the command whose page stands for the paper's own program


def render_paper(page: PaperPage) -> str:
    """The page's HTML, self-contained but for the links to the experiments' reports."""
    return environment().get_template("paper.html").render(page=page)
