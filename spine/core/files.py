"""Files that are never seen half-written, and short fingerprints of what they hold."""

from __future__ import annotations

import glob
import hashlib
import heapq
import itertools
import json
import math
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spine.core.writers import is_running, writer

__all__ = [
    *("Tree", "atomic_directory", "atomic_file", "fingerprint", "hash_directory", "hash_file", "read_if_whole"),
    *("read_json", "remove_directory", "remove_leftovers", "size_of", "walk", "with_nulls", "write_json"),
]

REMOVE = "remove it, and run the command that made it again"
DEAD_AFTER = 24 * 3600.0  # seconds since another machine's temporary file was touched: no writer of ours is that slow
_numbers = itertools.count()  # of this process's temporary files: two of its threads may write one file


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, renamed to it when the block ends well and removed when it does not.

    Of several that write it at the same time, in threads or processes, the last to end has it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path)
    temporary = path.with_name(f"{_mark(path)}{writer()}.{next(_numbers)}.tmp")
    try:
        with _named(path):
            yield temporary
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_directory(path: Path) -> Iterator[Path]:
    """Yield a temporary directory beside `path`; when the block ends well it takes the place of `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path)
    with _named(path):
        temporary, old = (_aside(path) for _ in range(2))
    temporary.chmod(0o755)
    try:
        with _named(path):
            yield temporary
            if path.exists():
                path.replace(old)  # aside in one step: a directory that is being deleted is never seen under its name
            temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Give an error of writing the name of what was to be written: of a full disk it has none, or a temporary one."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and (error.filename is None or _mark(path) in str(error.filename)):
            error.filename = str(path)
        raise


def remove_directory(path: Path) -> None:
    """Remove a directory such that it is never seen half gone: it loses its name first."""
    old = _aside(path)
    path.replace(old)
    shutil.rmtree(old, ignore_errors=True)


def _aside(path: Path) -> Path:
    """A new empty directory beside `path`, whose name tells that this process is at work on it."""
    return Path(tempfile.mkdtemp(prefix=f"{_mark(path)}{writer()}.", suffix=".tmp", dir=path.parent))


def remove_leftovers(path: Path, older_than: float = DEAD_AFTER) -> None:
    """Remove what a killed process left beside `path`: at once where it was one of this machine, else a day later.

    Who holds a lock on `path` knows that nobody else writes there, and need not wait: `older_than` 0 seconds.
    """
    for leftover in path.parent.glob(f"{glob.escape(_mark(path))}*.tmp"):
        try:
            if older_than and _may_be_at_work(leftover, older_than):
                continue
        except FileNotFoundError:
            continue  # its own process removed it meanwhile
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


def _mark(path: Path) -> str:
    """What the names of all temporary files of `path` begin with; short where its own is near a name's 255 bytes."""
    name = path.name if len(os.fsencode(path.name)) <= 180 else fingerprint(os.fsencode(path.name).hex())[:32]
    return f".{name}."


def _may_be_at_work(leftover: Path, older_than: float) -> bool:
    """Whether its process may still write it: one of this machine that runs, or of another that did of late."""
    runs = is_running(leftover.name)
    return time.time() - leftover.stat().st_mtime < older_than if runs is None else runs


def write_json(value: Any, path: Path) -> None:
    """Write `value` as indented JSON, atomically; ValueError on NaN and infinity (see `with_nulls`)."""
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, sort_keys=False, allow_nan=False) + "\n")


def read_json(path: Path, again: str = REMOVE, check: Callable[[Any], Any] | None = None) -> Any:
    """What a JSON file of our own holds, or what `check` makes of it; `again` tells what to do where it is damaged.

    SpineError names the file where it is no JSON, repeats a key, holds NaN, or `check` raises anything.
    """
    from spine.core.problems import one_file  # which writes its table by this module

    with one_file(path, again):
        found = json.loads(
            Path(path).read_text("utf-8"), parse_constant=_refuse_constant, object_pairs_hook=_without_repeats
        )
        return check(found) if check else found


def read_if_whole(path: Path) -> dict[str, Any]:
    """What a JSON file holds that can be made again at any time; {} where there is none, or it is damaged."""
    from spine.core.problems import SpineError

    try:
        found = read_json(path) if Path(path).exists() else {}
    except SpineError:
        return {}
    return found if isinstance(found, dict) else {}


def with_nulls(value: Any) -> Any:
    """The same with None for NaN and infinity, for which JSON has no word: what is undefined is null."""
    if isinstance(value, Mapping):
        return {key: with_nulls(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [with_nulls(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"the key {next(key for n, (key, _) in enumerate(pairs) if key in dict(pairs[:n]))!r} repeats")
    return found


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def hash_directory(path: Path) -> str:
    """SHA-256 over the relative names and bytes of all files below `path`, in sorted order."""
    files = walk(Path(path), hidden=True).files
    return fingerprint([(file.relative_to(path).as_posix(), hash_file(file)) for file in files])


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def fingerprint(value: Any) -> str:
    """SHA-256 of a JSON-able value's canonical text: equal values, equal fingerprints, on every machine."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Tree:
    """The files below a folder, sorted by path.

    `lost` tells of each path that gives none though one might expect it, such as a link that leads nowhere, why;
    `again` maps a link to a folder that is in the tree already to where it is.
    """

    files: tuple[Path, ...]
    lost: dict[Path, str] = field(default_factory=dict)
    again: dict[Path, Path] = field(default_factory=dict)


def walk(root: Path, hidden: bool = False) -> Tree:
    """The files at or below `root`, in linked folders too; hidden files and folders only where asked for.

    Each folder is entered once, so that a link to a folder above it is no way round and round; a folder that lies in
    the tree has its own name, not that of a link to it.
    """
    if not root.is_dir():
        return Tree((root,) if root.is_file() else ())
    walking = _Walk(hidden)
    walking.enter(root, root.resolve())
    while walking.links:
        link = heapq.heappop(walking.links)
        walking.enter(link, link.resolve())
    return Tree(tuple(sorted(walking.files)), walking.lost, walking.again)


@dataclass
class _Walk:
    """What a walk has seen so far: folders by their real path, and links to folders that are still to be followed."""

    hidden: bool
    files: list[Path] = field(default_factory=list)
    links: list[Path] = field(default_factory=list)  # a heap: the first by name is followed first
    lost: dict[Path, str] = field(default_factory=dict)
    again: dict[Path, Path] = field(default_factory=dict)
    _seen: dict[Path, Path] = field(default_factory=dict)

    def enter(self, folder: Path, real: Path) -> None:
        """Take up a folder and what is below it, but for links to folders."""
        pending = [(folder, real)]
        while pending:
            folder, real = pending.pop()
            if real in self._seen:
                self.again[folder] = self._seen[real]
                continue
            self._seen[real] = folder
            for path in self._inside(folder):
                if self._take(path):
                    pending.append((path, real / path.name))

    def _inside(self, folder: Path) -> list[Path]:
        try:
            inside = sorted(folder.iterdir())
        except OSError as error:
            self.lost[folder] = f"cannot be opened ({error.strerror})"
            return []
        return [path for path in inside if self.hidden or not path.name.startswith(".")]

    def _take(self, path: Path) -> bool:
        """Note a file or a link; whether it is a folder of its own."""
        linked = path.is_symlink()
        try:
            mode = path.stat().st_mode
        except OSError as error:
            self.lost[path] = "is a link that leads nowhere" if linked else f"cannot be opened ({error.strerror})"
            return False
        if stat.S_ISREG(mode):
            self.files.append(path)
        elif not stat.S_ISDIR(mode):
            self.lost[path] = "is no file and no folder, but a pipe, a socket or a device"
        elif linked:
            heapq.heappush(self.links, path)
        return stat.S_ISDIR(mode) and not linked
