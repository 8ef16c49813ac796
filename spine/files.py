"""Files that are never seen half-written, and short fingerprints of what they hold."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["atomic_directory", "atomic_file", "fingerprint", "hash_directory", "hash_file", "read_json", "write_json"]

DEAD_AFTER = 24 * 3600.0  # seconds since a temporary file was last touched: no writer of ours is that slow


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, renamed to it when the block ends well and removed when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_directory(path: Path) -> Iterator[Path]:
    """Yield a temporary directory beside `path`; when the block ends well it takes the place of `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path)
    temporary, old = (Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)) for _ in range(2))
    temporary.chmod(0o755)
    try:
        yield temporary
        if path.exists():
            path.replace(old)  # aside in one step: a directory that is being deleted is never seen under its name
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _remove_leftovers(path: Path) -> None:
    """Remove what a killed process left beside `path`; nobody reads it, so it may wait until it is surely dead."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        if time.time() - leftover.stat().st_mtime < DEAD_AFTER:
            continue
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


def write_json(value: Any, path: Path) -> None:
    """Write `value` as indented JSON, atomically."""
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, sort_keys=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(Path(path).read_text())


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def hash_directory(path: Path) -> str:
    """SHA-256 over the relative names and bytes of all files below `path`, in sorted order."""
    files = sorted(file for file in Path(path).rglob("*") if file.is_file())
    return fingerprint([(file.relative_to(path).as_posix(), hash_file(file)) for file in files])


def fingerprint(value: Any) -> str:
    """SHA-256 of a JSON-able value's canonical text: equal values, equal fingerprints, on every machine."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()
