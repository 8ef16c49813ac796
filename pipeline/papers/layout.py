"""How a pack's data lie in the user's folder, and what is missing there."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from spine.core.problems import SpineError
from spine.core.strict import Strict

__all__ = ["Layout"]


class Layout(Strict):
    """The environment `variable` that names the folder, where it lies unless set, and what it `holds`.

    `holds` is path -> what it is; a table, whose path ends in .csv, names its columns there, parted by commas. All
    paths are below the folder.
    """

    variable: str = Field(pattern=r"^[A-Z][A-Z0-9_]*$")
    default: Path
    holds: Mapping[str, str] = Field(min_length=1)

    @property
    def root(self) -> Path:
        """The folder."""
        return Path(os.environ.get(self.variable) or self.default)

    def missing(self) -> list[str]:
        """A sentence on each thing that is not there; empty where all are."""
        return [told for path, what in self.holds.items() if (told := _missing(self.root / path, what))]

    def require(self) -> None:
        """SpineError that lists all that is missing, and how to say where the folder is."""
        if not self.root.is_dir():
            raise SpineError(
                f"{self.root} is no folder; say where the data are by data.root=DIR or the variable {self.variable}, "
                "or run on generated data by scale=phantom. The folder holds\n" + self._described
            )
        if missing := self.missing():
            raise SpineError("\n".join([f"{self.root} lacks what this pack reads:", *(f"  {one}" for one in missing)]))

    @property
    def _described(self) -> str:
        return "\n".join(f"  {path}: {what}" for path, what in self.holds.items())


def _missing(path: Path, what: str) -> str:
    if not path.exists():
        return f"{path} is not there: {what}"
    if path.suffix == ".csv":
        return _missing_columns(path, what)
    if path.is_dir() and not any(file.is_file() for file in path.rglob("*")):
        return f"{path} is empty: {what}"
    return ""


def _missing_columns(path: Path, what: str) -> str:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            header = next(csv.reader(stream), [])
            rows = next(csv.reader(stream), None)
    except (OSError, UnicodeDecodeError) as error:
        return f"{path} cannot be read ({error}): {what}"
    wanted = [name.strip() for name in what.split(",")]
    if lacking := [name for name in wanted if name not in [one.strip() for one in header]]:
        return f"{path} has no column {', '.join(lacking)}; its columns are {', '.join(header) or 'none'}"
    return "" if rows else f"{path} has no row below its header"
