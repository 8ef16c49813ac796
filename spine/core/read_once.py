"""Files whose content was looked at already, so that a stage that opens them again does not read them again."""

from __future__ import annotations

import time
from pathlib import Path

__all__ = ["ReadOnce"]

SETTLED = 2.0  # seconds since the last change: within one tick of a file system's clock a file can change unseen


class ReadOnce:
    """Remembers files by device, inode, size and time of change, for as long as this process lives."""

    def __init__(self) -> None:
        self._known: set[tuple[int, ...]] = set()

    def knows(self, path: Path) -> bool:
        """Whether just this content was remembered."""
        return _stamp(path) in self._known

    def remember(self, path: Path) -> None:
        """Remember a file, unless it changed a moment ago."""
        if time.time() - path.stat().st_mtime > SETTLED:
            self._known.add(_stamp(path))


def _stamp(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
