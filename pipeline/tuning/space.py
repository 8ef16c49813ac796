"""An experiment file with the member that is tuned: what the settings of a trial make of it, and whether all are valid.

A trial's settings are written into the member as a file would have them, so that what is tried is what is run later.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from pipeline.experiments import load_experiment
from spine.core.near_names import did_you_mean
from spine.core.problems import SpineError, brief, within
from spine.core.yaml_files import parse_yaml
from spine.experiment.config import Experiment
from spine.experiment.loading import read_settings
from spine.experiment.seeds import standing_for
from spine.experiment.tuning import Dimension, Range, TuneSettings

__all__ = ["TunedFile"]

EXAMPLE = "tune: {member: NAME, space: {learning_rate: {low: 1.0e-4, high: 1.0e-2, log: true}, batch: [8, 16]}}"


@dataclass(frozen=True)
class TunedFile:
    """An experiment file that has `tune`, and the overrides of the command line."""

    path: Path
    overrides: tuple[str, ...]
    experiment: Experiment

    @classmethod
    def read(cls, path: Path, overrides: Sequence[str]) -> TunedFile:
        """Read and validate it; SpineError where `tune` lacks, or a name or a value of its space is none of the
        member's.
        """
        file = cls(path, tuple(overrides), load_experiment(path, overrides))
        with within(path):
            file._require_tunable()
            _require_carried(overrides)
            for name in file.settings.space:
                _require_setting(file.own, name)
            for name, dimension in file.settings.space.items():
                with within(f"tune.space.{name}"):
                    file._require_whole(name, dimension)
        return file

    @property
    def settings(self) -> TuneSettings:
        """What is tuned, and how."""
        if self.experiment.tune is None:
            raise SpineError(f"{self.path} has no `tune`; say what is to be tried, such as {EXAMPLE}")
        return self.experiment.tune

    @property
    def name(self) -> str:
        """The file's own name: of several targets, what those of its experiments begin with."""
        experiment = self.experiment
        return experiment.name.removesuffix(f"_{experiment.target}") if experiment.heads else experiment.name

    @property
    def trained(self) -> str:
        """The member that is trained: of several seeds the first."""
        return standing_for(self.settings.member, self.experiment.members)[0]

    @property
    def own(self) -> BaseModel:
        """The member's settings as the file has them."""
        own: BaseModel = self.experiment.members[self.trained]
        return own

    @property
    def own_values(self) -> dict[str, Any]:
        """The same of what is tuned, by its dotted name."""
        return {name: _value_of(self.own, name) for name in self.settings.space}

    @cached_property
    def whole(self) -> frozenset[str]:
        """The settings with a range that are whole numbers."""
        ranges = {name: value for name, value in self.settings.space.items() if isinstance(value, Range)}
        return frozenset(name for name, value in ranges.items() if self._is_whole(name, value))

    @cached_property
    def members(self) -> dict[str, Any]:
        """The members as the file and the overrides have them, before they are validated."""
        members: dict[str, Any] = read_settings(self.path, self.overrides)["members"]
        return members

    def doubtful(self) -> Iterator[str]:
        """A line for each value of the space that the member cannot have while its other settings are as they are.

        SpineError where it cannot have it whatever they are.
        """
        for name, dimension in self.settings.space.items():
            for value in (dimension.low, dimension.high) if isinstance(dimension, Range) else dimension:
                try:
                    self.with_settings({name: value})
                except SpineError as error:
                    if re.search(rf"\n  {re.escape(name)}[.:]", str(error)):
                        raise SpineError(f"tune.space.{name} has {value!r}: {error}") from None
                    yield f"{name} {value!r} does not fit the member's other settings: {brief(str(error))}"

    def with_settings(self, settings: Mapping[str, Any]) -> Experiment:
        """The experiment whose member has these settings, by their dotted names; SpineError where it cannot."""
        members = self.members
        own = {**(members[self.settings.member] or {}), **self.changes(settings)}
        text = yaml.safe_dump({**members, self.settings.member: own}, default_flow_style=True, sort_keys=False)
        return load_experiment(self.path, [*self.overrides, f"members={text}"])

    def changes(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """What the member's entry in a file has to say for these settings; a group is written with all it has."""
        found: dict[str, Any] = {}
        for name, value in settings.items():
            first, *inner = name.split(".")
            if inner and first not in found:
                found[first] = getattr(self.own, first).model_dump(mode="json", exclude_defaults=True)
            place = found
            for part in [first, *inner][:-1]:
                place = place.setdefault(part, {})
            place[[first, *inner][-1]] = list(value) if isinstance(value, tuple) else value
        return found

    def _require_tunable(self) -> None:
        member, members = self.settings.member, self.experiment.members
        known = self.members
        if member not in known:
            raise SpineError(
                f"tune.member is {member!r}; the members are {', '.join(known)}{did_you_mean(member, known)}"
            )
        if getattr(members[self.trained], "snapshot", None):
            raise SpineError(f"tune.member {member!r} gives several snapshots; set its snapshots to 1 to tune it")
        if several := {"snapshots", "snapshot"} & set(self.settings.space):
            raise SpineError(
                f"tune.space has {several.pop()}, by which one training gives several members; leave it out"
            )
        if hasattr(self.own, "foreign"):
            raise SpineError(f"tune.member {member!r} is an external member, which nothing here trains")

    def _require_whole(self, name: str, dimension: Dimension) -> None:
        """SpineError where a whole number is to be drawn from broken ones."""
        if not isinstance(dimension, Range) or name not in self.whole:
            return
        numbers = [number for number in (dimension.low, dimension.high, dimension.step) if number is not None]
        if broken := [number for number in numbers if number != int(number)]:
            raise SpineError(f"the setting is a whole number, and the range has {broken[0]}; give whole ones")

    def _is_whole(self, name: str, dimension: Range) -> bool:
        for value in (dimension.low, dimension.high):
            try:
                found = _value_of(self.with_settings({name: value}).members[self.trained], name)
            except SpineError:
                continue
            return isinstance(found, int) and not isinstance(found, bool)
        return False


def _value_of(settings: Any, name: str) -> Any:
    for part in name.split("."):
        settings = getattr(settings, part)
    if isinstance(settings, BaseModel):
        return settings.model_dump(mode="json")
    return list(settings) if isinstance(settings, tuple) else settings  # as YAML has it


def _require_setting(own: BaseModel, name: str) -> None:
    """SpineError where a dotted name leads to no setting of a member."""
    settings: Any = own
    *groups, last = name.split(".")
    for number, part in enumerate([*groups, last]):
        above = ".".join(groups[:number])
        if not isinstance(settings, BaseModel):
            raise SpineError(
                f"tune.space.{name}: {above} is {settings!r} in this member, no group of settings; give it as a "
                "mapping in the member, or leave the name out"
            )
        known = list(type(settings).model_fields)
        if part not in known:
            raise SpineError(
                f"tune.space.{name}: {f'{above} has' if above else 'the member has'} no setting {part!r}; the known "
                f"ones are {', '.join(known)}{did_you_mean(part, known)}"
            )
        settings = getattr(settings, part)


def _require_carried(overrides: Sequence[str]) -> None:
    """SpineError of an override that the best settings' file, which extends the tuned one, could not hold."""
    for override in overrides:
        key, _, value = override.partition("=")
        if re.fullmatch(r"members\.[^.]+", key) and isinstance(parse_yaml(value), Mapping):
            raise SpineError(
                f"override {override!r} puts another member in its place, and best.yaml, which extends this file, "
                f"would mix both; give its settings one by one, such as {key}.epochs=8, or write it into the file"
            )
