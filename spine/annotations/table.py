"""CSV of labels and boxes: one row a box, or a row an image where there are no boxes; columns are named by settings."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from spine.annotations.collector import Collector
from spine.annotations.csv_rows import rows_of
from spine.annotations.sources import image_name, split_named
from spine.annotations.types import Annotation, Box, Malformed, Reading, known_text
from spine.core.files import atomic_file
from spine.core.problems import SpineError

__all__ = ["COLUMNS", "read", "write"]

COLUMNS: Mapping[str, str | tuple[str, ...]] = {
    "image": "image",
    "patient": "patient_id",
    "sequence": "sequence",
    "split": "split",
    "level": "level",
    "label": "label",
    "box": ("xmin", "ymin", "xmax", "ymax"),
}  # what `write` calls its columns: `read(path, **COLUMNS, targets=[...])` reads them again

_DECIMAL_COMMA = re.compile(r"^([+-]?\d+),(\d+)$", re.ASCII)

Repeated = Literal["error", "first", "last", "all"]


def read(
    path: Path,
    *,
    labels: Collection[str] | None = None,
    images: Path | None = None,
    image: str = "image",
    patient: str | None = None,
    sequence: str | None = None,
    split: str | None = None,
    level: str | None = None,
    label: str | None = None,
    box: Sequence[str] = (),
    targets: Sequence[str] = (),
    repeated: Repeated = "error",
    separator: str = ",",
) -> Reading:
    """Read a CSV table with a header; `image`, `patient`, ... name its columns, None or "" where it has none.

    `box` are the columns x0, y0, x1, y1 (0-based half-open pixels). `label` is a column, or else every box's label.
    `targets` are columns that become values of the row's box, or of the image where the row has none. An empty cell
    means "not known". `repeated` says what becomes of boxes of one label at one level of one image, told twice: none
    is kept ("error"), the first, the last, or all. An empty row is none. SpineError where a column is lacking.
    """
    if repeated not in ("error", "first", "last", "all"):
        raise SpineError(f"repeated is {repeated!r}; it is one of error, first, last, all")
    if len(separator) != 1:
        raise SpineError(f"separator is {separator!r}; it is one character, such as ',' or ';'")
    if len(box) not in (0, 4):
        raise SpineError(f"box is {list(box)}; it is the four columns of x0, y0, x1, y1")
    if box and not label:
        raise SpineError(f"box is {list(box)}, and label is not given; give a column of labels, or every box's label")
    if unnamed := [key for key, names in {"image": [image], "box": box, "targets": targets}.items() if "" in names]:
        raise SpineError(f"{unnamed[0]} has the empty name of a column; give the name that is in the table's header")
    columns = _Columns(image, patient, sequence, split, level, label, tuple(box), tuple(targets), separator != ",")
    collector = Collector(labels, images)
    images_told: dict[str, _Told] = {}
    with collector.guard(path):
        for where, row in rows_of(collector, path, columns.names(), separator):
            with collector.guard(where, nameless=True):
                name = image_name(_required(row, columns.image), PurePosixPath())
                image_told = images_told.setdefault(name, _Told(where))
                with collector.guard(where, image_told.refused if columns.draws(row) else None):
                    image_told.take(collector, where, row, columns)
    commas = [found.where for found in images_told.values() if found.commas]
    if commas:
        more = f", as {len(commas) - 1} more images have" if len(commas) > 1 else ""
        reason = f"tells corners with a decimal comma{more}"
        collector.warn(commas[0], reason, "they were read so; write decimal points, to be sure")
    for name, found in images_told.items():
        collector.add(found.where, found.annotation(collector, name, repeated))
    return collector.reading()


@dataclass(frozen=True)
class _Columns:
    """Which column tells what; none where the table does not. A label that is no column is the label of every box."""

    image: str
    patient: str | None
    sequence: str | None
    split: str | None
    level: str | None
    label: str | None
    box: tuple[str, ...]
    targets: tuple[str, ...]
    decimal_comma: bool = False  # whether numbers may have one, for commas part no cells

    def names(self) -> list[str]:
        """The columns that a table must have."""
        alone = (self.image, self.patient, self.sequence, self.split, self.level)
        return [*filter(None, alone), *self.box, *self.targets]

    def draws(self, row: Mapping[str, str]) -> bool:
        """Whether the row has a box."""
        return any(row[name] for name in self.box)

    def label_of(self, row: Mapping[str, str]) -> str:
        """The label of the row's box."""
        return row.get(self.label, self.label) if self.label else ""

    def corners(self, row: Mapping[str, str]) -> list[str]:
        """x0, y0, x1, y1 of the row's box, with decimal points."""
        cells = [row[name] for name in self.box]
        return [_DECIMAL_COMMA.sub(r"\1.\2", cell) for cell in cells] if self.decimal_comma else cells

    def facts(self, row: Mapping[str, str]) -> dict[str, str]:
        """What a row tells of its image: patient, sequence and split."""
        named = {"patient": self.patient, "sequence": self.sequence, "split": self.split}
        return {key: known_text(row[name]) for key, name in named.items() if name and known_text(row[name])}

    def values(self, collector: Collector, where: str, row: Mapping[str, str]) -> tuple[str, dict[str, str]]:
        """The level of a row's box, and the values of its targets, where they are known."""
        levels = collector.values(where, {self.level: row[self.level]} if self.level else {})
        values = collector.values(where, {name: row[name] for name in self.targets})
        return "".join(levels.values()), values


@dataclass
class _Told:
    """What the rows read so far tell of one image, the first of them at `where`."""

    where: str
    facts: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    boxes: list[tuple[str, Box]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    commas: bool = False

    def take(self, collector: Collector, where: str, row: Mapping[str, str], columns: _Columns) -> None:
        """Add a row; Malformed where it contradicts an earlier one or its box does not hold."""
        level, values = columns.values(collector, where, row)
        self._agree(columns.facts(row), self.facts)
        if columns.draws(row):
            corners = columns.corners(row)
            self.boxes.append((where, collector.box(columns.label_of(row), corners, level, values)))
            self.commas |= corners != [row[name] for name in columns.box]
            return
        told_before = where != self.where and not columns.box and not values.keys() - self.labels.keys()
        self._agree(values, self.labels)
        if told_before:
            collector.warn(where, f"tells the image of {self.where} again", "remove one of the rows")

    def _agree(self, new: Mapping[str, str], old: dict[str, str]) -> None:
        for key, value in new.items():
            if old.setdefault(key, value) != value:
                raise Malformed(f"tells {key} = {value!r}, but {self.where} tells {old[key]!r}")

    def annotation(self, collector: Collector, image: str, repeated: Repeated) -> Annotation:
        """The image's annotation, once its boxes of one label and level are settled."""
        boxes = tuple(_without_repeats(collector, image, self.boxes, repeated, self.refused))
        return Annotation(
            image,
            boxes,
            self.labels,
            patient=self.facts.get("patient", ""),
            sequence=self.facts.get("sequence", ""),
            split=split_named(self.facts.get("split", "")),
            refused=tuple(self.refused),
        )


def _without_repeats(
    collector: Collector, image: str, told: Sequence[tuple[str, Box]], repeated: Repeated, refused: list[str]
) -> Iterator[Box]:
    groups: dict[tuple[object, ...], list[tuple[str, Box]]] = {}
    for where, box in told:
        key = (box.label, box.level) if box.level and repeated != "all" else (len(groups),)
        groups.setdefault(key, []).append((where, box))
    for group in groups.values():
        where, kept = group[-1 if repeated == "last" else 0]
        if len(group) == 1:
            yield kept
            continue
        reason = f"{image!r} has {len(group)} boxes of {kept.label!r} at level {kept.level!r}"
        if repeated == "error":
            advice = "remove the wrong rows, or set `repeated` to first, last or all"
            collector.error(where, f"{reason}; none was kept", advice)
            refused.append(reason)
        else:
            collector.warn(where, f"{reason}; the {repeated} was kept", "remove the others from the source")
            yield kept


def _required(row: Mapping[str, str], column: str) -> str:
    if not row[column]:
        raise Malformed(f"has no {column}")
    return row[column]


def write(annotations: Iterable[Annotation], path: Path) -> None:
    """Write one CSV file with the columns COLUMNS and one a target, a row a box and a row for an image's own labels.

    It cannot hold masks or sizes. An image without boxes and labels has one row. `read(path, **COLUMNS, targets=...)`
    reads it again.
    """
    annotations = tuple(annotations)
    held = [values for found in annotations for values in (found.labels, *(box.values for box in found.boxes))]
    targets = sorted({target for values in held for target in values})
    fixed = [name for names in COLUMNS.values() for name in ([names] if isinstance(names, str) else names)]
    clash = sorted(set(targets) & set(fixed))
    if clash:
        raise SpineError(f"targets {', '.join(clash)} are called like columns of {path}; rename them")
    with atomic_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.DictWriter(stream, [*fixed, *targets], restval="")
        rows.writeheader()
        rows.writerows(row for annotation in annotations for row in _rows_of(annotation))


def _rows_of(annotation: Annotation) -> Iterator[dict[str, object]]:
    common = {
        "image": annotation.image,
        "patient_id": annotation.patient,
        "sequence": annotation.sequence,
        "split": annotation.split,
    }
    if annotation.labels or not annotation.boxes:
        yield {**common, **annotation.labels}
    for box in annotation.boxes:
        corners = {"xmin": box.x0, "ymin": box.y0, "xmax": box.x1, "ymax": box.y1}
        yield {**common, "level": box.level, "label": box.label, **corners, **box.values}
