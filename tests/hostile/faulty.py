"""Readers with one fault each: what the harness has to notice."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from spine.core.problems import SpineError
from tests.hostile.readers import Found, Reader

__all__ = ["FAULTY"]

_GOOD = b"the good input"


def _make(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "victim.png").write_bytes(_GOOD)


def _reader(kind: str, fault: Callable[[], Found]) -> Reader:
    """A reader that reads the good input, and has its fault on any other."""
    both = {"p1": "values", "p2": "values"}

    def read(folder: Path) -> Found:
        return Found(pictures=both) if (folder / "victim.png").read_bytes() == _GOOD else fault()

    return Reader(kind, "victim.png", "", _make, (read,), others=("p2",))


def _raise(error: Exception) -> Found:
    raise error


def _hold(gigabytes: int) -> Found:
    return Found(told=len(bytearray(os.urandom(2**20)) * 1024 * gigabytes))


def _loop() -> Found:
    while True:
        pass


FAULTY = {
    "traceback": _reader("traceback", lambda: _raise(ValueError("a parser's"))),
    "refused": _reader("refused", lambda: Found(("victim.png is damaged",), {"p2": "values"})),
    "nameless": _reader("nameless", lambda: Found(("a file is damaged",), {"p2": "values"})),
    "lost": _reader("lost", lambda: _raise(SpineError("victim.png is damaged"))),
    "garbage": _reader("garbage", lambda: Found(pictures={"p1": "others", "p2": "values"})),
    "memory": _reader("memory", lambda: _hold(3)),
    "crash": _reader("crash", lambda: os.abort()),
    "hang": _reader("hang", _loop),
}
