"""What a C library says to the terminal while it decodes: its complaints, which it does not raise."""

from __future__ import annotations

import io
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TextIO

import cv2

__all__ = ["complaints"]


_HEARING = threading.RLock()  # there is one standard error
_OF_A_TERMINAL = "\x1b"  # what moves the cursor: a bar that was drawn as the block began


@contextmanager
def complaints(level: int = cv2.utils.logging.LOG_LEVEL_SILENT) -> Iterator[list[str]]:
    """Gather the lines that libraries write to the process's standard error in the block; the list is full at its end.

    libtiff warns there through OpenCV where its log's `level` is that of warnings, and so do GDCM's codecs; both fill
    with grey what they could not decode. What Python writes meanwhile, such as a bar of another thread, goes to where
    it always does. Another thread that would listen waits.
    """
    heard: list[str] = []
    with _HEARING, tempfile.TemporaryFile() as file, _python_apart():
        before, kept = cv2.utils.logging.setLogLevel(level), os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield heard
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            cv2.utils.logging.setLogLevel(before)
            file.seek(0)
            lines = file.read(2**16).decode("utf-8", "replace").splitlines()
            heard += [line for line in lines if _OF_A_TERMINAL not in line]


@contextmanager
def _python_apart() -> Iterator[None]:
    """Have Python write its standard error through a descriptor of its own in the block."""
    own = sys.stderr
    if own is None or not _writes_to(own, 2):
        yield
        return
    own.flush()
    sys.stderr = _stream_of_its_own(own.encoding, own.errors)
    try:
        yield
    finally:
        sys.stderr = own


@cache  # and never closed: another thread may hold it still when the block ends
def _stream_of_its_own(encoding: str, errors: str | None) -> TextIO:
    return io.TextIOWrapper(os.fdopen(os.dup(2), "wb", 0), encoding, errors, write_through=True)


def _writes_to(stream: TextIO, descriptor: int) -> bool:
    try:
        return stream.fileno() == descriptor
    except (OSError, ValueError, AttributeError):  # a notebook's, or a test's, has none
        return False
