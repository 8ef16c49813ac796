"""Room and rights: a disk that is full or may not be written, as one sentence that names the path and the work."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spine.core.problems import DISK_FULL, SpineError, brief, fault_of

__all__ = ["at_work", "describe", "is_of_the_disk", "is_short", "require_room"]

LITTLE = 2**20  # bytes: with less, whatever is written next fails
_FAULTS = {os.strerror(number): number for number in (*DISK_FULL, errno.EROFS, errno.EACCES, errno.EPERM)}
_SQLITE = {
    "database or disk is full": errno.ENOSPC,
    "attempt to write a readonly database": errno.EROFS,
    "unable to open database file": errno.EACCES,
}


def is_of_the_disk(error: BaseException) -> bool:
    """Whether an exception, of Python's or of a library's, tells of a path that cannot be used, and of no defect."""
    return _fault(error) is not None or (isinstance(error, OSError) and error.filename is not None)


def describe(error: Exception, work: str) -> str:
    """One sentence on such an exception: what was at work, which path, why, and what to do."""
    fault, first = _fault(error), error
    while isinstance(first.__cause__, Exception) and _fault(first.__cause__):
        first = first.__cause__  # what a library first met says more than what it made of it
    reason = brief(fault_of(first))
    if isinstance(error, OSError) and error.errno is not None:
        names = " -> ".join(str(name) for name in (error.filename, error.filename2) if name is not None)
        reason = f"{names or 'a file'}: {os.strerror(error.errno)}"
    advice = "make room" if fault in DISK_FULL else "give the right to it, or another path" if fault else "fix the path"
    return f"{work} stopped at {reason}; {advice}, and run the same command again"


def _fault(error: BaseException) -> int | None:
    """The fault of the disk that an exception tells of: TensorFlow, HDF5 and SQLite have it in words only."""
    if isinstance(error, OSError) and error.errno in _FAULTS.values():
        return error.errno
    told = next((number for text, number in {**_FAULTS, **_SQLITE}.items() if text in str(error)), None)
    return told or (_fault(error.__cause__) if error.__cause__ else None)


@contextmanager
def at_work(work: str) -> Iterator[None]:
    """Turn a fault of the disk met within into a SpineError that names the work, such as "predict"."""
    try:
        yield
    except Exception as error:
        if isinstance(error, SpineError | BrokenPipeError) or not is_of_the_disk(error):
            raise
        raise SpineError(describe(error, work)) from error


def require_room(path: Path, wanted: int, what: str) -> None:
    """SpineError where the disk that `path` is to lie on has not `wanted` bytes free: libraries crash on a full one."""
    free = shutil.disk_usage(_existing(path)).free
    if free < wanted:
        raise SpineError(
            f"{what} needs about {wanted / 2**20:,.0f} MB in {path}, and its disk has {free / 2**20:,.0f} MB free; "
            "make room and run it again"
        )


def is_short(path: Path) -> bool:
    """Whether the disk that `path` lies on is as good as full."""
    return shutil.disk_usage(_existing(path)).free < LITTLE


def _existing(path: Path) -> Path:
    path = path.absolute()
    return next(folder for folder in (path, *path.parents) if folder.exists())
