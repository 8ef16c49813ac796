"""A job is a command that may be run twice, and a record of how it goes.

runs/<experiment>/jobs/<job>.json    the record: what runs, where, since when, and how it ended
runs/<experiment>/jobs/<job>.log     what it said, where it has no terminal
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from spine.core.files import read_json, write_json
from spine.core.writers import is_running

__all__ = [
    "OUT_OF_MEMORY",
    "SEE_ABOVE",
    "SILENT_AFTER",
    "STOPPED",
    "Away",
    "Ended",
    "Job",
    "Record",
    "State",
    "as_file_name",
]

State = Literal["waiting", "running", "done", "failed"]
OUT_OF_MEMORY = "ran out of memory"  # in why a job failed, where that is known
SEE_ABOVE = "see above"  # in why a job failed whose words went to a terminal
STOPPED = (130, 143)  # exit statuses of what a person ended, as `spine.core.ending` has them
SILENT_AFTER = 120.0  # seconds without a sign of life, after which a job of another machine counts as lost


@dataclass(frozen=True)
class Away:
    """Of a job on a machine without this disk: what travels there and back, by a store that both reach.

    Places are relative to the folder that it runs in there; its arguments name them.
    """

    store: str  # an fsspec URL
    brings: Mapping[str, Path]  # place -> file or directory here
    returns: Mapping[str, Path]  # place -> directory here


@dataclass(frozen=True)
class Job:
    """What `python -m module arguments` does, run in `folder`; the module itself sees what is done already."""

    name: str
    module: str
    arguments: tuple[str, ...]
    records: Path  # the folder of the records
    folder: Path = field(default_factory=Path.cwd)
    away: Away | None = None  # where it may not count on this disk
    with_less: tuple[str, ...] = ()  # further arguments with which it needs less memory; empty where there are none

    @property
    def record(self) -> Path:
        """Its record's file."""
        return self.records / f"{as_file_name(self.name)}.json"

    @property
    def log(self) -> Path:
        """The file of what it says, where it has no terminal."""
        return self.record.with_suffix(".log")


def as_file_name(text: str) -> str:
    """The name of a job, or of what it reads, as files of it are called."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text)


@dataclass(frozen=True)
class Ended:
    """How a job ended: its exit status, negative of a signal, and why in words where that is not 0."""

    status: int
    why: str = ""
    by: str = ""  # of a job that another command runs: which process it is; it has not ended then

    @property
    def was_cut(self) -> bool:
        """Whether something else than itself ended it, so that it is worth another try."""
        return self.status < 0

    def told(self, name: str) -> str:
        """The name of a job that did not come to its end, and why, as a part of a sentence."""
        return f"{name} {self.why}" if self.was_cut or self.by else f"{name} failed ({self.why})"

    @property
    def was_short_of_memory(self) -> bool:
        """Whether it is known to have had too little."""
        return OUT_OF_MEMORY in self.why


@dataclass(frozen=True)
class Record:
    """What is known of a job from its file alone."""

    name: str
    state: State
    attempt: int = 1
    host: str = ""
    writer: str = ""  # the process, as `spine.core.writers` names it
    since: float = 0.0  # seconds of the epoch: when it came into its state
    status: int = 0
    why: str = ""
    took: float = 0.0  # seconds, of an attempt that has ended

    @classmethod
    def read(cls, file: Path) -> Record | None:
        """The record of a file; None where there is none. SpineError where it is damaged."""
        return read_json(file, check=lambda raw: cls(**raw)) if file.exists() else None

    def write(self, file: Path) -> Record:
        """Put it in place of the one before, in one step."""
        write_json(asdict(self), file)
        return self

    def now(self, state: State, **changes: Any) -> Record:
        """The same in another state, from this moment on."""
        return replace(self, state=state, since=time.time(), **changes)

    def is_silent(self, file: Path) -> bool:
        """Whether it counts as running, and its file has not been touched for too long a time."""
        return self.state == "running" and time.time() - file.stat().st_mtime > SILENT_AFTER

    def is_gone(self, alive: float) -> bool:
        """Whether what counts as running does not: of this machine by its process, else by how long it has been silent.

        `alive` is when it gave its last sign of life, in seconds of the epoch.
        """
        runs = is_running(f".{self.writer}.")
        return time.time() - alive > SILENT_AFTER if runs is None else not runs

    @property
    def process(self) -> str:
        """The process that runs it, in words."""
        return f"process {self.writer.rpartition('-')[2]} on {self.host}"

    @property
    def ended(self) -> Ended | None:
        """How it ended; None while it has not."""
        return Ended(self.status, self.why) if self.state in ("done", "failed") else None
