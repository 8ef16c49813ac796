"""The rows of a CSV file with a header, each with the place that problems name; empty rows are none."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from spine.annotations.collector import Collector
from spine.annotations.text_file import read_text
from spine.annotations.types import Malformed
from spine.core.problems import SpineError, brief

__all__ = ["Row", "rows_of"]

Row = dict[str, str]

_GROWTH = 4  # bytes in memory of one of the file, about: its text, and the rows that are kept of it
_SEPARATORS = (",", ";", "\t", "|")
_MOST_SHOWN = 20  # columns that a message lists


def rows_of(collector: Collector, path: Path, columns: Collection[str], separator: str) -> Iterator[tuple[str, Row]]:
    """Rows of stripped cells; those in which all `columns` are empty are none, and those that do not hold are problems.

    SpineError where the header lacks a column or has it twice; Malformed where the file is no table.
    """
    if not path.is_file():
        raise SpineError(f"{path} is not a file; give a CSV table")
    text = read_text(path, grows=_GROWTH, lenient=True)
    lines = _lines(path, text, separator)
    header = next((cells for _, cells in lines if isinstance(cells, Malformed) or any(cells)), [])
    if isinstance(header, Malformed):
        raise Malformed(f"has a header that {header}{_other_separator(text, columns)}", header.advice)
    if not header:
        raise Malformed("is empty; it has no header", "save it again as CSV")
    _check_header(header, columns, path, text)
    for where, cells in lines:
        row: Row = {}
        with collector.guard(where, nameless=True):
            row = dict(zip(header, _fitted(cells, header), strict=True))
        if any(row.get(name) for name in columns):
            yield where, row


def _check_header(header: Sequence[str], columns: Collection[str], path: Path, text: str) -> None:
    missing = [name for name in columns if name not in header]
    if missing:
        told = brief(", ".join(header[:_MOST_SHOWN]) + (", ..." if len(header) > _MOST_SHOWN else ""), 400)
        reason = f"lacks the columns {', '.join(missing)}; it has {told}{_other_separator(text, columns)}"
        raise SpineError(f"{path} {reason}")
    twice = [name for name in columns if header.count(name) > 1]
    if twice:
        raise SpineError(f"{path} has the column {twice[0]!r} twice; rename one of them")


def _other_separator(text: str, columns: Collection[str]) -> str:
    """What to set, where the first line has the columns once it is parted by another sign."""
    line = text.partition("\n")[0].strip()
    parted = {sign: {name.strip(' "') for name in line.split(sign)} for sign in _SEPARATORS}
    right = [sign for sign, names in parted.items() if set(columns) <= names]
    return f"; its cells are parted by {right[0]!r}: set `separator` to that" if right else ""


def _fitted(cells: list[str] | Malformed, header: Sequence[str]) -> list[str]:
    """As many cells as the header has: separators at the end of a row or of the header part nothing."""
    if isinstance(cells, Malformed):
        raise cells
    if not any(cells):
        return [""] * len(header)
    if undecoded := next((cell for cell in cells if not cell.isascii() and _is_undecoded(cell)), ""):
        told = undecoded.encode("utf-8", "surrogateescape")
        raise Malformed(f"holds bytes that are no UTF-8: {brief(str(told), 60)}", "save it again as CSV in UTF-8")
    beyond, lacking = cells[len(header) :], header[len(cells) :]
    if any(beyond) or any(lacking):
        reason = f"has {len(cells)} cells where the header has {len(header)}"
        raise Malformed(reason, "correct the row; quote cells that hold the separator")
    return [*cells[: len(header)], *("" for _ in lacking)]


def _is_undecoded(cell: str) -> bool:
    return any("\udc80" <= letter <= "\udcff" for letter in cell)


def _lines(path: Path, text: str, separator: str) -> Iterator[tuple[str, list[str] | Malformed]]:
    # strict: an open quote would else swallow the lines after it in silence
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    while True:
        first = rows.line_num + 1
        try:
            cells = next(rows, None)
        except csv.Error as error:
            last = f", read up to line {rows.line_num}" if rows.line_num > first else ""
            yield (
                f"{path}: line {first}",
                Malformed(f"is no row of CSV: {error}{last}", "correct the quotes of the row"),
            )
            continue
        if cells is None:
            return
        yield f"{path}: line {rows.line_num}", [cell.strip() for cell in cells]
