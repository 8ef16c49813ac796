"""What lies at one path of a user's folder, as a pack's settings tell it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, model_validator

from spine.core.strict import Strict

__all__ = ["Format", "Held"]

Format = Literal["dicom", "picture", "mask", "boxes", "table", "tfrecord", "label_map"]
Split = Literal["train", "validation", "test"]

_OF_FORMATS: Mapping[str, tuple[Format, ...]] = {  # an option -> the formats that have it
    "images": ("mask", "boxes", "table"),
    "columns": ("table",),
    "values": ("table",),
    "labels": ("mask", "boxes", "label_map"),
    "splits": ("tfrecord",),
}


class Held(Strict):
    """A sentence on what it is, and as far as a program can see that, its `format` and what it has to hold.

    `images` is the folder of the pictures that a table or a file of `boxes` (VOC or LabelMe) names, and that masks are
    named and placed like. `columns` are a table's, which names pictures by `image`; `values` are those that a column
    may hold, besides none. `labels` are a mask's indices from 1, a label map's ids, and the classes of boxes; `splits`
    those of TFRecords.
    """

    what: str = Field(min_length=1)
    format: Format | None = None  # none: anything that is there
    images: str = ""
    columns: tuple[str, ...] = ()
    values: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    labels: tuple[str, ...] = ()
    splits: tuple[Split, ...] = ()

    @model_validator(mode="after")
    def _has_the_options_of_its_format(self) -> Held:
        for option, formats in _OF_FORMATS.items():
            if getattr(self, option) and self.format not in formats:
                raise ValueError(f"{option} is of the formats {', '.join(formats)}; the format is {self.format}")
        if self.format == "table" and not self.columns:
            raise ValueError("columns is empty; give those of the table")
        if unknown := [name for name in self.values if name not in self.columns]:
            raise ValueError(f"values has {unknown[0]!r}; the columns are {', '.join(self.columns)}")
        if self.format == "table" and self.images and "image" not in self.columns:
            raise ValueError(f"images is given, and no column is called image: {', '.join(self.columns)}")
        return self

    @property
    def told(self) -> str:
        """What it is, and a table's columns."""
        return f"{self.what}: {', '.join(self.columns)}" if self.columns else self.what
