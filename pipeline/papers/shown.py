"""What a paper printed, as tables for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.papers.facts import Facts, PrintedTable, PrintedWeights

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["fact_tables"]


def fact_tables(facts: Facts) -> list[Table]:
    """The facts with unit and source, then the weights of ensembles, then the tables of results."""
    return [
        _of_facts(facts),
        *(_of_weights(name, one) for name, one in facts.weights.items()),
        *(_of_table(one) for one in facts.tables.values()),
    ]


def _of_facts(facts: Facts) -> Table:
    table = _table(facts.citation, ("fact", "value", "source"))
    for name, fact in facts.facts.items():
        value = " ".join(filter(None, [f"{fact.value:g}", fact.unit]))
        source = f"{fact.source} ({fact.note})" if fact.note else fact.source
        table.add_row(name.replace("_", " "), value, source)
    return table


def _of_weights(name: str, weights: PrintedWeights) -> Table:
    table = _table(f"Weights of {name}, {weights.source}", tuple(weights.values))
    table.add_row(*(f"{weight:g}" for weight in weights.values.values()))
    table.caption = weights.note or None
    return table


def _of_table(printed: PrintedTable) -> Table:
    table = _table(f"{printed.source}: {printed.title}", ("", *(name.replace("_", " ") for name in printed.columns)))
    for name, row in printed.rows.items():
        table.add_row(name, *(f"{value:g}" for value in row))
    return table


def _table(title: str, headings: tuple[str, ...]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 1), title_justify="left", caption_justify="left")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table
