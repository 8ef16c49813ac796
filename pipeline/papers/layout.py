"""How a pack's data lie in the user's folder, and what is missing there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, model_validator

from pipeline.papers.held import Held
from pipeline.papers.lacking import lacking
from spine.core.problems import SpineError
from spine.core.strict import Strict

__all__ = ["Layout"]


class Layout(Strict):
    """The environment `variable` that names the folder, where it lies unless set, and what it `holds`.

    `holds` is path -> what lies there; all paths are below the folder.
    """

    variable: str = Field(pattern=r"^[A-Z][A-Z0-9_]*$")
    default: Path
    holds: Mapping[str, Held] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_folders_that_it_holds(self) -> Layout:
        for place, held in self.holds.items():
            if held.images and held.images not in self.holds:
                raise ValueError(f"{place} has images {held.images!r}; what is held is {', '.join(self.holds)}")
        return self

    @property
    def root(self) -> Path:
        """The folder."""
        return Path(os.environ.get(self.variable) or self.default)

    def missing(self) -> list[str]:
        """A sentence on each thing that is not there, or not as it should be; empty where all is."""
        return [told for place, held in self.holds.items() for told in lacking(self.root, place, held)]

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
        return "\n".join(f"  {place}: {held.told}" for place, held in self.holds.items())
