"""An experiment file may start from another one: `extends: spider_degeneration.yaml`, relative to the file itself.

It is as if both were one file: mappings are merged key by key, at every depth, and anything else that the file gives
(a list, a number, null) replaces what the other has. A member that is null is left out. The name is the file's own, so
that no two write into one run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce
from pathlib import Path
from typing import Any

from spine.core.problems import SpineError, within
from spine.core.yaml_files import read_yaml

__all__ = ["merge", "merge_files", "read_files"]


def read_files(path: Path | str) -> dict[Path, dict[str, Any]]:
    """Each file's own settings: first those of `path`, then of the file that it extends, and so on.

    SpineError where a file is missing or no YAML mapping, or extends itself by a detour.
    """
    files: dict[Path, dict[str, Any]] = {}
    file: Path | None = Path(path)
    while file:
        with within(path):
            raw = read_yaml(file)
            if file.resolve() in [known.resolve() for known in files]:
                raise SpineError(f"`extends` goes in a circle, {' to '.join(map(str, [*files, file]))}; remove one")
            files[file] = raw
            file = _extended(file, raw)
    return files


def _extended(file: Path, raw: dict[str, Any]) -> Path | None:
    if "extends" not in raw:
        return None
    other = raw.pop("extends")
    if not isinstance(other, str) or not other:
        raise SpineError(f"{file}: extends is {other!r}; give the path of one experiment file, relative to this file")
    return file.parent / other


def merge_files(files: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The settings of all files of `read_files` as one mapping."""
    own, *others = files
    nameless = [{key: value for key, value in other.items() if key != "name"} for other in others]
    merged = reduce(lambda ours, theirs: merge(theirs, ours), nameless, dict(own))
    return _without_null_members(merged) if others else merged


def _without_null_members(merged: dict[str, Any]) -> dict[str, Any]:
    members = merged.get("members")
    if not isinstance(members, Mapping):
        return merged
    return {**merged, "members": {name: settings for name, settings in members.items() if settings is not None}}


def merge(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, Any]:
    """Both mappings' keys, theirs first; where both have a value, ours, or of two mappings what is merged of them."""

    def of(key: str, value: Any) -> Any:
        other = theirs.get(key)
        return merge(other, value) if isinstance(other, Mapping) and isinstance(value, Mapping) else value

    return {**theirs, **{key: of(key, value) for key, value in ours.items()}}
