"""A paper's pack as its command leaves it, and what its report has to show by the paper's facts and by leaderboards.

write_part(folder, "configs/papers/phantom/ma2020_detection.yaml", {"shared": {"epochs": 1}})
write_data(folder, "configs/data/phantom_cervical.yaml", patients=20)
ran = RanPack.of(folder, pack_file, number_of_reports)
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from pipeline.cli import app
from spine.core.privacy import salt_id
from spine.member.member import Patients
from tests.bright_detector import write_detector
from tests.figures_of_a_pixel import write_pixels
from tests.jobs_here import do_all_here

ROOT = Path(__file__).resolve().parents[1]
RUNS = "runs of the test"
NONE = "–"


def read(path: Path | str) -> Any:
    """A YAML file of the repository."""
    return yaml.safe_load((ROOT / path).read_text())


def write(path: Path, raw: Mapping[str, Any]) -> None:
    """Write YAML, its keys in their order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(raw, sort_keys=False))


def write_part(folder: Path, own: Path | str, changes: Mapping[str, Any]) -> None:
    """An experiment of the repository with changes, at the same place in `folder`.

    What it extends is that of `folder`, where that was written before.
    """
    raw = read(own)
    near = raw["extends"] if (folder / Path(own).parent / raw["extends"]).exists() else str(ROOT / own)
    write(folder / own, {"extends": near, "name": raw["name"], **changes})


def write_data(folder: Path, own: Path | str, **settings: Any) -> None:
    """A data config of generated data with other settings of the phantom, at the same place in `folder`."""
    config = read(own)
    config["phantom"]["settings"] |= settings
    write(folder / own, config)


def write_untrained(
    folder: Path, experiment: str, labels: Sequence[str], *things: tuple[float, float, float, int]
) -> None:
    """The external member `bright` of an experiment, which finds `things` of `tests.bright_detector`.

    It passes for what `spine two-stage` publishes, since that is the one detector that no experiment trains.
    """
    place = folder / RUNS / experiment / "members" / "bright"
    write_detector(place, labels, *things, patients=Patients(salt=salt_id()), kind="two-stage")


@dataclass(frozen=True)
class RanPack:
    """The folder in which a pack has run, what its file says of its report, and what the command printed."""

    folder: Path
    pack: Mapping[str, Any]
    printed: str

    @classmethod
    def of(cls, folder: Path, file: Path | str) -> RanPack:
        """Run the pack's file of `folder` by the command, in this process: what is tested are its tables."""
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            patch.setenv("SPINE_RUNS", RUNS)  # as the command does, which leaves it to a process that ends with it
            do_all_here(patch)
            write_pixels(patch)
            done = CliRunner().invoke(app, ["run", str(file), f"runs={RUNS}"], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return cls(folder, yaml.safe_load((folder / file).read_text())["pack"], done.stdout)

    @property
    def report(self) -> Path:
        """Where the report lies below the folder."""
        return Path(RUNS) / self.pack["name"] / "report.html"

    @cached_property
    def page(self) -> str:
        """The report."""
        return (self.folder / self.report).read_text()

    @cached_property
    def facts(self) -> Mapping[str, Any]:
        """The paper's printed tables."""
        return read(f"pipeline/papers/facts/{self.pack['paper']}.yaml").get("tables", {})

    @property
    def compared(self) -> list[tuple[Mapping[str, Any], list[str], list[list[str]]]]:
        """Each table as the pack describes it, its headings, and the texts of its rows."""
        tables = tables_of(self.page)
        return [
            (told, heads, rows) for told, (heads, _, *rows) in zip(self.pack.get("tables", ()), tables, strict=False)
        ]

    def rows_of(self, table: Mapping[str, Any]) -> list[str]:
        """The rows that a table has to have: the paper's, then those of ours alone."""
        printed = self.facts[table["printed"]]["rows"] if "printed" in table else {}
        return [*printed, *table.get("more", [])]

    def leaderboard(self, experiment: str, data: str | None = None) -> dict[str, dict[str, str]]:
        """Row -> column -> value, of the file that the experiment's evaluation wrote."""
        directory = self.folder / RUNS / experiment / ("evaluation" + (f"-{Path(data).name}" if data else ""))
        with (directory / "leaderboard.csv").open(newline="") as stream:
            return {row["name"]: row for row in csv.DictReader(stream)}

    def value(self, table: Mapping[str, Any], name: str, column: Mapping[str, Any] | None) -> str:
        """What a leaderboard has for a row and a column, as the page rounds it; a dash where nothing."""
        own = table.get("rows", {}).get(name, {"row": name})
        if own is None or column is None:
            return NONE
        experiment = own.get("experiment") or column.get("experiment") or table["experiment"]
        row = self.leaderboard(experiment, column.get("data")).get(own["row"])
        value = row[own.get("metric") or column["metric"]] if row else ""
        return shown(float(value), column) if value else NONE

    def assert_one_report(self, reports: int) -> None:
        """The command ends with the pack's report, whose links lead to that many others; nothing lies elsewhere."""
        assert self.printed.splitlines()[-1] == str(self.report)
        links = re.findall(r'<li><a href="([^"]+)">', self.page)
        assert len(links) == reports
        assert all((self.folder / self.report.parent / unescape(link)).is_file() for link in links)
        assert not list(self.folder.glob("runs/*"))  # all below `runs=`

    def assert_printed(self) -> None:
        """Every table has the paper's rows, columns and numbers."""
        for table, heads, rows in self.compared:
            printed = self.facts.get(table.get("printed"), {"columns": (), "rows": {}})
            columns = [*table.get("columns", {}), *table.get("extra", {})]
            names = self.rows_of(table)
            assert heads == ["", *(column.replace("_", " ") for column in columns)]
            assert [row[0].split(" ours: ")[0].strip() for row in rows] == [name.replace("_", " ") for name in names]
            for name, row in zip(names, rows, strict=True):
                numbers = dict(zip(printed["columns"], printed["rows"].get(name, ()), strict=False))
                told = [f"{numbers[column]:g}" if column in numbers else NONE for column in table.get("columns", {})]
                assert [printed for printed, _ in cells_of(table, row) if printed is not None] == told, (name, row)

    def assert_measured(self, least: int, others: Mapping[str, Mapping[str, float]] | None = None) -> None:
        """Every number of ours is a leaderboard's, or of the `others` (row -> metric -> value); at least so many."""
        count = 0
        for table, _, rows in self.compared:
            columns = [*table.get("columns", {}).values(), *table.get("extra", {}).values()]
            for name, row in zip(self.rows_of(table), rows, strict=True):
                for column, (_, told) in zip(columns, cells_of(table, row), strict=True):
                    known = (others or {}).get(name) if column else None
                    expected = shown(known[column["metric"]], column) if known else self.value(table, name, column)
                    assert told.split(" ")[0] == expected, (name, column)
                    count += expected != NONE
        assert count >= least


def cells_of(table: Mapping[str, Any], row: Sequence[str]) -> list[tuple[str | None, str]]:
    """What the paper printed, None in a column of ours alone, and ours, a column of the page's table each."""
    cells = iter(row[1:])
    printed = [(next(cells), next(cells)) for _ in table.get("columns", {})]
    return [*printed, *((None, ours) for ours in cells)]


def shown(value: float, column: Mapping[str, Any]) -> str:
    """A value in the unit of the printed column: percent with two digits, else three."""
    scale = column.get("scale", 100)
    return f"{scale * value:.{2 if scale == 100 else 3}f}"


def tables_of(html: str) -> list[list[list[str]]]:
    """Each table's rows as lists of cells' texts, the lines of a cell parted by spaces."""
    cells = re.compile(r"<t[dh][^>]*>(.*?)</t[dh]>", re.DOTALL)
    return [
        [[text(cell) for cell in cells.findall(row)] for row in re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)]
        for table in re.findall(r"<table>(.*?)</table>", html, re.DOTALL)
    ]


def text(cell: str) -> str:
    """A cell without its marks of notes."""
    without_notes = re.sub(r"<sup>.*?</sup>", "", cell, flags=re.DOTALL)
    return unescape(re.sub(r"<[^>]*>", " ", without_notes)).strip()
