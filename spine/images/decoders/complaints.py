"""What a C library says to the terminal while it decodes: its complaints, which it does not raise."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import cv2

__all__ = ["complaints"]


@contextmanager
def complaints(level: int = cv2.utils.logging.LOG_LEVEL_SILENT) -> Iterator[list[str]]:
    """Gather the lines that libraries write to the process's standard error in the block; the list is full at its end.

    libjpeg warns there, and libtiff through OpenCV where its log's `level` is that of warnings; both fill with grey
    what they could not decode.
    """
    heard: list[str] = []
    if sys.stderr is not None:
        sys.stderr.flush()
    before = cv2.utils.logging.setLogLevel(level)
    kept = os.dup(2)
    try:
        with tempfile.TemporaryFile() as file:
            os.dup2(file.fileno(), 2)
            try:
                yield heard
            finally:
                os.dup2(kept, 2)
                file.seek(0)
                heard += file.read(2**16).decode("utf-8", "replace").splitlines()
    finally:
        os.close(kept)
        cv2.utils.logging.setLogLevel(before)
