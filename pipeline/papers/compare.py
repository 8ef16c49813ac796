"""A pack's report: the paper's tables beside what our experiments measured, with footnotes where they matter."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ensemble.experiment_run import ExperimentRun
from ensemble.report.paper import Cell, PaperColumn, PaperFigure, PaperPage, PaperRow, PaperTable, render_paper
from ensemble.results.evaluation import Evaluation
from pipeline.papers.check import check_paper
from pipeline.papers.facts import Facts, Note, PrintedTable, read_facts
from pipeline.papers.pack import ComparedRow, ComparedTable, Pack
from spine.core.files import atomic_file
from spine.core.problems import SpineError
from spine.experiment.config import Experiment

__all__ = ["paper_page", "write_paper_report"]

NONE = "–"
GENERATED = (
    "Generated data and reduced networks: these figures show that the pack runs from end to end. They say nothing of "
    "patients, and nothing of the paper's."
)


def write_paper_report(pack: Pack, experiments: Sequence[Experiment]) -> Path:
    """Write `runs/<pack>/report.html` from the experiments' evaluations; SpineError where one was not evaluated."""
    path = experiments[0].runs / pack.name / "report.html"
    page = paper_page(pack, {one.name: one for one in experiments}, path.parent)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as temporary:
        temporary.write_text(render_paper(page), encoding="utf-8")
    return path


def paper_page(pack: Pack, experiments: Mapping[str, Experiment], directory: Path) -> PaperPage:
    """What the page tells; links to the experiments' reports are relative to the `directory` it lies in."""
    facts = read_facts(pack.paper)
    comparison = _Comparison(facts, pack, {name: ExperimentRun(one).evaluation() for name, one in experiments.items()})
    return PaperPage(
        name=pack.name,
        paper=pack.paper,
        title=facts.title,
        citation=facts.citation,
        warnings=() if pack.data else (GENERATED,),
        tables=tuple(comparison.table(table) for table in pack.tables),
        notes=comparison.texts,
        findings=[one for one in check_paper(pack.paper) if one.verdict != "agrees"],
        figures=tuple(_figure(text, experiments) for text in pack.figures),
        reports={name: os.path.relpath(one.directory / "report.html", directory) for name, one in experiments.items()},
    )


@dataclass
class _Comparison:
    """The tables of one page; notes are numbered in the order in which the tables need them."""

    facts: Facts
    pack: Pack
    evaluations: Mapping[str, Evaluation]
    shown: list[Note] = field(default_factory=list)

    @property
    def texts(self) -> tuple[str, ...]:
        """The notes' texts: those with a mark by their numbers, then the others."""
        others = [note for note in self._notes if note not in self.shown]
        return tuple(note.text for note in (*self.shown, *others))

    @property
    def _notes(self) -> tuple[Note, ...]:
        return (*self.facts.notes, *self.pack.notes)

    def _marks(self, about: str) -> tuple[int, ...]:
        notes = [note for note in self._notes if about in note.about]
        self.shown += [note for note in notes if note not in self.shown]
        return tuple(1 + self.shown.index(note) for note in notes)

    def table(self, compared: ComparedTable) -> PaperTable:
        """A printed table beside ours."""
        printed, name = self.facts.tables[compared.printed], compared.printed
        marks = self._marks(name)
        columns = tuple(
            PaperColumn(column.replace("_", " "), one.metric.replace("_", " "), self._marks(f"{name}.{column}"))
            for column, one in compared.all_columns.items()
        )
        return PaperTable(
            source=printed.source,
            title=printed.title,
            measured_on=self._measured_on(compared),
            columns=columns,
            rows=tuple(self._row(compared, printed, row) for row in (*printed.rows, *compared.more)),
            marks=marks,
        )

    def _measured_on(self, compared: ComparedTable) -> str:
        others = [*compared.all_columns.values(), *compared.rows.values()]
        names = dict.fromkeys([compared.experiment, *(one.experiment for one in others if one and one.experiment)])
        told = [
            f"{name}: {one.counts.patients} test patients, {one.counts.units} {one.units}"
            for name, one in ((name, self._evaluation(name)) for name in names)
        ]
        return f"Ours of {'; '.join(told)}. Below each value its interval over patients."

    def _row(self, compared: ComparedTable, printed: PrintedTable, name: str) -> PaperRow:
        own = compared.row(name)
        numbers = printed.row(name) if name in printed.rows else {}
        cells = []
        for column, one in compared.all_columns.items():
            told = f"{numbers[column]:g}" if column in numbers else NONE
            ours = self._ours(own, one.experiment or compared.experiment, one.metric, one.scale)
            cells.append(Cell(told, *ours))
        is_run = any(cell.ours != NONE for cell in cells)
        return PaperRow(
            name=name.replace("_", " "),
            ours=(own.row if own and own.row != name and is_run else ""),
            cells=tuple(cells),
            marks=self._marks(f"{compared.printed}.{name}"),
        )

    def _ours(self, own: ComparedRow | None, experiment: str, metric: str, scale: float) -> tuple[str, str]:
        """A value and its interval, as text; a dash where this pack has no such row."""
        if own is None:
            return NONE, ""
        row = next((row for row in self._evaluation(own.experiment or experiment).rows if row.name == own.row), None)
        if row is None:
            return NONE, ""
        metric = own.metric or metric
        if metric not in row.metrics:
            raise SpineError(f"{experiment} has no metric {metric!r}; it has {', '.join(row.metrics)}")
        one, digits = row.metrics[metric], 2 if scale == 100 else 3
        if one.value is None:
            return NONE, ""
        interval = "" if one.low is None or one.high is None else f"{scale * one.low:.1f}–{scale * one.high:.1f}"
        return f"{scale * one.value:.{digits}f}", interval if scale == 100 else ""

    def _evaluation(self, name: str) -> Evaluation:
        if name not in self.evaluations:
            raise SpineError(f"the pack compares {name!r}, and its experiments are {', '.join(self.evaluations)}")
        return self.evaluations[name]


def _figure(text: str, experiments: Mapping[str, Experiment]) -> PaperFigure:
    """A picture of an experiment's evaluation, told as `experiment/picture`."""
    name, _, picture = text.partition("/")
    if name not in experiments:
        raise SpineError(f"the pack shows {text!r}, and its experiments are {', '.join(experiments)}")
    path = experiments[name].evaluation_directory / f"{picture}.png"
    if not path.exists():
        raise SpineError(f"{path} does not exist; run `spine report` of {name}, or leave the figure out")
    content = base64.b64encode(path.read_bytes()).decode()
    return PaperFigure(f"{name}: {picture.replace('_', ' ')}", f"data:image/png;base64,{content}")
