"""The leaderboard as people read it: a table in the terminal, a CSV beside metrics.json."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ensemble.contenders import JUDGES
from ensemble.judge.rows import Column
from ensemble.undefined import footnotes, reasons_of
from ensemble.worth import told
from spine.problems import write_sheet

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["leaderboard_table", "write_leaderboard"]


def leaderboard_table(found: dict[str, Any]) -> Table:
    """A compact table of metrics.json's rows, in the columns that the task's judge names."""
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    counts, columns = found["counts"], JUDGES[found["task"]].columns(found["labels"])
    table = Table(
        title=f"{escape(_where(found))}: {counts['patients']} test patients, {counts['units']} {found['units']}, "
        f"{found['bootstrap']['confidence'] * 100:g} % intervals over patients",
        caption=escape(
            "\n".join(
                [*found["notes"], *_footnotes(found, columns), told(found["search"], found["names"]), found["verdict"]]
            )
        ),
        caption_justify="left",
        box=SIMPLE_HEAD,
        padding=0,
    )
    for heading in ("", "weight", *(column.heading for column in columns)):
        table.add_column(
            escape(heading), justify="right" if heading else "left", no_wrap=bool(heading), overflow="fold"
        )
    for row in found["rows"]:
        values = [_cell(row["metrics"][column.metric], column) for column in columns]
        weight = "" if row["weight"] is None else f"{row['weight']:.2f}"
        table.add_row(escape(row["name"]), weight, *values, style="bold" if row["kind"] == "ensemble" else None)
    return table


def write_leaderboard(found: dict[str, Any], path: Path) -> None:
    """One line a row: name, kind, weight, counts, and every metric with the bounds of its interval."""
    import pandas as pd

    counts = {key: found["counts"][key] for key in ("patients", "units", "rows")}
    rows = [
        {key: row[key] for key in ("name", "kind", "weight")}
        | counts
        | {
            name + suffix: value[key]
            for name, value in row["metrics"].items()
            for suffix, key in (("", "value"), ("_low", "low"), ("_high", "high"))
        }
        for row in found["rows"]
    ]
    reasons = [reasons_of(row) for row in found["rows"]]
    table = pd.DataFrame(rows)
    write_sheet(table.assign(undefined=reasons) if any(reasons) else table, path)


def _footnotes(found: dict[str, Any], columns: list[Column]) -> list[str]:
    return footnotes(found, [column.metric for column in columns])


def _where(found: dict[str, Any]) -> str:
    """The experiment, and the dataset where it is another than its own."""
    return found["experiment"] + (f" on {found['dataset']}" if "against_own_dataset" in found else "")


def _cell(found: dict[str, Any], column: Column) -> str:
    value = "–" if found["value"] is None else f"{found['value']:.3f}"
    if not column.interval or found["low"] is None:
        return value
    return f"{value} ({found['low']:.2f}–{found['high']:.2f})"
