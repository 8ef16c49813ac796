"""How a dataset was built, as the build wrote it down beside it: what is generated in it, how its patients were split.

A dataset that was handed on alone, or that another tool wrote, does not tell; nor one whose record is damaged.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from spine.core.differing import differing
from spine.core.files import read_if_whole
from spine.core.problems import SpineError, read_problems
from spine.core.yaml_files import read_yaml
from spine.dataset.manifest import Manifest
from spine.dataset.splits import SplitSettings

if TYPE_CHECKING:
    from spine.intake.config import DataConfig

__all__ = ["CARD", "Built", "built", "built_otherwise", "describe_splits", "left_out", "records_of"]

CARD = "build.json"  # in a dataset: what it was built from, in fingerprints


def records_of(root: Path) -> Path:
    """The folder beside a dataset that holds what must not be handed on: problems.csv and config.yaml."""
    root = root if root.name else root.resolve()  # `.` has no name of its own
    return root.with_name(f"{root.name}.build")


class _Recorded(BaseModel):
    """A part of a config as an older or newer version may have written it: what is not asked for here may be there."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _Phantom(_Recorded):
    directory: Path


class _Source(_Recorded):
    name: str
    images: Path


class _Crop(_Recorded):
    label: str
    require: str = ""


class Built(_Recorded):
    """The resolved data config of a dataset, as far as the documents tell of it."""

    phantom: _Phantom | None = None
    sources: tuple[_Source, ...] = ()
    dataset: Path | None = None
    crop: _Crop | None = None
    splits: Mapping[str, Any] = {}

    @property
    def generated(self) -> frozenset[str]:
        """The sources whose images are phantom studies, of no patient; of crops those of the whole pictures."""
        if self.dataset:
            whole = built(self.dataset)
            return whole.generated if whole else frozenset()
        if not self.phantom:
            return frozenset()
        directory = self.phantom.directory.resolve()
        return frozenset(one.name for one in self.sources if one.images.resolve().is_relative_to(directory))

    def describe_splits(self) -> str:
        """By which rule patients came into the splits, in sentences; "" where that is not known."""
        if self.dataset:
            return _told_of(self.dataset, f"Crops are in the split of their picture in {self.dataset.name}.")
        try:
            settings = _settings(self.splits)
        except ValidationError:
            return ""
        return _told_of(settings.like, settings.describe()) if settings.like else settings.describe()


def built(root: Path) -> Built | None:
    """The record of the dataset at `root`; None where there is none of it."""
    root = root.resolve()
    path = records_of(root) / "config.yaml"
    if not path.exists() or not (root / CARD).exists():
        return None
    try:
        return Built.model_validate(read_yaml(path))
    except (SpineError, ValidationError):
        return None


def left_out(root: Path) -> int:
    """How many files and annotations of its sources the build of the dataset at `root` left out, each with a reason in
    problems.csv; 0 too where that is not at hand.
    """
    try:
        listed = read_problems(records_of(root.resolve()) / "problems.csv")
    except SpineError:
        return 0
    return sum(problem.severity == "error" for problem in listed)


def built_otherwise(config: DataConfig) -> list[str]:
    """What the dataset in a config's `output` was built with, where the config says something else now; nothing where
    they agree, or no record is there.
    """
    try:
        then = read_yaml(records_of(config.output) / "config.yaml")
    except SpineError:
        return []
    found = differing(then, config.model_dump(mode="json", exclude={"name", "output"}))
    return [f"{key} {old!r} (it says {new!r} now)" for key, old, new in found]


def describe_splits(manifest: Manifest) -> str:
    """How the patients of a dataset were split; "" where that is not known, or splits.csv was changed since."""
    record = built(manifest.root)
    is_as_built = read_if_whole(manifest.root / "dataset.json").get("splits_hash") == manifest.splits_hash
    return record.describe_splits() if record and is_as_built else ""


def _settings(recorded: Mapping[str, Any]) -> SplitSettings:
    """Of a record, which has every setting, those that say something: some exclude each other once given."""
    defaults = SplitSettings().model_dump(mode="json")
    return SplitSettings.model_validate(
        {name: value for name, value in recorded.items() if name in defaults and value != defaults[name]}
    )


def _told_of(other: Path, sentence: str) -> str:
    """A sentence that names another dataset, and how that was split."""
    record = built(other)
    rule = record.describe_splits() if record else ""
    return f"{sentence} {other.name}: {rule}" if rule else sentence
