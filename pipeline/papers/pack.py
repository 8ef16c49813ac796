"""A paper's pack: a suite with the paper's name, the layout of the data it runs on, and its tables beside ours.

spine run configs/papers/sayed2025_plid.yaml data.root=/path/to/plid
spine run configs/papers/sayed2025_plid.yaml scale=phantom
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import Field, model_validator

from pipeline.papers.facts import Note, read_facts
from pipeline.papers.layout import Layout
from spine.core.near_names import did_you_mean
from spine.core.problems import SpineError
from spine.core.strict import Strict, validate
from spine.core.yaml_files import read_yaml
from spine.experiment.loading import Suite
from spine.experiment.stages import NAME

__all__ = ["ComparedColumn", "ComparedRow", "ComparedTable", "Pack", "TunedPart", "pack_of", "resolve_pack"]

ROOT, SCALE = "data.root", "scale"  # the overrides that are a pack's
RUNS = "SPINE_RUNS"  # where the data configs of a pack look for the detectors that it trained


class ComparedColumn(Strict):
    """Which metric of ours stands beside a printed column; of the table's experiment unless it names another.

    `data` is a dataset of the suite's `also`, on whose test split the members were judged too.
    """

    metric: str
    experiment: str = ""
    data: Path | None = None
    scale: float = 100  # ours times this is in the unit of what is printed


class ComparedRow(Strict):
    """Which row of ours stands beside a printed one; of the column's experiment and metric unless it names others."""

    row: str
    experiment: str = ""
    metric: str = ""


class ComparedTable(Strict):
    """A printed table, the experiment that has its rows, and what stands beside each column, null where nothing does.

    `rows` tells which of our rows a printed one is, where it is called otherwise, and null of one that is not run;
    `more` are rows, `extra` columns of ours alone; the row `source alone` is of `pipeline.papers.source_alone`. Where
    the paper prints no such table, `printed` is left out, and `title` says what ours is of.
    """

    printed: str = ""
    title: str = ""
    experiment: str
    rows: Mapping[str, ComparedRow | None] = Field(default_factory=dict)
    more: tuple[str, ...] = ()
    columns: Mapping[str, ComparedColumn | None] = Field(default_factory=dict)
    extra: Mapping[str, ComparedColumn] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_printed_or_ours_alone(self) -> ComparedTable:
        if bool(self.printed) == bool(self.title):
            raise ValueError("give printed, the name of a table of the paper, or title, of one that is ours alone")
        if self.title and (self.rows or self.columns):
            raise ValueError("rows and columns are of a printed table; of one that is ours alone give more and extra")
        if self.printed and not self.columns:
            raise ValueError("give columns, ours beside a printed one each")
        return self

    @property
    def name(self) -> str:
        """What notes call it."""
        return self.printed or self.title

    @property
    def all_columns(self) -> dict[str, ComparedColumn | None]:
        """The printed columns, then those of ours alone."""
        return {**self.columns, **self.extra}

    def row(self, name: str) -> ComparedRow | None:
        """Our row beside a printed one; None where it is not run."""
        return self.rows.get(name, ComparedRow(row=name))


class ComparedBars(Strict):
    """Columns of a compared table as bars side by side, a group a row: the paper's and ours."""

    title: str
    printed: str  # the table
    columns: Mapping[str, str] = Field(min_length=2)  # column -> what its bars are called


class TunedPart(Strict):
    """A member of an experiment's file whose settings are searched, and the setting whose values are compared."""

    experiment: Path
    member: str
    by: str


class Pack(Strict):
    """What a suite says as the pack of a `paper`; its report is `runs/<name>/report.html`."""

    paper: str
    name: str = Field(pattern=NAME)
    data: Layout | None = None  # none where the data are generated
    scales: Mapping[str, Path] = Field(default_factory=dict)  # by `scale=NAME` another pack's file runs instead
    tables: tuple[ComparedTable, ...] = ()
    bars: tuple[ComparedBars, ...] = ()
    tuned: tuple[TunedPart, ...] = ()  # searched on validation when the experiments have run
    demo: Path | None = None  # the experiment whose page by `spine demo` stands for the paper's own program
    figures: tuple[str, ...] = ()  # `experiment/picture`, pictures of their evaluations
    notes: tuple[Note, ...] = ()  # where this pack differs from the paper

    @model_validator(mode="after")
    def _compares_what_is_printed(self) -> Pack:
        printed = read_facts(self.paper).tables
        for table in (one for one in self.tables if one.printed):
            if table.printed not in printed:
                raise ValueError(f"tables has {table.printed!r}; the paper's are {', '.join(printed)}")
            known = printed[table.printed]
            for what, names, have in (("rows", table.rows, known.rows), ("columns", table.columns, known.columns)):
                if unknown := [name for name in names if name not in have]:
                    raise ValueError(f"{table.printed} has no {unknown[0]!r}; its {what} are {', '.join(have)}")
        return self

    @model_validator(mode="after")
    def _bars_are_of_compared_columns(self) -> Pack:
        compared = {table.printed: [name for name, one in table.columns.items() if one] for table in self.tables}
        for bars in self.bars:
            if bars.printed not in compared:
                raise ValueError(f"bars has {bars.printed!r}; the tables are {', '.join(compared)}")
            if unknown := [name for name in bars.columns if name not in compared[bars.printed]]:
                have = ", ".join(compared[bars.printed])
                raise ValueError(f"bars has {bars.printed}.{unknown[0]}; the columns there are {have}")
        return self


def pack_of(path: Path | str) -> Pack | None:
    """The pack of a suite's file; None where it is another file. SpineError where it does not hold."""
    raw = read_yaml(path)
    if "experiments" not in raw:
        return None
    suite = validate(Suite, raw, str(path))
    return validate(Pack, suite.pack, f"{path}, pack") if suite.pack else None


def resolve_pack(path: Path, overrides: Sequence[str], *, reads_data: bool = True) -> tuple[Path, list[str]]:
    """The file to run and the overrides that are left: `scale` picks another file, `data.root` says where data are.

    Of what is no pack both are returned as they are. Of a pack, places become environment variables, which its files
    name: the folder of its data, and `runs`, where its data configs find its detectors. SpineError where the scale is
    not known, there are no data to give a place for, or, of a command that `reads_data`, the folder lacks something
    that the pack reads: before anything is trained.
    """
    pack = pack_of(path)
    if pack is None:
        return path, list(overrides)
    given, left = _of_pack(path, overrides)
    if (scale := given.pop(SCALE, "")) not in ("", "full"):
        return resolve_pack(
            _of_scale(pack, scale), [*left, *(f"{key}={value}" for key, value in given.items())], reads_data=reads_data
        )
    if runs := [text.removeprefix("runs=") for text in left if text.startswith("runs=")]:
        os.environ[RUNS] = runs[-1]
    if pack.data is None and ROOT in given:
        raise SpineError(f"{path} runs on generated data; leave {ROOT} out, or scale={scale or 'phantom'}")
    if pack.data is not None:
        if root := given.get(ROOT):
            os.environ[pack.data.variable] = str(Path(root).expanduser().resolve())
        if reads_data:
            pack.data.require()
    return path, left


def _of_pack(path: Path, overrides: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The overrides that are the pack's own, by key, and those that are left; SpineError of one that is misspelt."""
    given: dict[str, str] = {}
    left: list[str] = []
    for text in overrides:
        key, _, value = text.partition("=")
        if key not in (ROOT, SCALE):
            if key.startswith("data.") or did_you_mean(key, (ROOT, SCALE)):
                raise SpineError(f"override {text!r}: {path} is a pack, whose own are {ROOT} and {SCALE}")
            left.append(text)
        elif not value.strip():
            what = "the folder of the data" if key == ROOT else "a scale"
            raise SpineError(f"override {text!r} is empty; give {what}, or leave {key} out")
        else:
            given[key] = value
    return given, left


def _of_scale(pack: Pack, scale: str) -> Path:
    known = ["full", *pack.scales]
    if scale not in pack.scales:
        raise SpineError(f"scale is {scale!r}; the pack has {', '.join(known)}{did_you_mean(scale, known)}")
    return pack.scales[scale]
