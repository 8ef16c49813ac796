"""An Optuna journal file that survives what happens to files: a record that was cut off is left out, with a word.

A process that is killed, or a disk that is full, cuts the last record short; the next process appends to it. What was
cut off is told once and passed over; a whole record behind it, in the same line, is read. The file itself is never
fixed: other processes may be reading it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from spine.core.problems import SpineError

__all__ = ["WholeRecords"]

BEGINNING = b'{"op_code":'  # of a record, as Optuna writes it


class Lock(Protocol):
    """One of Optuna's locks of a journal file."""

    def acquire(self) -> bool:
        """Wait until no other process has it."""
        ...

    def release(self) -> None:
        """Give it back."""
        ...


class WholeRecords:
    """A backend of Optuna's JournalStorage: the records of a file that are whole, numbered as if there were no others.

    The file is made where there is none; SpineError where there is one that is no journal.
    """

    def __init__(self, path: Path, lock: Lock) -> None:
        self._path, self._lock, self._records, self._offset = path, lock, 0, 0
        with path.open("ab+") as stream:
            stream.seek(0)
            lines = [line for line in stream if line.strip()]
        if lines and not any(_record_in(line) or _begins(line) for line in lines):
            raise SpineError(
                f"{path} is no Optuna journal: none of its {len(lines)} lines is a record; give search.storage another "
                "name, or move the file away"
            )
        self._tell(lines)

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """The whole records from the one of that number on; the last line counts once it has its end."""
        if log_number_from < self._records:  # read again from the start, which Optuna does for a new reader alone
            self._records = self._offset = 0
        with self._path.open("rb") as stream:
            stream.seek(self._offset)
            lines = [line for line in stream if line.endswith(b"\n")]
        for line in lines:
            self._offset += len(line)
            if record := _record_in(line):
                self._records += 1
                if self._records > log_number_from:
                    yield record

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append records, in lines of their own where the last one was cut off."""
        text = "".join(f"{json.dumps(log, separators=(',', ':'))}\n" for log in logs)
        self._lock.acquire()
        try:
            with self._path.open("ab+") as stream:
                cut = stream.tell() and stream.seek(-1, os.SEEK_END) >= 0 and stream.read(1) != b"\n"
                stream.write(b"\n" * bool(cut) + text.encode())
                stream.flush()
                os.fsync(stream.fileno())
        finally:
            self._lock.release()

    def _tell(self, lines: list[bytes]) -> None:
        cut = [number for number, line in enumerate(lines, 1) if not _is_whole(line)]
        if cut:
            which = f"line {cut[0]}" if len(cut) == 1 else f"{len(cut)} lines, first {cut[0]}"
            print(f"warning: {self._path}: a record was cut off ({which}) and is left out", file=sys.stderr)


def _begins(line: bytes) -> bool:
    """Whether a line may be the beginning of a record."""
    return line[: len(BEGINNING)] == BEGINNING[: len(line)]


def _is_whole(line: bytes) -> bool:
    return line.endswith(b"\n") and _decoded(line) is not None


def _record_in(line: bytes) -> dict[str, Any] | None:
    """The record that a line is, or that stands whole at its end, behind what was cut off; None where there is none."""
    record = _decoded(line)
    start = line.rfind(BEGINNING)
    while record is None and start > 0:
        record = _decoded(line[start:])
        start = line.rfind(BEGINNING, 0, start)
    return record


def _decoded(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):  # a UnicodeDecodeError is a ValueError
        return None
    return record if isinstance(record, dict) and {"op_code", "worker_id"} <= set(record) else None
