"""What a paper printed: facts, weights and tables, one YAML file a paper in `facts/`, each value with its source."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources

from pydantic import Field, model_validator

from spine.core.near_names import unknown_name
from spine.core.problems import SpineError
from spine.core.strict import Strict, validate
from spine.core.yaml_files import parse_yaml

__all__ = ["PAPERS", "Fact", "Facts", "Note", "PrintedTable", "PrintedWeights", "read_facts"]

PAPERS = ("sayed2025_plid", "ma2020_cervical", "sci2024_cord", "tapkir_fracture", "levan2020_implant")


class Fact(Strict):
    """One number of a paper, its unit, and where it stands: a table, the abstract, or a part of the text."""

    value: float
    unit: str = ""
    source: str
    note: str = ""


class PrintedWeights(Strict):
    """The weights of an ensemble, by member, as printed."""

    source: str
    note: str = ""
    values: Mapping[str, float] = Field(min_length=1)


class PrintedTable(Strict):
    """A table of results: row -> a number a column."""

    source: str
    title: str
    columns: tuple[str, ...] = Field(min_length=1)
    rows: Mapping[str, tuple[float, ...]] = Field(min_length=1)

    @model_validator(mode="after")
    def _is_rectangular(self) -> PrintedTable:
        if wrong := [name for name, row in self.rows.items() if len(row) != len(self.columns)]:
            raise ValueError(f"row {wrong[0]!r} has not {len(self.columns)} numbers, one a column")
        return self

    def column(self, name: str) -> dict[str, float]:
        """Row -> its number."""
        place = self.columns.index(name)
        return {row: numbers[place] for row, numbers in self.rows.items()}

    def row(self, name: str) -> dict[str, float]:
        """Column -> the row's number."""
        return dict(zip(self.columns, self.rows[name], strict=True))


class Note(Strict):
    """What a reader must know `about` a table, or a row or column of it (`table.column`): a footnote there."""

    about: tuple[str, ...] = Field(min_length=1)
    text: str


class Facts(Strict):
    """All that one paper printed and that we use, and notes on where it contradicts itself or ours differs."""

    citation: str
    title: str
    facts: Mapping[str, Fact] = Field(default_factory=dict)
    weights: Mapping[str, PrintedWeights] = Field(default_factory=dict)
    tables: Mapping[str, PrintedTable] = Field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    @model_validator(mode="after")
    def _notes_are_about_something(self) -> Facts:
        for about in (one for note in self.notes for one in note.about):
            name, _, part = about.partition(".")
            table = self.tables.get(name)
            if table is None or (part and part not in (*table.rows, *table.columns)):
                raise ValueError(f"a note is about {about!r}, which is no table, row or column")
        return self

    def __getitem__(self, name: str) -> float:
        """The value of a fact."""
        return self.facts[name].value

    def whole(self, *names: str) -> tuple[int, ...]:
        """The values of facts that are counts."""
        return tuple(round(self[name]) for name in names)


@cache
def read_facts(paper: str) -> Facts:
    """The facts of a paper by its name; SpineError where the name is not known."""
    if paper not in PAPERS:
        raise SpineError(unknown_name("paper", paper, PAPERS))
    file = resources.files("pipeline.papers") / "facts" / f"{paper}.yaml"
    return validate(Facts, parse_yaml(file.read_text("utf-8")), str(file))
