"""A card, or a table, as Markdown: the same content for people to read. Names of files and labels are text there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["as_markdown", "escaped", "table"]


def as_markdown(title: str, card: Mapping[str, Any], more: Iterable[str] = ()) -> str:
    """A heading a part of the card, `more` blocks at its end."""
    (_, body) = (card[key] for key in card)
    alone = {key: value for key, value in body.items() if not isinstance(value, (Mapping, list))}
    blocks = [f"# {escaped(title)}", _entries(alone)]
    for key, value in body.items():
        if isinstance(value, Mapping):
            blocks += [f"## {escaped(key)}", _entries(value)]
        elif isinstance(value, list):
            blocks += [f"## {escaped(key)}", *(_partition(one) for one in value)]
    written = f"In the form of an RSNA ATLAS card ({card['$schema']})."
    return "\n\n".join([*blocks, *more, written]) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the first column is text."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    cells = [[escaped(cell) for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in [[escaped(cell) for cell in lines[0]], lines[1], *cells])


def escaped(text: str) -> str:
    """Text in which nothing is markup, on one line."""
    flat = " ".join(str(text).split())
    flat = flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*|\[\]])", r"\\\1", flat)


def _entries(part: Mapping[str, Any]) -> str:
    return "\n".join(f"- **{escaped(key)}**: {_told(value)}" for key, value in part.items())


def _told(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{escaped(key)}: {_told(one)}" for key, one in value.items())
    if isinstance(value, list):
        return ", ".join(_told(one["Name"] if isinstance(one, Mapping) else one) for one in value)
    return escaped(value)


def _partition(one: Mapping[str, Any]) -> str:
    rows = [("All", one["Total"]), *((_named(row), row) for row in one.get("Subsets", ()))]
    counts = ("Patient count", "Exam count", "Series count", "Image count")
    head = ["", "Patients", "Examinations", "Series", "Images", "Age"]
    told = [[name, *(str(row.get(key, "")) for key in counts), _ages(row)] for name, row in rows]
    remarks = " ".join(filter(None, [one["Total"].get("Comments", ""), one.get("Comments", "")]))
    return "\n\n".join([f"### {escaped(one['Partition'])}", table(head, told), escaped(remarks)])


def _named(row: Mapping[str, Any]) -> str:
    return str(row.get("Sex") or row.get("Criterion") or "Age")


def _ages(row: Mapping[str, Any]) -> str:
    if "Age range" not in row:
        return ""
    (low, unit), (high, _) = row["Age range"]
    return f"{low} to {high} {unit}"
