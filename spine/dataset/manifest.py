"""The manifest: a dataset as a directory of four tables and two folders of pictures.

    images.csv   one row a sample; its picture is images/<sample>.png (16-bit grey, as the scanner measured)
    boxes.csv    one row a box: sample, box (its number within the sample), label, x0, y0, x1, y1, level
    labels.csv   one row a label: sample, box (empty: the label is the whole sample's), target, value
    splits.csv   one row a sample: sample, split (train, validation or test), fold (empty without folds)
    masks/       <sample>.png (8-bit class indices, 0 is background), named in `mask_labels` of dataset.json
    parents/     <parent>.png, the whole pictures that crops were cut out of; parent_masks/ their masks
    neighbours/  <name>.png, slices next to a sample's that are no samples themselves

Box corners are 0-based half-open float pixels of the sample's own picture. A crop's row also names its `parent` sample
and the `level` and corners (x0, y0, x1, y1) of its region in the parent; the box that grew by `grow` to that region
(box_x0, box_y0, box_x1, box_y1), and the parent's height, width and SHA-256. `before` and `after` name the slices next
to the picture in its series, "" where there is none; a crop's lie in parents/, others in images/, or in neighbours/
where they are no samples. Where pixels are not the measured values themselves and the way back is known, value =
pixel * `scale` + `offset`. Of DICOM a row has what `spine.images.acquired` keeps of the header: a band of ages, the
sex, the maker, the modality, whether text is burned in. Changing a split does not change `data_hash`.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from spine.core.files import fingerprint, read_json, write_json
from spine.core.near_names import did_you_mean
from spine.core.numbers import finite
from spine.core.problems import SpineError, one_file
from spine.core.tables import write_table
from spine.images.acquired import COLUMNS

__all__ = ["BOXES", "IMAGES", "LABELS", "OUT_OF_FOLD", "SPLITS", "SPLIT_NAMES", "Manifest", "rows"]

IMAGES = (
    *("sample", "patient", "study", "series", "sequence", "height", "width", "spacing_y", "spacing_x"),
    *("sha256", "mask_sha256", "source", "parent", "level", "x0", "y0", "x1", "y1", "scale", "offset"),
    *("grow", "box_x0", "box_y0", "box_x1", "box_y1", "parent_height", "parent_width", "parent_sha256"),
    *COLUMNS,
    *("before", "before_sha256", "after", "after_sha256"),
)
BOXES = ("sample", "box", "label", "x0", "y0", "x1", "y1", "level")
LABELS = ("sample", "box", "target", "value")
SPLITS = ("sample", "split", "fold")
SPLIT_NAMES = ("train", "validation", "test")
OUT_OF_FOLD = "out-of-fold"  # train and validation together, where folds take the place of both

_SAMPLE = r"[\w-][\w.-]*"  # a file's name on every system, and no way out of the dataset's directory
_NUMBERS = {
    *("height", "width", "spacing_y", "spacing_x", "x0", "y0", "x1", "y1", "scale", "offset"),
    *("grow", "box_x0", "box_y0", "box_x1", "box_y1", "parent_height", "parent_width"),
}
_ONCE = {"images": ["sample"], "boxes": ["sample", "box"], "labels": ["sample", "box", "target"], "splits": ["sample"]}
_BUILD_AGAIN = "build the dataset again with `spine data build CONFIG`"
_SCALING = ("scale", "offset")  # not in `data_hash`: they tell of pixels alone, whose hashes are
# Of crops; in `data_hash` where there are some, so that no other dataset's changed when they came.
_OF_PARENTS = ("grow", "box_x0", "box_y0", "box_x1", "box_y1", "parent_height", "parent_width", "parent_sha256")
_UNHASHED = (*_SCALING, *COLUMNS)  # nor is what headers tell of patients and scanners
# Of slices of a series; in `data_hash` where one has a neighbour.
_OF_NEIGHBOURS = ("before", "before_sha256", "after", "after_sha256")
_ADDED = (*_UNHASHED, *_OF_PARENTS, *_OF_NEIGHBOURS)  # datasets that were built before these columns lack them
_TABLES = {"images": IMAGES, "boxes": BOXES, "labels": LABELS, "splits": SPLITS}


@dataclass(frozen=True)
class Manifest:
    """A dataset in memory: its tables as data frames (text columns are `str`, "" where empty), its folder `root`.

    Raises SpineError where a table lacks a column, a sample, box, label or split occurs twice, a sample cannot be a
    file's name, or a box, label or split names no sample.
    """

    root: Path
    images: pd.DataFrame
    boxes: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(BOXES)))
    labels: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(LABELS)))
    splits: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(SPLITS)))
    mask_labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, columns in _TABLES.items():
            missing = [column for column in columns if column not in getattr(self, name).columns]
            if missing:
                raise SpineError(f"{self.root}/{name}.csv lacks {missing}; it has the columns {', '.join(columns)}")
        for name, key in _ONCE.items():
            table = getattr(self, name)
            again = table.duplicated(key)
            if again.any():
                told = ", ".join(repr(value) for value in table[key].iloc[again.to_numpy().argmax()])
                raise SpineError(f"{self.root}/{name}.csv names {told} twice; a {' and '.join(key)} has one row")
        known = set(self.images["sample"])
        files = known | set(self._with_parents["parent"]) | self._neighbours
        if unsafe := sorted(name for name in files if not re.fullmatch(_SAMPLE, name)):
            raise SpineError(
                f"{self.root}/images.csv names the sample {unsafe[0]!r}, which cannot be a file's name; use letters, "
                "digits, '.', '_' and '-'"
            )
        for name in ("boxes", "labels", "splits"):
            strangers = sorted(set(getattr(self, name)["sample"]) - known)
            if strangers:
                raise SpineError(
                    f"{self.root}/{name}.csv names {len(strangers)} samples that images.csv lacks, such as "
                    f"{strangers[0]!r}; {_BUILD_AGAIN}"
                )

    @classmethod
    def read(cls, root: Path | str) -> Manifest:
        """Read a dataset's directory; SpineError where it is not one, or a file of it is damaged."""
        root = Path(root)
        if not (root / "dataset.json").exists():
            raise SpineError(
                f"{root.resolve()} is not a dataset (no dataset.json); build one with `spine data build CONFIG`"
            )
        mask_labels = _read_mask_labels(root / "dataset.json")
        tables = {name: _read_table(root / f"{name}.csv", columns) for name, columns in _TABLES.items()}
        return cls(root, mask_labels=mask_labels, **tables)

    def write(self) -> None:
        """Write the tables and `dataset.json` into `root`; pictures and masks are put there by the intake."""
        self.root.mkdir(parents=True, exist_ok=True)
        for name, columns in _TABLES.items():
            write_table(getattr(self, name)[list(columns)], self.root / f"{name}.csv")
        write_json(
            {"mask_labels": list(self.mask_labels), "data_hash": self.data_hash, "splits_hash": self.splits_hash},
            self.root / "dataset.json",
        )

    def image_path(self, sample: str) -> Path:
        """The sample's 16-bit grey PNG."""
        return self.root / "images" / f"{sample}.png"

    def mask_path(self, sample: str) -> Path:
        """The sample's 8-bit mask PNG of class indices; it exists where `mask_sha256` is not empty."""
        return self.root / "masks" / f"{sample}.png"

    def parent_path(self, parent: str) -> Path:
        """The 16-bit grey PNG that a parent's crops were cut out of; it exists where `parent_sha256` is not empty."""
        return self.root / "parents" / f"{parent}.png"

    def neighbour_path(self, name: str, *, of_crop: bool) -> Path:
        """The 16-bit grey PNG of a slice that `before` or `after` names, of a crop's parent or of a whole picture."""
        if of_crop:
            return self.parent_path(name)
        return self.image_path(name) if name in self._samples else self.root / "neighbours" / f"{name}.png"

    @cached_property
    def data_hash(self) -> str:
        """Fingerprint of pictures, masks, boxes and labels; splits are apart."""
        left_out = {*_UNHASHED}
        left_out |= {*_OF_PARENTS} if self._with_parents.empty else set()
        left_out |= set() if self._neighbours else {*_OF_NEIGHBOURS}
        hashed = {**_TABLES, "images": tuple(column for column in IMAGES if column not in left_out)}
        tables = [getattr(self, name)[list(hashed[name])] for name in ("images", "boxes", "labels")]
        return fingerprint([*(_canonical(table) for table in tables), list(self.mask_labels)])

    @property
    def _with_parents(self) -> pd.DataFrame:
        """The rows of images.csv whose parent's picture is kept."""
        return self.images[~self.images["parent_sha256"].isin(["", None, math.nan])]

    @cached_property
    def _neighbours(self) -> set[str]:
        """All slices that are named as next to another."""
        named = {*self.images["before"], *self.images["after"]}
        return {name for name in named if isinstance(name, str) and name}

    @cached_property
    def _samples(self) -> frozenset[str]:
        return frozenset(self.images["sample"])

    @cached_property
    def splits_hash(self) -> str:
        """Fingerprint of splits.csv."""
        return fingerprint(_canonical(self.splits[list(SPLITS)]))

    def patient_of(self) -> Mapping[str, str]:
        """Sample -> patient."""
        return dict(zip(self.images["sample"], self.images["patient"], strict=True))

    def samples_in(self, split: str) -> list[str]:
        """The samples of one split, in the order of images.csv; SpineError where the split is empty or unknown."""
        if split not in (*SPLIT_NAMES, OUT_OF_FOLD):
            raise SpineError(f"split {split!r} is not one of {', '.join((*SPLIT_NAMES, OUT_OF_FOLD))}")
        parts = ("train", "validation") if split == OUT_OF_FOLD else (split,)
        chosen = set(self.splits.loc[self.splits["split"].isin(parts), "sample"])
        found = [sample for sample in self.images["sample"] if sample in chosen]
        if not found:
            raise SpineError(f"{self.root} has no samples in split {split!r}; see its splits.csv")
        return found

    def values(self, target: str) -> Mapping[str, str]:
        """Sample -> value of one target of whole samples; SpineError names the targets there are."""
        whole = self.labels[self.labels["box"] == ""]
        rows = whole[whole["target"] == target]
        if rows.empty:
            known = ", ".join(sorted(whole["target"].unique())) or "none"
            near = did_you_mean(target, whole["target"].unique())
            raise SpineError(f"{self.root} has no target {target!r}; its targets: {known}{near}")
        return dict(zip(rows["sample"], rows["value"], strict=True))


def rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table, each as column -> value."""
    return [{str(column): value for column, value in row.items()} for row in table.to_dict("records")]


def _read_mask_labels(path: Path) -> tuple[str, ...]:
    with one_file(path, _BUILD_AGAIN):
        labels = read_json(path, _BUILD_AGAIN)["mask_labels"]
        if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
            raise ValueError(f"mask_labels is {labels!r}, not a list of texts")
        return tuple(labels)


def _read_table(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    if not path.exists():
        raise SpineError(f"{path} is missing; {_BUILD_AGAIN}")
    with one_file(path, _BUILD_AGAIN):
        header, *cells = _rows_of_text(path)
        given = {name: [row[place] for row in cells] for place, name in enumerate(header)}
        given |= {name: [""] * len(cells) for name in columns if name in _ADDED and name not in given}
        table = pd.DataFrame({name: _column(name, values) for name, values in given.items()})
        if set(columns) <= set(given):  # else the manifest tells which it lacks
            _check_values(table, path.stem)
    return table


def _rows_of_text(path: Path) -> list[list[str]]:
    """The rows of a CSV file, its header first, all of one length: pandas would fill a row that was cut off."""
    with path.open(newline="", encoding="utf-8") as stream:
        lines = [row for row in csv.reader(stream, strict=True) if row]
    if not lines or len(set(lines[0])) < len(lines[0]):
        raise ValueError("it has no header, or a column twice")
    if odd := next((row for row in lines if len(row) != len(lines[0])), None):
        raise ValueError(f"the row of {odd[0]!r} has {len(odd)} cells, the header {len(lines[0])}")
    return lines


def _column(name: str, cells: list[str]) -> pd.Series:
    if name in _NUMBERS:
        return pd.Series([_number(cell) for cell in cells], dtype=float)
    return pd.Series(cells, dtype=str)


def _number(text: str) -> float:
    return finite(text) if text else math.nan


def _check_values(table: pd.DataFrame, name: str) -> None:
    """ValueError where sizes are no whole pixels, a box's corners none of a box, or a split is unknown."""
    if name == "images":
        sizes = table[["height", "width"]]
        if not ((sizes >= 1) & (sizes % 1 == 0)).all(axis=None):
            raise ValueError("heights and widths are whole numbers from 1 up")
        if nameless := list(table["sample"][table["patient"] == ""]):
            raise ValueError(f"{nameless[0]} has no patient: an image of unknown origin is a patient of its own")
        _check_parents(table[table["parent_sha256"] != ""])
        if any(((table[name] == "") != (table[f"{name}_sha256"] == "")).any() for name in ("before", "after")):
            raise ValueError("a slice named in `before` or `after` has its SHA-256 beside it")
    elif name == "boxes":
        if not ((table["x0"] < table["x1"]) & (table["y0"] < table["y1"])).all():
            raise ValueError("x0 < x1 and y0 < y1 hold of each box")
    elif name == "splits" and (strange := sorted(set(table["split"]) - {*SPLIT_NAMES})):
        raise ValueError(f"the split {strange[0]!r} is not one of {', '.join(SPLIT_NAMES)}")


def _check_parents(crops: pd.DataFrame) -> None:
    """ValueError where crops that tell of their parent's picture lack a part of that, or their box is none in it."""
    height, width, grow = crops["parent_height"], crops["parent_width"], crops["grow"]
    across = (crops["box_x0"] < crops["box_x1"]) & (crops["box_x0"] < width) & (crops["box_x1"] > 0)
    down = (crops["box_y0"] < crops["box_y1"]) & (crops["box_y0"] < height) & (crops["box_y1"] > 0)
    if not (across & down & (grow >= 0) & (crops["parent"] != "")).all():
        raise ValueError("a crop with parent_sha256 names its parent, the grow, and a box that lies in the parent")


def _canonical(table: pd.DataFrame) -> list[list[str]]:
    # The same text before and after a round trip through CSV.
    as_text = table.map(_as_text)
    return [list(table.columns), *as_text.sort_values(list(table.columns)).values.tolist()]


def _as_text(value: object) -> str:
    if value is None or value == "" or value != value:  # NaN
        return ""
    return f"{float(value):.9g}" if isinstance(value, (int, float)) else str(value)
