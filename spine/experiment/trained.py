"""The settings that a member was trained with, beside those that the experiment says now.

`config.yaml` in a member's directory is what it was trained from. The experiment may say something else since: its file
was edited, or a setting was given on the command line of the training alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from spine.core.differing import differing
from spine.core.privacy import salt_id
from spine.core.problems import SpineError
from spine.core.yaml_files import read_yaml
from spine.experiment.config import Experiment
from spine.member.member import Member

__all__ = ["as_trained", "trained_otherwise", "under_another_salt", "warn_if_settings_changed"]

REMOVE = "It is the record of a training: remove it, and the member is taken as the experiment says, or train it again"
SHARED = ("target", "labels", "seed")  # what members learn by that is not theirs alone


def as_trained(experiment: Experiment) -> dict[str, Any]:
    """The resolved experiment in plain values, each member with the settings that it was trained with.

    A member without a record of them, such as a foreign one, keeps what the experiment says.
    """
    now = experiment.model_dump(mode="json", exclude={"shared"})
    records = {name: _record(experiment, name) for name in experiment.members}
    members = {name: record["members"][name] for name, record in records.items() if record}
    return {**now, "members": {**now["members"], **members}}


def trained_otherwise(experiment: Experiment) -> dict[str, str]:
    """Name -> how, of each member that was trained with other settings than the experiment says, such as "was trained
    with epochs 8 (the experiment says 45)".
    """
    now = experiment.model_dump(mode="json")
    changed = {}
    for name in experiment.members:
        then = _record(experiment, name)
        if not then:
            continue
        before, after = ({**_picked(one, SHARED), **one["members"][name]} for one in (then, now))
        if found := list(differing(before, after)):
            told = ", ".join(f"{key} {old!r} (the experiment says {new!r})" for key, old, new in found)
            changed[name] = f"was trained with {told}"
    return changed


def under_another_salt(experiment: Experiment) -> list[str]:
    """A line that names the members whose patients were hashed under another salt than the project's; none where all
    agree, or have none.
    """
    members = {name: Member.open_if_whole(experiment.member_directory(name)) for name in experiment.members}
    salts = {name: member.card.patients.salt for name, member in members.items() if member}
    strange = {name: salt for name, salt in salts.items() if salt not in ("", salt_id())}
    if not strange:
        return []
    return [
        f"{', '.join(strange)}: trained under another salt ({', '.join(sorted(set(strange.values())))}, now "
        f"{salt_id()}), so nobody can tell whether test patients were seen; put that .spine-salt back into the working "
        "directory, or set SPINE_SALT to it"
    ]


def warn_if_settings_changed(experiment: Experiment, show: Callable[[str], None]) -> None:
    """Show what `trained_otherwise` tells, with what to do, and lines of `under_another_salt`, each as a warning."""
    advice = "train it as the experiment says with `spine train EXPERIMENT`, or leave the change out"
    changed = [f"member {name} {how}; {advice}" for name, how in trained_otherwise(experiment).items()]
    for line in [*changed, *under_another_salt(experiment)]:
        show(f"warning: {line}")


def _record(experiment: Experiment, name: str) -> Mapping[str, Any]:
    """What the member's `config.yaml`, or that of its first fold, says; {} without one."""
    directory = experiment.member_directory(name)
    files = [path for path in (directory / "config.yaml", directory / "fold-0" / "config.yaml") if path.exists()]
    if not files:
        return {}
    try:
        stat = files[0].stat()
        record = _read(files[0].absolute(), stat.st_mtime_ns, stat.st_size)
    except SpineError as error:
        raise SpineError(f"{error}. {REMOVE}") from None
    if not isinstance(record.get("members"), Mapping) or not isinstance(record["members"].get(name), Mapping):
        raise SpineError(f"{files[0]} has no settings of member {name}. {REMOVE}")
    return record


@lru_cache(maxsize=256)
def _read(path: Path, changed: int, size: int) -> Mapping[str, Any]:
    """A file's settings; each stage asks for those of each member several times, and YAML is slow to parse."""
    return read_yaml(path)


def _picked(settings: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: settings[key] for key in keys if key in settings}
