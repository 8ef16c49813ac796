"""The data config: one strict YAML file that says which sources become which dataset."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, NonNegativeInt, field_validator, model_validator

from spine.core.extends import describe_chain, merge_files, merge_flat, read_files
from spine.core.numbers import finite
from spine.core.problems import SpineError
from spine.core.strict import Strict, validate
from spine.dataset.splits import SplitSettings
from spine.experiment.stages import NAME
from spine.images.dicom.windows import WindowChoice, checked_choice
from spine.intake.crop import CropSettings
from spine.intake.reading import Kind
from spine.intake.series_by_name import FILE, GROUPS
from spine.phantom import AnySettings

__all__ = ["AnnotationSource", "DataConfig", "GeneratedStudies", "Source", "Target", "load_data_config"]

_NO_VALUES = ("nan", "inf", "infinity")


class AnnotationSource(BaseModel):
    """One annotation file or folder; what else is given goes to the reader of its format, which checks it."""

    model_config = ConfigDict(frozen=True, extra="allow")

    format: str
    path: Path
    join: bool = False  # it tells about boxes that earlier files of the source drew; its other boxes are refused

    @property
    def files(self) -> tuple[Path, ...]:
        """All that is read of it: its file or folder, and files that its options name."""
        label_map, gradings = self.options.get("label_map"), self.options.get("gradings")
        named = [Path(label_map)] if isinstance(label_map, str) else []
        return (self.path, *named, *([self.path / gradings] if isinstance(gradings, str) else []))

    @property
    def options(self) -> dict[str, Any]:
        """The reader's own settings, such as `label` or `targets`."""
        return dict(self.model_extra or {})


class Source(Strict):
    """One place that images come from, with what is known about them."""

    name: str = Field(pattern=NAME)
    images: Path  # a file, a folder or a tree
    read: Kind = "auto"
    slices: int | None = Field(default=1, ge=1)  # mid-sagittal ones of a patient's series or a volume; null: every one
    window: WindowChoice = "file"  # of DICOM: file, none, a window's name or number, or [centre, width]
    patient: str = ""  # regular expression on the relative name: its groups, joined, are the patient
    series: str = ""  # keeps slices next to a picture: file (DICOM, volumes), or an expression of series and slice
    pseudonymise: bool | None = None  # null: DICOM only
    annotations: tuple[AnnotationSource, ...] = ()
    unnamed: Literal["leave_out", "background"] = "leave_out"  # the pictures that no annotation names

    @property
    def folder(self) -> Path:
        """What the images' names are relative to."""
        return self.images if self.images.is_dir() else self.images.parent

    @field_validator("window", mode="before", json_schema_input_type=str | NonNegativeInt | tuple[float, float])
    @classmethod
    def _is_a_window(cls, window: object) -> WindowChoice:
        return checked_choice(window)

    @model_validator(mode="after")
    def _windows_are_of_dicom(self) -> Source:
        if self.window != "file" and self.read not in ("auto", "dicom"):
            raise ValueError(f"has a window, which is for DICOM, and read is {self.read!r}; remove `window`")
        return self

    @field_validator("patient")
    @classmethod
    def _has_groups(cls, pattern: str) -> str:
        if pattern and not _compiled(pattern).groups:
            raise ValueError(r"has no group that names the patient; write one such as p(?P<patient>\d+)_")
        return pattern

    @field_validator("series")
    @classmethod
    def _tells_slices(cls, pattern: str) -> str:
        if pattern not in ("", FILE) and not set(GROUPS) <= _compiled(pattern).groupindex.keys():
            raise ValueError(
                r"names no groups series and slice; write them such as (?P<series>p\d+_t2)_s(?P<slice>\d+), or "
                "`series: file` for DICOM and volumes, which tell the order themselves"
            )
        return pattern


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(f"is not a regular expression ({error})") from error


class Target(Strict):
    """How a raw value becomes the value of a target: as it is, by a table, or by a threshold."""

    of: str  # the raw value's name, as the annotations have it
    values: Mapping[str, str] = Field(default_factory=dict)
    at_least: FiniteFloat | None = None
    labels: tuple[str, str] = ("negative", "positive")  # below the threshold; at or above it

    @model_validator(mode="after")
    def _one_way(self) -> Target:
        if self.values and self.at_least is not None:
            raise ValueError("has both values and at_least; give one")
        if "labels" in self.model_fields_set and self.at_least is None:
            raise ValueError("has labels, which are those below and from `at_least` on; give that, or `values` instead")
        return self

    def __call__(self, raw: str) -> str:
        """The target's value; ValueError tells what is wrong with a raw value that has none."""
        if self.at_least is not None:
            return self.labels[finite(raw) >= self.at_least]
        if self.values and raw not in self.values:
            raise ValueError(f"is not one of {', '.join(self.values)}")
        if not self.values and raw.strip().lstrip("+-").lower() in _NO_VALUES:
            raise ValueError(f"{raw!r} is what a program writes for no number, and no class")
        return self.values.get(raw, raw)


class GeneratedStudies(Strict):
    """Phantom studies, generated before the sources are read."""

    directory: Path
    settings: AnySettings


class DataConfig(Strict):
    """A dataset: its sources, its targets, its crops, its splits; or crops of another `dataset`, with its splits."""

    extends: None = Field(default=None, exclude=True)  # the file that a file starts from, merged before it is validated
    name: str = Field(pattern=NAME)
    output: Path
    phantom: GeneratedStudies | None = None
    sources: tuple[Source, ...] = ()
    dataset: Path | None = None  # in place of sources: its samples are cropped, their labels and splits handed down
    targets: Mapping[str, Target] = Field(default_factory=dict)  # none: every raw value under its own name
    crop: CropSettings | None = None
    splits: SplitSettings = SplitSettings()

    @field_validator("sources")
    @classmethod
    def _names_differ(cls, sources: tuple[Source, ...]) -> tuple[Source, ...]:
        if not sources:
            raise ValueError("is empty; give one source or more")
        names = [source.name for source in sources]
        if len(set(names)) < len(names):
            raise ValueError(f"the sources' names are {names}; each has a name of its own")
        return sources

    @model_validator(mode="after")
    def _has_one_origin(self) -> DataConfig:
        if not self.sources and not self.dataset:
            raise ValueError("has no sources; give one source or more, or the `dataset` to crop")
        if self.dataset:
            if not self.crop:
                raise ValueError("has a dataset and no crop; say what is cropped: crop: {label: disc}")
            if kept := sorted({"sources", "phantom", "targets", "splits"} & self.model_fields_set):
                raise ValueError(f"has a dataset, whose own {', '.join(kept)} hold; remove {', '.join(kept)}")
        return self

    @model_validator(mode="after")
    def _knows_its_targets(self) -> DataConfig:
        used = {"crop.require": self.crop.require if self.crop else "", "splits.stratify": self.splits.stratify}
        for key, target in used.items():
            if target and self.targets and target not in self.targets:
                raise ValueError(f"{key} is {target!r}; the targets are {', '.join(self.targets)}")
        return self


def load_data_config(path: Path | str) -> DataConfig:
    """Read a data config and what it extends, and validate it; SpineError tells each wrong key."""
    files = read_files(path)
    for file, own in files.items():
        _require_data_config(own, file)
    return validate(DataConfig, merge_files(files.values(), merge_flat, own=("name", "output")), describe_chain(files))


def _require_data_config(raw: Mapping[str, Any], path: Path) -> None:
    """SpineError where a file is another kind of configuration."""
    if found := {"members", "experiments"} & set(raw):
        raise SpineError(
            f"{path} is an experiment or a suite (it has `{min(found)}`), not a data config; run it with "
            f"`spine run {path}`, and give the data config here that it names under `build`"
        )
