"""What is written of many studies, a part at a time, each of them whole or not there.

OUTPUT/answers.json                   which model answered, and how pictures were chosen
OUTPUT/parts/part[-I-of-N]-NUMBER/    findings, pictures and measurements (.parquet), masks/, warnings.csv, sources.csv
OUTPUT/failed[-I-of-N].csv            studies that could not be answered by the last run, and why

`sources.csv` alone leads from pseudonyms to studies and files, and tells what is done.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.bulk.paths import as_path, as_text
from pipeline.bulk.shard import Shard
from pipeline.bulk.studies import Study
from pipeline.bulk.tables import Rows, Tables
from spine.core.files import atomic_directory, read_json, write_json
from spine.core.problems import Problem, SpineError, printable, write_sheet

__all__ = [
    *("STUDIES_A_PART", "Answered", "Failure", "Parts", "answered_in", "failed_of", "is_answers", "require_same"),
    *("begin", "failures_in", "warned_in"),
]

STUDIES_A_PART = 500
SECONDS_A_PART = 300.0  # what a run that is killed may lose
_ABOUT = "answers.json"
_SOURCES = ("study", "source", "picture", "file", "note")


@dataclass
class Answered:
    """What is written of one study: its rows, of each of its pictures the file and why it was chosen, PNGs of masks by
    their name, and what is worth a look.
    """

    study: Study
    rows: Rows = field(default_factory=Rows)
    files: dict[int, tuple[str, str]] = field(default_factory=dict)
    masks: dict[str, bytes] = field(default_factory=dict)
    warnings: list[Problem] = field(default_factory=list)


@dataclass(frozen=True)
class Failure:
    """A study that could not be answered, and one reason."""

    study: Study
    problem: Problem


class Parts:
    """Takes what was answered, and writes it when there is enough of it, or a part has been open for some minutes."""

    def __init__(self, output: Path, shard: Shard, tables: Tables, studies_a_part: int = 0) -> None:
        self.output, self.shard, self.tables, self.most = output, shard, tables, studies_a_part or STUDIES_A_PART
        self.failures: list[Failure] = []
        self._open: list[Answered] = []
        self._since = time.monotonic()

    def add(self, answered: Answered) -> None:
        """Take a study, whole."""
        if not self._open:
            self._since = time.monotonic()
        self._open.append(answered)

    def fail(self, study: Study, problems: Iterable[Problem]) -> None:
        """Take note of a study that could not be answered."""
        self.failures += [Failure(study, problem) for problem in problems]

    @property
    def is_due(self) -> bool:
        """Whether the part should be written now."""
        is_old = time.monotonic() - self._since > SECONDS_A_PART
        return len(self._open) >= self.most or (bool(self._open) and is_old)

    def write(self) -> None:
        """Write what was taken as one part, nothing where nothing was; and list what failed."""
        if self._open:
            self._write_part()
        _list([(one.study, one.problem) for one in self.failures], failed_of(self.output, self.shard))

    def _write_part(self) -> None:
        rows = Rows()
        with atomic_directory(self._next()) as folder:
            for one in self._open:
                rows += one.rows
                for name, png in one.masks.items():
                    (folder / name).parent.mkdir(exist_ok=True)
                    (folder / name).write_bytes(png)
            self.tables.write(rows, folder)
            _list([(one.study, warning) for one in self._open for warning in one.warnings], folder / "warnings.csv")
            _write_sources(self._open, folder / "sources.csv")
        self._open = []

    def _next(self) -> Path:
        """The first name that is free: the same one that a run had begun which was killed."""
        stem = f"part{self.shard.suffix}"
        taken = [int(path.name.rpartition("-")[2]) for path in (self.output / "parts").glob(f"{stem}-[0-9]*")
                 if path.name.removeprefix(f"{stem}-").isdecimal()]  # fmt: skip
        return self.output / "parts" / f"{stem}-{max(taken, default=-1) + 1:05d}"


def _list(problems: Sequence[tuple[Study, Problem]], path: Path) -> None:
    """List what is wrong with studies; where nothing is, the list of a run before is gone."""
    if not problems:
        path.unlink(missing_ok=True)
        return
    rows = [
        {"study": study.name, "source": as_text(study.source), **asdict(problem), "path": as_text(problem.path)}
        for study, problem in problems
    ]
    write_sheet(pd.DataFrame(rows).drop(columns="severity"), path)


def _write_sources(answered: Sequence[Answered], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(_SOURCES)
        for one in answered:
            study, source = one.study.name, as_text(one.study.source)
            writer.writerows(
                (study, source, number, as_text(file), printable(note)) for number, (file, note) in one.files.items()
            )


def failed_of(output: Path, shard: Shard) -> Path:
    """The list of a shard's studies that failed."""
    return output / f"failed{shard.suffix}.csv"


def failures_in(output: Path, shard: Shard) -> int:
    """How many studies of a shard failed in its last run."""
    listed = failed_of(output, shard)
    return len({row["study"] for row in _rows(listed)}) if listed.exists() else 0


def answered_in(output: Path) -> set[str]:
    """The studies, by their sources, that the parts of a directory hold, whoever wrote them."""
    return {as_path(row["source"]) for path in output.glob("parts/part-*/sources.csv") for row in _rows(path)}


def warned_in(output: Path) -> set[str]:
    """The studies, by their pseudonyms, that have warnings in the parts of a directory."""
    return {row["study"] for path in output.glob("parts/part-*/warnings.csv") for row in _rows(path)}


def _rows(path: Path) -> Iterator[Mapping[str, str]]:
    # Tables that were written before have names as their bytes are.
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as stream:
        yield from csv.DictReader(stream)


def is_answers(directory: Path) -> bool:
    """Whether a directory is one of answers."""
    return (directory / _ABOUT).is_file()


def require_same(output: Path, about: Mapping[str, Any]) -> None:
    """SpineError where the output is no directory, or holds answers of another model, or by other settings."""
    if output.exists() and not output.is_dir():
        raise SpineError(f"--output {output} is a file; give a directory, which is made where it is not there")
    there = read_json(output / _ABOUT) if is_answers(output) else about
    added = {"studies_from"} - there.keys()  # older versions did not note it
    if other := [key for key, value in about.items() if key not in added and there.get(key) != value]:
        told = ", ".join(f"{key} {_brief(there.get(key))} where this run has {_brief(about[key])}" for key in other)
        raise SpineError(f"{output} holds answers with {told}; give another --output")


def begin(output: Path, about: Mapping[str, Any]) -> None:
    """Note what the answers of a directory have in common; SpineError as of `require_same`."""
    require_same(output, about)  # again: another process may have begun meanwhile
    if not is_answers(output):
        write_json(dict(about), output / _ABOUT)


def _brief(value: Any) -> str:
    """As a person may compare it: the first digits of a hash are enough."""
    return repr(value[:12] if isinstance(value, str) and len(value) == 64 else value)
