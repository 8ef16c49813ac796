"""The pictures of a dataset in the order of their series: which are next to a sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from spine.core.files import hash_file

__all__ = ["SlicesInOrder"]

Where = tuple[str, str, int]  # source, series, place in it
_SIDES = {"before": -1, "after": 1}


class _Other(NamedTuple):
    file: Path
    height: int
    width: int


@dataclass
class SlicesInOrder:
    """Samples, by their rows of images.csv, and other slices, by where they lie."""

    samples: dict[Where, dict[str, Any]] = field(default_factory=dict)
    others: dict[Where, _Other] = field(default_factory=dict)

    def add_other(self, where: Where, file: Path, height: int, width: int) -> None:
        """Note the file of a slice that is no sample."""
        self.others[where] = _Other(file, height, width)

    def tell(self) -> None:
        """Name in each sample's row the slices next to it, and remove the files of those that are next to none.

        A neighbour is of the same patient and of the same size.
        """
        kept: dict[Path, str] = {}
        for (source, series, place), row in self.samples.items():
            for side, step in _SIDES.items():
                where = (source, series, place + step)
                if (sample := self.samples.get(where)) and _fit(row, sample):
                    row |= {side: sample["sample"], f"{side}_sha256": sample["sha256"]}
                elif (other := self.others.get(where)) and (row["height"], row["width"]) == other[1:]:
                    file = other.file
                    if file not in kept:
                        kept[file] = hash_file(file)
                    row |= {side: file.stem, f"{side}_sha256": kept[file]}
        for other in self.others.values():
            if other.file not in kept:
                other.file.unlink()


def _fit(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(one[column] == other[column] for column in ("patient", "height", "width"))
