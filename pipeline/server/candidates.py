"""The versions that lie on disk, and which of them may run: each is hashed once, and again only when it changes."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from spine.core.problems import SpineError
from spine.member.member import Member
from spine.member.seals import SEALS, is_sealed

__all__ = ["Candidate", "Candidates"]

_GRACE = 60.0  # seconds between a version's appearance and its seal, which an export puts last
_NOT_TRUSTED = (
    "was not made in this project, or has changed since, and running a SavedModel may read and write files; if you "
    "trust whoever made it, start the server with --trust"
)


@dataclass(eq=False)
class Candidate:
    """A version on disk; `refusal` says why it is not loaded, None where it may be."""

    path: Path
    look: tuple[object, ...]  # of its files, when it was judged
    refusal: str | None = None
    seen: float = field(default_factory=time.monotonic)
    _shown: bool = False

    @property
    def version(self) -> int:
        """Its number."""
        return int(self.path.name)

    @property
    def is_new(self) -> bool:
        """Whether it lacks nothing but a seal, and has only just appeared."""
        return self.refusal == _NOT_TRUSTED and time.monotonic() - self.seen < _GRACE

    def refuse(self, reason: str) -> None:
        """Load it no more, unless its files change."""
        self.refusal = reason

    def is_to_be_shown(self) -> bool:
        """True once: the first time that its refusal is told."""
        first, self._shown = not self._shown, True
        return first


class Candidates:
    """The candidates of one member's directory, judged when they appear or change."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._known: dict[Path, Candidate] = {}

    def look(self) -> list[Candidate]:
        """Those on disk now, the newest last."""
        known = {path: self._judged(path) for path in Member.versions_of(self._directory)}
        self._known = {path: candidate for path, candidate in known.items() if candidate}
        return list(self._known.values())

    def _judged(self, path: Path) -> Candidate | None:
        try:
            look = self._look_of(path)
            before = self._known.get(path)
            if before and before.look == look:
                return before
            candidate = Candidate(path, look)
            if before:
                candidate.seen = before.seen
            if not is_sealed(self._directory, Member.hash_model(path)):
                candidate.refuse(_NOT_TRUSTED)
        except (OSError, SpineError):  # removed while it was looked at, or not readable
            return None
        return candidate

    def _look_of(self, path: Path) -> tuple[object, ...]:
        """Names, sizes and times of its files, and the time of the seals."""
        files = sorted(Path(folder, name) for folder, _, names in os.walk(path) for name in names)
        return (_stat(self._directory / SEALS), *((str(file), _stat(file)) for file in files))


def _stat(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return (0, 0)
    return found.st_size, found.st_mtime_ns
