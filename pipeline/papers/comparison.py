"""The tables of a paper beside what our experiments measured, and bars of them; notes are numbered in the order met."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ensemble.experiment_run import ExperimentRun
from ensemble.report.paper import Cell, PaperColumn, PaperRow, PaperTable
from ensemble.report.paper_bars import Bar, Bars
from ensemble.results.evaluation import Estimate, Evaluation
from ensemble.results.few_patients import caution_of_width
from pipeline.papers.facts import Facts, Note, PrintedTable
from pipeline.papers.pack import ComparedBars, ComparedColumn, ComparedRow, ComparedTable, Pack
from pipeline.papers.source_alone import SOURCE_ALONE, source_alone
from spine.core.problems import SpineError
from spine.experiment.config import Experiment

__all__ = ["NONE", "Comparison", "Measured"]

Place = tuple[str, Path | None]  # an experiment, and another dataset on which it was judged
NONE = "–"  # in place of a number


@dataclass
class Measured:
    """What our experiments measured on test patients, each file read once."""

    experiments: Mapping[str, Experiment]
    _read: dict[Place, Evaluation] = field(default_factory=dict)
    _of_sources: dict[str, dict[str, Estimate]] = field(default_factory=dict)

    def evaluation(self, name: str, data: Path | None = None) -> Evaluation:
        """Of an experiment, on its own dataset or on `data`; SpineError where the pack does not run it."""
        if name not in self.experiments:
            raise SpineError(f"the pack compares {name!r}, and its experiments are {', '.join(self.experiments)}")
        if (name, data) not in self._read:
            self._read[name, data] = ExperimentRun(self.experiments[name]).evaluation(data)
        return self._read[name, data]

    def estimate(self, name: str, row: str, metric: str, data: Path | None = None) -> Estimate | None:
        """A metric of a row; None where the experiment has no such row. SpineError where it has no such metric."""
        metrics = self._source_alone(name, data) if row == SOURCE_ALONE else self._metrics(name, row, data)
        if metrics is None:
            return None
        if metric not in metrics:
            raise SpineError(f"{name} has no metric {metric!r}; it has {', '.join(metrics)}")
        return metrics[metric]

    def _metrics(self, name: str, row: str, data: Path | None) -> Mapping[str, Estimate] | None:
        return next((one.metrics for one in self.evaluation(name, data).rows if one.name == row), None)

    def _source_alone(self, name: str, data: Path | None) -> Mapping[str, Estimate] | None:
        if data:  # other pictures, of which it knows no source
            return None
        if name not in self._of_sources:
            self._of_sources[name] = source_alone(ExperimentRun(self.experiments[name]))
        return self._of_sources[name]


@dataclass
class Comparison:
    """The tables of one page."""

    facts: Facts
    pack: Pack
    measured: Measured
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
        printed, name = self._printed(compared), compared.name
        places = self._places(compared)
        marks = self._marks(name)
        columns = tuple(
            PaperColumn(
                name=column.replace("_", " "),
                metric=one.metric.replace("_", " ") if one else "",
                marks=self._marks(f"{name}.{column}"),
                is_printed=column in compared.columns,
            )
            for column, one in compared.all_columns.items()
        )
        return PaperTable(
            source=printed.source,
            title=printed.title,
            measured_on=self._measured_on(places),
            columns=columns,
            rows=tuple(self._row(compared, printed, row) for row in (*printed.rows, *compared.more)),
            marks=marks,
            cautions=(*self._cautions(places), *filter(None, [caution_of_width(self._estimates(compared, printed))])),
        )

    def _printed(self, compared: ComparedTable) -> PrintedTable:
        """What the paper prints there; where it prints nothing, a table without rows and columns."""
        if compared.printed:
            return self.facts.tables[compared.printed]
        return PrintedTable.model_construct(source="Not printed", title=compared.title, columns=(), rows={})

    def bars(self, bars: ComparedBars) -> tuple[list[str], list[Bars]]:
        """The rows of a table that are printed or ours, and their bars."""
        compared = next(table for table in self.pack.tables if table.printed == bars.printed)
        printed = self.facts.tables[bars.printed]
        rows = (*printed.rows, *compared.more)
        several = [
            Bars(
                name,
                tuple(Bar(printed.row(row)[column] if row in printed.rows else None) for row in rows),
                tuple(self._bar(compared, row, compared.columns[column]) for row in rows),
            )
            for column, name in bars.columns.items()
        ]
        return [row.replace("_", " ") for row in rows], several

    def _bar(self, compared: ComparedTable, row: str, column: ComparedColumn | None) -> Bar:
        estimate = self._ours(compared, compared.row(row), column)
        if column is None or estimate is None or estimate.value is None:
            return Bar()
        scaled = (None if one is None else column.scale * one for one in (estimate.value, estimate.low, estimate.high))
        return Bar(*scaled)

    def _places(self, compared: ComparedTable) -> list[Place]:
        """What the table's numbers are of, each once."""
        places: dict[Place, None] = {(compared.experiment, None): None}
        for one in filter(None, compared.all_columns.values()):
            places[one.experiment or compared.experiment, one.data] = None
        for row in compared.rows.values():
            if row and row.experiment:
                places[row.experiment, None] = None
        return list(places)

    def _measured_on(self, places: Sequence[Place]) -> str:
        return f"Ours of {'; '.join(map(self._told, places))}. Below each value its interval over patients."

    def _told(self, place: Place) -> str:
        one = self.measured.evaluation(*place)
        return f"{_called(place)}: {one.counts.patients} test patients, {one.counts.units} {one.units}"

    def _cautions(self, places: Sequence[Place]) -> tuple[str, ...]:
        """What to keep in mind of the intervals, each sentence once, with whose they are unless they are of all."""
        of: dict[str, list[str]] = {}
        for place in places:
            of.setdefault(self.measured.evaluation(*place).caution, []).append(_called(place))
        told = {caution: names for caution, names in of.items() if caution}
        return tuple(
            caution if len(names) == len(places) else f"{', '.join(names)}: {caution}"
            for caution, names in told.items()
        )

    def _estimates(self, compared: ComparedTable, printed: PrintedTable) -> Iterator[Estimate]:
        """All that stand beside printed numbers."""
        for name in (*printed.rows, *compared.more):
            found = (self._ours(compared, compared.row(name), one) for one in compared.all_columns.values())
            yield from (one for one in found if one is not None)

    def _row(self, compared: ComparedTable, printed: PrintedTable, name: str) -> PaperRow:
        own = compared.row(name)
        numbers = printed.row(name) if name in printed.rows else {}
        cells = tuple(
            Cell(
                f"{numbers[column]:g}" if column in numbers else NONE,
                *_as_text(self._ours(compared, own, one), one.scale if one else 1),
            )
            for column, one in compared.all_columns.items()
        )
        is_run = any(cell.ours != NONE for cell in cells)
        return PaperRow(
            name=name.replace("_", " "),
            ours=(own.row if own and own.row != name and is_run else ""),
            cells=cells,
            marks=self._marks(f"{compared.name}.{name}"),
        )

    def _ours(self, compared: ComparedTable, own: ComparedRow | None, column: ComparedColumn | None) -> Estimate | None:
        """What stands beside a printed number; None where this pack has no such row or column."""
        if own is None or column is None:
            return None
        experiment = own.experiment or column.experiment or compared.experiment
        return self.measured.estimate(experiment, own.row, own.metric or column.metric, column.data)


def _called(place: Place) -> str:
    name, data = place
    return f"{name} on {data.name}" if data else name


def _as_text(estimate: Estimate | None, scale: float) -> tuple[str, str]:
    """A value and its interval; a dash where there is none."""
    if estimate is None or estimate.value is None:
        return NONE, ""
    digits = 2 if scale == 100 else 3
    told = f"{scale * estimate.value:.{digits}f}"
    if estimate.low is None or estimate.high is None or scale != 100:
        return told, ""
    return told, f"{scale * estimate.low:.1f}–{scale * estimate.high:.1f}"
