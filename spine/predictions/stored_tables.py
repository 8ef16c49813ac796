"""The two tables of stored predictions, read strictly: `predictions.json`, its head, and `index.csv`, its samples.

Whatever wrote them may be foreign: a key or column more or less, an empty name, a number that is none, a sample named
twice, or an offset that points elsewhere is refused by name.
"""

from __future__ import annotations

import csv
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, StrictStr, field_validator

from spine.core.files import read_json, write_json
from spine.core.json_models import of_shape
from spine.core.numbers import whole
from spine.core.problems import SpineError, one_file
from spine.core.tables import write_table

__all__ = [
    *("INDEX", "LAYOUTS", "PREDICT", "Head", "Layout"),
    *("lengths_of", "places", "read_head", "read_index", "rows_of", "write_tables"),
]

INDEX = ("sample", "patient", "height", "width", "offset")
PREDICT = "run `spine predict EXPERIMENT` again, or write it again as docs/foreign_members.md shows"
LARGEST = 2**31  # pixels along an edge, or rows: nothing that is stored has as many


@dataclass(frozen=True)
class Layout:
    """The `arrays` that a task's predictions are stored in, name -> type, and whether they have a row a pixel of a
    sample; else a row a sample, or of boxes as many as it has.
    """

    arrays: Mapping[str, str]
    per_pixel: bool = False

    def rows(self, heights: np.ndarray, widths: np.ndarray) -> np.ndarray:
        """The rows (N,) of probabilities of samples of these sizes."""
        return heights * widths if self.per_pixel else np.ones(len(heights), np.int64)


# By the name that stands in predictions.json: whoever opens a directory knows nothing else of its task.
LAYOUTS: dict[str, Layout] = {
    "classification": Layout({"probabilities": "<f4"}),
    "segmentation": Layout({"probabilities": "<f2"}, per_pixel=True),
    "detection": Layout({"detection_boxes": "<f4", "detection_scores": "<f4", "detection_classes": "<i8"}),
}


class Head(BaseModel):
    """What `predictions.json` says: whose predictions these are, of which split, for which truth."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: StrictStr
    labels: tuple[StrictStr, ...] = Field(min_length=1)
    split: StrictStr = Field(min_length=1)
    model_hash: StrictStr  # empty: of a foreign member
    truth_hash: StrictStr = Field(min_length=1)

    @field_validator("task")
    @classmethod
    def _is_known(cls, task: str) -> str:
        if task not in LAYOUTS:
            raise ValueError(f"it is one of {', '.join(LAYOUTS)}")
        return task

    @field_validator("labels")
    @classmethod
    def _are_different(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(labels)) < len(labels) or not all(labels):
            raise ValueError("labels are different names")
        return labels


def read_head(path: Path) -> Head:
    """The head of a stored directory; SpineError names the key that does not hold."""
    return read_json(path / "predictions.json", PREDICT, of_shape(Head))


def read_index(path: Path) -> pd.DataFrame:
    """The index of a stored directory, a row a sample: INDEX, names as text and numbers as int64.

    SpineError names the column or the line that does not hold.
    """
    file = path / "index.csv"
    with one_file(file, PREDICT), file.open(newline="", encoding="utf-8-sig") as stream:
        lines = csv.reader(stream, strict=True)
        columns = _columns(next(lines, []))
        texts: dict[str, list[str]] = {name: [] for name in INDEX[:2]}
        numbers = {name: array("q") for name in INDEX[2:]}
        for line, cells in enumerate(lines, 2):
            row = _row(line, cells, columns)
            for name, of_texts in texts.items():
                of_texts.append(row[name])
            for name, of_numbers in numbers.items():
                of_numbers.append(_number(line, name, row[name]))
        table = pd.DataFrame({**texts, **{name: np.array(values, np.int64) for name, values in numbers.items()}})
        if table.empty:
            raise ValueError("it names no sample")
        if repeated := list(table["sample"][table["sample"].duplicated()]):
            raise ValueError(f"it names the sample {repeated[0]!r} twice")
        return table


def write_tables(path: Path, index: pd.DataFrame, head: Mapping[str, Any]) -> None:
    """Write both into a directory; SpineError where what is given does not hold."""
    write_table(index[list(INDEX)], path / "index.csv")
    write_json({**head, "labels": list(head["labels"])}, path / "predictions.json")
    read_head(path), read_index(path)


def rows_of(task: str, index: pd.DataFrame) -> int:
    """How many rows of probabilities an index asks for: one a sample, of segmentation one a pixel."""
    return sum(lengths_of(task, index).tolist())


def lengths_of(task: str, index: pd.DataFrame) -> np.ndarray:
    """How many of them each sample has."""
    return LAYOUTS[task].rows(index["height"].to_numpy(np.int64), index["width"].to_numpy(np.int64))


def places(path: Path, task: str, index: pd.DataFrame) -> np.ndarray:
    """The samples' numbers in the order in which their rows lie in the arrays.

    SpineError unless the offsets divide all rows among the samples, none twice and none left out.
    """
    rows = lengths_of(task, index)
    offsets = index["offset"].to_numpy(np.int64)
    order = np.argsort(offsets, kind="stable")
    expected = np.cumsum(rows[order]) - rows[order]
    if (wrong := np.flatnonzero(offsets[order] != expected)).size:
        place = int(wrong[0])
        sample, offset = index["sample"][order[place]], offsets[order[place]]
        raise SpineError(
            f"{path}/index.csv: the offset of {sample!r} is {offset}, where the rows of the samples before it end at "
            f"{expected[place]}; offsets are the samples' first rows, and each row belongs to one of them; {PREDICT}"
        )
    return order


def _columns(names: Sequence[str]) -> list[str]:
    lacking = [name for name in INDEX if name not in names]
    strangers = [name for name in names if name not in INDEX]
    reasons = [f"lacks {', '.join(lacking)}"] * bool(lacking) + [f"has {', '.join(map(repr, strangers))}"] * bool(
        strangers
    )
    if reasons or len(set(names)) < len(names):
        raise ValueError(f"its header {' and '.join(reasons) or 'repeats a name'}: the columns are {', '.join(INDEX)}")
    return list(names)


def _row(line: int, cells: Sequence[str], columns: Sequence[str]) -> dict[str, str]:
    if len(cells) != len(columns):
        raise ValueError(f"line {line} has {len(cells)} values for {len(columns)} columns")
    row = dict(zip(columns, cells, strict=True))
    if empty := [name for name in INDEX if not row[name]]:
        raise ValueError(f"line {line} has no {empty[0]}")
    return row


def _number(line: int, name: str, text: str) -> int:
    try:
        number = whole(text)
    except ValueError as error:
        raise ValueError(f"line {line}, {name}: {error}") from None
    least = 0 if name == "offset" else 1
    if not least <= number <= (LARGEST if least else LARGEST**2):
        raise ValueError(f"line {line}: {name} is {number}, out of range")
    return number
