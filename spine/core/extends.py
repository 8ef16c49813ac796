"""A configuration file may start from another one of its kind: `extends: other.yaml`, relative to the file itself.

Experiments merge key by key at every depth (`merge_deep`); of a data config each of its keys is one decision, which the
file takes whole or leaves to the other (`merge_flat`). A name, and where a dataset is written, are the file's own, so
that no two write into one place.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from spine.core.problems import SpineError, within
from spine.core.yaml_files import read_yaml

__all__ = ["describe_chain", "merge_deep", "merge_files", "merge_flat", "read_files"]

Settings = Mapping[str, Any]
Merge = Callable[[Settings, Settings], dict[str, Any]]  # of theirs and ours


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
        raise SpineError(
            f"{file}: extends is {other!r}; give the path of one file of the same kind, relative to this file"
        )
    path = file.parent / other
    if not path.is_file():
        raise SpineError(f"{path} is not a file; {file} extends {other}, which is relative to that file's own folder")
    return path


def merge_files(files: Iterable[Settings], merge: Merge, own: Collection[str]) -> dict[str, Any]:
    """The settings of all files of `read_files` as one mapping; keys of `own` are the first file's alone."""
    first, *others = files
    merged = dict(first)
    for other in others:
        merged = merge({key: value for key, value in other.items() if key not in own}, merged)
    return merged


def merge_deep(theirs: Settings, ours: Settings) -> dict[str, Any]:
    """Both mappings' keys, theirs first; where both have a value, ours, or of two mappings what is merged of them."""

    def of(key: str, value: Any) -> Any:
        other = theirs.get(key)
        return merge_deep(other, value) if isinstance(other, Mapping) and isinstance(value, Mapping) else value

    return {**theirs, **{key: of(key, value) for key, value in ours.items()}}


def merge_flat(theirs: Settings, ours: Settings) -> dict[str, Any]:
    """Both mappings' keys; where both have a value, ours as a whole. A null of ours takes the other's back."""
    merged = {**theirs, **ours}
    return {key: value for key, value in merged.items() if value is not None or key not in theirs}


def describe_chain(files: Iterable[Path]) -> str:
    """A file with those that it extends, any of which may have what is wrong."""
    own, *others = map(str, files)
    return f"{own} (extends {', '.join(others)})" if others else own
