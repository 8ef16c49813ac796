"""A place that machines without a common disk share: an fsspec URL such as s3://bucket/runs, gs://..., or file://...

<url>/<name>/<path>      the files that were put there under a name
<url>/<name>.json        their sizes and SHA-256, written last: without it, nothing counts as there
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spine.core.files import hash_file, walk
from spine.core.problems import SpineError
from spine.core.words import needs_extra

__all__ = ["Lost", "Store"]


class Lost(SpineError):
    """What was to be in a store is not there, or not as it was put."""


class Store:
    """Files and directories by names; what is there is whole, or counts as not there."""

    def __init__(self, url: str) -> None:
        """SpineError where fsspec, or what it needs for such a URL, is missing."""
        try:
            from fsspec.core import url_to_fs
        except ImportError:
            raise SpineError(needs_extra("executor.store", "fsspec", "ray")) from None
        try:
            self._files, self._root = url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise SpineError(f"executor.store is {url}, which cannot be opened: {error}") from None

    def has(self, name: str) -> bool:
        """Whether all of it is there."""
        self._files.invalidate_cache()
        return bool(self._files.exists(self._list_of(name)))

    def put(self, what: Mapping[str, Path], name: str) -> None:
        """Put files and directories there, each at its own place below the name."""
        listed = {}
        for place, path in what.items():
            for file in walk(path, hidden=True).files if path.is_dir() else [path]:
                inner = f"{place}/{file.relative_to(path).as_posix()}" if path.is_dir() else place
                there = f"{self._root}/{name}/{inner}"
                self._files.makedirs(there.rsplit("/", 1)[0], exist_ok=True)
                self._files.put_file(str(file), there)
                listed[inner] = {"bytes": file.stat().st_size, "sha256": hash_file(file)}
        self.write(name, listed)

    def get(self, name: str, folder: Path) -> None:
        """Copy all that a name holds into a folder; Lost where it is not whole."""
        for inner, told in self.read(name).items():
            file = folder / inner
            if not file.resolve().is_relative_to(folder.resolve()):
                raise Lost(f"{name} holds {inner!r}, which lies outside of it")
            file.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._files.get_file(f"{self._root}/{name}/{inner}", str(file))
            except FileNotFoundError:
                raise Lost(f"{inner} of {name} is not there") from None
            if hash_file(file) != told["sha256"]:
                raise Lost(f"{inner} of {name} is not as it was put there")

    def write(self, name: str, told: Mapping[str, Any]) -> None:
        """A note under a name, in one step."""
        self._files.makedirs(self._list_of(name).rsplit("/", 1)[0], exist_ok=True)
        self._files.pipe_file(self._list_of(name), json.dumps(told).encode())

    def read(self, name: str) -> dict[str, Any]:
        """The note under a name, of what was put there its list of files; Lost where there is none."""
        self._files.invalidate_cache()
        try:
            return dict(json.loads(self._files.cat_file(self._list_of(name))))
        except (FileNotFoundError, ValueError):
            raise Lost(f"{name} is not whole in the store") from None

    def remove(self, name: str) -> None:
        """Have nothing there any more; its list goes first."""
        for path in (self._list_of(name), f"{self._root}/{name}"):
            if self._files.exists(path):
                self._files.rm(path, recursive=True)

    def _list_of(self, name: str) -> str:
        return f"{self._root}/{name}.json"
