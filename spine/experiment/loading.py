"""Experiment files and suites of them, read: what they extend, `key=value` overrides, an experiment a target.

Paths are relative to the working directory, but that of `extends` to the file (`spine.core.extends`). `${NAME}` and
`${NAME:-default}` in text are replaced from the environment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from pydantic import Field

from spine.core.extends import describe_chain, merge_deep, merge_files, read_files
from spine.core.near_names import did_you_mean
from spine.core.problems import SpineError, within
from spine.core.strict import Strict, validate
from spine.core.yaml_files import parse_yaml, read_yaml
from spine.experiment.config import Experiment, SettingsOf
from spine.experiment.seeds import origin_of
from spine.experiment.targets import experiments_of_targets, is_of_targets, refuse_of_heads, settings_of_file

__all__ = [
    "Elsewhere",
    "Suite",
    "TwoStages",
    "apply_override",
    "load_experiment",
    "load_experiments",
    "load_other_datasets",
    "load_two_stages",
    "read_settings",
    "validate_experiment",
]


class Elsewhere(Strict):
    """An experiment whose members and weights are judged on the test split of another dataset too."""

    experiment: Path
    build: Path  # that dataset's data config


class TwoStages(Strict):
    """Two detectors of earlier experiments, published as one member of a later one, as `spine two-stage` does it.

    Paths are below the experiments' `runs`: <experiment>/members/<member> or <experiment>/ensembles/<ensemble>.
    """

    regions: Path
    discs: Path
    output: Path
    label: str = ""
    grow: float = Field(default=0.1, ge=0)
    confidence: float = Field(default=0.25, ge=0, le=1)


class Suite(Strict):
    """Experiments that belong together and run one after another, such as those of the quickstart."""

    experiments: tuple[Path, ...] = Field(min_length=1)
    two_stage: tuple[TwoStages, ...] = ()  # each published before the experiment that it is a member of
    also: tuple[Elsewhere, ...] = ()  # judged when they have all run
    cases: tuple[Path, ...] = ()  # exported then: what chains their ensembles into one model
    pack: Mapping[str, Any] = Field(default_factory=dict)  # of a published system: `pipeline.papers.pack` reads it


def load_experiments(path: Path | str, overrides: Sequence[str], settings_of: SettingsOf) -> tuple[Experiment, ...]:
    """The experiment of a file, one for each of its `targets`, or all of a suite's; overrides apply to each."""
    raw = read_yaml(path)
    if "experiments" not in raw:
        return _experiments_of(path, overrides, settings_of)
    suite = validate(Suite, raw, str(path))
    with within(path):
        experiments = tuple(one for file in suite.experiments for one in _experiments_of(file, overrides, settings_of))
        _require_directories_of_their_own(experiments)
        return experiments


def _require_directories_of_their_own(experiments: Sequence[Experiment]) -> None:
    """SpineError where two experiments of a suite would write over each other, such as by the override `name=`."""
    first: dict[Path, Experiment] = {}
    for one in experiments:
        if first.setdefault(one.directory, one) != one:
            raise SpineError(
                f"two experiments of this suite write to {one.directory}; give each a `name` of its own in its file, "
                "and none by the override name="
            )


def load_other_datasets(
    path: Path | str, overrides: Sequence[str], settings_of: SettingsOf
) -> tuple[tuple[Experiment, Path], ...]:
    """A suite's experiments to be judged on another dataset too, each with its data config; none of an experiment's."""
    raw = read_yaml(path)
    also = validate(Suite, raw, str(path)).also if "experiments" in raw else ()
    with within(path):
        return tuple(
            (one, judged.build) for judged in also for one in _experiments_of(judged.experiment, overrides, settings_of)
        )


def load_two_stages(path: Path | str) -> tuple[TwoStages, ...]:
    """The two-stage detectors that a suite publishes; none of an experiment's."""
    raw = read_yaml(path)
    return validate(Suite, raw, str(path)).two_stage if "experiments" in raw else ()


def load_experiment(
    path: Path | str, overrides: Sequence[str], settings_of: SettingsOf, target: str = ""
) -> Experiment:
    """Read an experiment file and what it extends, apply `key=value` overrides (dotted keys, YAML values), validate it.

    `settings_of` gives the settings of a task's members, such as `pipeline.registry.task_settings` of all tasks. Of a
    file with `targets` the experiment of `target`; SpineError where it has several, and none is named.
    """
    if target and is_of_targets(_merged(_read_files(path))):
        overrides = [*overrides, f"target={target}"]
    experiments = _experiments_of(path, overrides, settings_of)
    if len(experiments) > 1:
        targets = ", ".join(one.target for one in experiments)
        raise SpineError(f"{path} has several targets; add target=NAME for one of {targets}")
    return experiments[0]


def read_settings(path: Path | str, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The settings of a file, of those that it extends and of overrides as one mapping, before it is validated."""
    with within(path):
        return _overridden(_merged(_read_files(path)), overrides)


def _experiments_of(path: Path | str, overrides: Sequence[str], settings_of: SettingsOf) -> tuple[Experiment, ...]:
    """The experiment of a file, or one for each of its targets."""
    files = _read_files(path)
    with within(path):
        raw, where = _merged(files), describe_chain(files)
        of_file, of_each = settings_of_file(overrides)
        whole = _overridden(raw, of_file)
        if not is_of_targets(whole):
            return (validate_experiment(_overridden(raw, overrides), where, settings_of),)
        found = experiments_of_targets(whole, where)
        refuse_of_heads(of_each)
        return tuple(
            validate_experiment(_overridden(one, of_each), f"{where}: target {target}", settings_of)
            for target, one in found.items()
        )


def _read_files(path: Path | str) -> dict[Path, dict[str, Any]]:
    files = read_files(path)
    for file, own in files.items():
        with within(path):
            _require_experiment(own, file)
    return files


def _merged(files: Mapping[Path, Mapping[str, Any]]) -> dict[str, Any]:
    """The settings of a file and of those that it extends; a member that is null is left out then."""
    merged = merge_files(_with_members(list(files.values())), merge_deep, own=("name",))
    members = merged.get("members")
    if len(files) == 1 or not isinstance(members, Mapping):
        return merged
    return {**merged, "members": {name: settings for name, settings in members.items() if settings is not None}}


def _with_members(files: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The files, of which the last extends none: a member that is null there has default settings.

    SpineError where a file leaves out a member that none has which it extends.
    """
    *others, last = files
    members = last.get("members")
    if not others or not isinstance(members, Mapping):
        return files
    known = {name: {} if settings is None else settings for name, settings in members.items()}
    last = {**last, "members": dict(known)}
    for own in reversed(others):
        changes = own.get("members")
        for name, settings in (changes if isinstance(changes, Mapping) else {}).items():
            if settings is None and name not in known:
                raise SpineError(f"members.{name} is null, which leaves it out: {_no_member(name, known)}")
            known[name] = settings
    return [*others, last]


def _no_member(name: Any, members: Mapping[Any, Any]) -> str:
    if whole := origin_of(str(name), members):
        return f"the seeds and snapshots of {whole} have one set of settings; give members.{whole}"
    return f"no member has that name; the members are {', '.join(map(str, members))}{did_you_mean(str(name), members)}"


def _overridden(raw: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    own = deepcopy(dict(raw))
    for override in overrides:
        apply_override(own, override)
    return own


def _require_experiment(raw: Mapping[str, Any], path: Path) -> None:
    """SpineError where a file is another kind of configuration."""
    if "sources" in raw and "members" not in raw:
        raise SpineError(
            f"{path} is a data config (it has `sources`), not an experiment; build it with "
            f"`spine data build {path}`, and give an experiment's file here"
        )
    if "detector" in raw and "members" not in raw:
        raise SpineError(
            f"{path} is a case (it has a `detector`), not an experiment; export it with `spine export {path}`, "
            "and give an experiment's file here"
        )
    if "experiments" in raw and "members" not in raw:
        suite = validate(Suite, raw, str(path))
        raise SpineError(
            f"{path} is a suite of several experiments; give the file of one of them here: "
            f"{', '.join(map(str, suite.experiments))}"
        )


def validate_experiment(raw: Any, where: str, settings_of: SettingsOf) -> Experiment:
    """Validate an experiment; `settings_of` gives the settings of a task's members, `where` names it in the error."""
    return validate(Experiment, raw, where, {"settings_of": settings_of})


def apply_override(raw: dict[str, Any], text: str) -> None:
    """Set one value of a configuration by `key=value`, dotted key and YAML value; SpineError where it is none.

    `members.NAME=null` leaves that member out.
    """
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise SpineError(f"override {text!r} is not of the form key=value, such as search.step=0.05")
    *parents, last = key.split(".")
    members = raw.get("members")
    if parents[:1] == ["members"] and isinstance(members, dict) and [*parents, last][1] not in members:
        name = [*parents, last][1]
        raise SpineError(f"override {text!r}: {_no_member(name, members)}")
    place: Any = raw
    for part in parents:
        place = place.setdefault(part, {})
        if place is None or not isinstance(place, dict):
            raise SpineError(f"override {text!r}: {part!r} is no group of settings in this file")
    try:
        place[last] = parse_yaml(value)
    except ValueError as error:
        raise SpineError(f"override {text!r}: {value!r} is not a YAML value ({error}); correct it") from None
    if parents == ["members"] and place[last] is None:
        del place[last]  # left out, as by a file that extends another
