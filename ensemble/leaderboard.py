"""The leaderboard as people read it: a table in the terminal, a CSV beside metrics.json."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ensemble.evaluators.rows import Column
from ensemble.results.evaluation import Estimate, Evaluation
from ensemble.tasks import ENSEMBLE_TASKS
from spine.core.problems import write_sheet

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["leaderboard_table", "write_leaderboard"]


def leaderboard_table(evaluation: Evaluation) -> Table:
    """A compact table of metrics.json's rows, in the columns that the task's judge names."""
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    counts, named = evaluation.counts, ENSEMBLE_TASKS[evaluation.task].evaluator.columns(evaluation.labels)
    columns = [column for column in named if column.metric in evaluation.rows[0].metrics]
    footnotes = evaluation.footnotes([column.metric for column in columns])
    search = evaluation.search.describe(evaluation.names)
    notes = [*evaluation.warnings, *filter(None, [evaluation.caution_of_width, evaluation.describe_given])]
    table = Table(
        title=f"{escape(_where(evaluation))}: {counts.patients} test patients, {counts.units} {evaluation.units}, "
        f"{evaluation.bootstrap.confidence * 100:g} % intervals over patients",
        caption=escape("\n".join([*notes, *footnotes, *evaluation.decided, *search, *evaluation.verdicts])),
        caption_justify="left",
        box=SIMPLE_HEAD,
        padding=0,
    )
    for heading in ("", "weight", *(column.heading for column in columns)):
        table.add_column(
            escape(heading), justify="right" if heading else "left", no_wrap=bool(heading), overflow="fold"
        )
    for row in evaluation.table_rows:
        values = [_cell(row.metrics[column.metric], column) for column in columns]
        weight = "" if row.weight is None else f"{row.weight:.2f}"
        table.add_row(escape(row.name), weight, *values, style="bold" if row.kind == "ensemble" else None)
    return table


def write_leaderboard(evaluation: Evaluation, path: Path) -> None:
    """One line a row: name, kind, weight, counts, and every metric with the bounds of its interval."""
    import pandas as pd

    counts = evaluation.counts.model_dump(include={"patients", "units", "rows"})
    rows = [
        {"name": row.name, "kind": row.kind, "weight": row.weight}
        | counts
        | {
            name + suffix: value
            for name, one in row.metrics.items()
            for suffix, value in (("", one.value), ("_low", one.low), ("_high", one.high))
        }
        for row in evaluation.table_rows
    ]
    reasons = [row.reasons for row in evaluation.table_rows]
    table = pd.DataFrame(rows)
    write_sheet(table.assign(undefined=reasons) if any(reasons) else table, path)


def _where(evaluation: Evaluation) -> str:
    """The experiment, and the dataset where it is another than its own."""
    return evaluation.experiment + (f" on {evaluation.dataset}" if evaluation.is_of_other_dataset else "")


def _cell(estimate: Estimate, column: Column) -> str:
    value = "–" if estimate.value is None else f"{estimate.value:z.3f}"
    if not column.interval or estimate.low is None:
        return value
    return f"{value} ({estimate.low:z.2f}–{estimate.high:z.2f})"
