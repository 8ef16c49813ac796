"""A case file: which runs are chained into one model, and what is cut out between them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import Field, FiniteFloat, field_validator, model_validator

from spine.core.problems import within
from spine.core.strict import Strict, validate
from spine.core.yaml_files import read_yaml
from spine.experiment.loading import apply_override
from spine.experiment.stages import NAME, ExportSettings

__all__ = ["CaseSettings", "Discs", "Region", "is_case", "load_case"]

GRADES = "grades."  # how the names of parts begin that grade a target
TARGET = r"^[A-Za-z][A-Za-z0-9_]*$"  # part of an output's name


class Discs(Strict):
    """Which boxes are graded: those of `label` with a score of at least `confidence`, of `count` ones the best."""

    label: str = "disc"
    grow: FiniteFloat = Field(default=0.1, ge=0)  # of width and height, as a total: as the classifiers' crops
    confidence: float = Field(default=0.25, ge=0, le=1)
    count: int | None = Field(default=None, ge=1)


class Region(Strict):
    """The part of a picture that is segmented: the best box of `label`, grown."""

    label: str
    grow: FiniteFloat = Field(default=0.1, ge=0)
    confidence: float = Field(default=0.25, ge=0, le=1)


class CaseSettings(Strict):
    """A case. Parts are experiments' files, whose ensembles are meant, or directories of members or ensembles; of a
    file with several targets the ensemble of the one that it grades.

    `grades` has a classifier of disc crops for each target; the classifiers and the `segmentation` may be left out, not
    both. Without a `region` the whole picture is segmented.
    """

    name: str = Field(pattern=NAME)
    runs: Path = Path("runs")
    detector: Path
    discs: Discs = Discs()
    grades: Mapping[str, Path] = Field(default_factory=dict)
    segmentation: Path | None = None
    region: Region | None = None
    export: ExportSettings = ExportSettings()

    @field_validator("grades")
    @classmethod
    def _targets_are_names(cls, grades: Mapping[str, Path]) -> Mapping[str, Path]:
        for target in grades:
            if not re.match(TARGET, target):
                raise ValueError(f"{target!r} cannot be part of an output's name; use letters, digits and _")
        return grades

    @model_validator(mode="after")
    def _has_parts(self) -> CaseSettings:
        if not self.grades and self.segmentation is None:
            raise ValueError("has neither grades nor a segmentation; a detector alone is served by its own run")
        if self.region and self.segmentation is None:
            raise ValueError("has a region, which is cut out for a segmentation; give that, or remove region")
        if self.export.frozen:
            raise ValueError(
                "export.frozen is of ensembles, whose weights can be constants; a case's cannot: remove it"
            )
        return self

    @property
    def exported_name(self) -> str:
        """What the exported model is called in requests."""
        return self.export.name or self.name

    @property
    def directory(self) -> Path:
        """Where its member.json and SavedModel lie."""
        return self.runs / self.name

    @property
    def parts(self) -> dict[str, Path]:
        """What each part is called -> its experiment's file or its directory."""
        segmentation = {"segmentation": self.segmentation} if self.segmentation else {}
        return {
            "detector": self.detector,
            **{f"{GRADES}{name}": path for name, path in self.grades.items()},
            **segmentation,
        }


def is_case(path: Path | str) -> bool:
    """Whether a YAML file is a case's, not that of an experiment, a suite or a dataset."""
    raw = read_yaml(path)
    others = {"members", "sources", "experiments", "dataset", "task"}
    return bool({"detector", "discs", "grades"} & raw.keys()) and not others & raw.keys()


def load_case(path: Path | str, overrides: Sequence[str] = ()) -> CaseSettings:
    """Read a case file, apply `key=value` overrides and validate it; SpineError where it is none."""
    raw = read_yaml(path)
    with within(path):
        for override in overrides:
            apply_override(raw, override)
        return validate(CaseSettings, raw, str(path))
