"""Processes that train: one at a time in a directory, and none that outlives the one that started it."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spine.core.problems import SpineError

__all__ = ["PARENT", "as_child", "die_with_parent", "end_children", "exclusive_lock", "holder_of", "run_child"]

PARENT = "SPINE_PARENT"  # environment variable: the process that a child must not outlive
LOOK_EVERY = 0.5  # seconds
PATIENCE = 10.0  # seconds that a child which is told to end may take for it
_children: set[subprocess.Popen[str]] = set()  # that run, of whichever thread


@contextmanager
def exclusive_lock(directory: Path) -> Iterator[None]:
    """Hold `directory` for this process alone; SpineError names the process that holds it.

    The lock is `.<name>.lock` beside the directory, which may itself be removed meanwhile. The system gives it back
    however the process ends; the file stays, since removing it could take another's lock away.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    with _lock_of(directory).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise SpineError(
                f"{directory} is being written by {file.read().strip() or 'another process'}; wait until it ends, "
                "or stop it"
            ) from None
        file.truncate(0)
        print(f"process {os.getpid()} on {socket.gethostname()}", file=file, flush=True)
        yield


def holder_of(directory: Path) -> str:
    """The process that holds a directory by `exclusive_lock`, in words; empty where none does."""
    lock = _lock_of(directory)
    if not lock.exists():
        return ""
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return file.read().strip() or "another process"
        return ""


def _lock_of(directory: Path) -> Path:
    return directory.parent / f".{directory.name}.lock"


def as_child() -> Mapping[str, str]:
    """The environment for a child of this process that calls `die_with_parent`."""
    return {**os.environ, PARENT: str(os.getpid())}


def run_child(
    command: Sequence[str], environment: Mapping[str, str], *, line_by_line: bool = False, log: Path | None = None
) -> int:
    """Run a process to its exit status, negative where a signal ended it; it does not outlive this call.

    Line by line, what it says comes to stderr as whole lines, so that several may share the terminal. With a `log`
    it is added to that file instead.
    """
    if log is not None:
        with log.open("ab") as stream:
            return _run(command, environment, stdout=stream, stderr=stream, text=True)
    pipe: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
    return _run(command, environment, **(pipe if line_by_line else {}))


def _run(command: Sequence[str], environment: Mapping[str, str], **streams: Any) -> int:
    child = subprocess.Popen(command, env=environment, **streams)
    _children.add(child)
    try:
        for line in child.stdout or ():
            if line.strip():
                print(line, end="", file=sys.stderr, flush=True)
        return child.wait()
    finally:
        _end([child])
        if child.stdout:
            child.stdout.close()
        _children.discard(child)


def end_children() -> None:
    """End what `run_child` runs in any thread, by a signal that lets it tidy, and by force if it does not end."""
    _end(list(_children))


def _end(children: Sequence[subprocess.Popen[str]]) -> None:
    for child in children:
        if child.poll() is None:
            child.terminate()
    until = time.monotonic() + PATIENCE
    for child in children:
        try:
            child.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def die_with_parent() -> None:
    """End this process at once when the one that started it with `as_child` is gone, even by kill -9.

    Called by hand, without such a parent, it does nothing.
    """
    parent = os.environ.pop(PARENT, "")  # not handed on: to a child of this process it would be a grandparent
    if parent:
        threading.Thread(target=_watch, args=(int(parent),), daemon=True).start()


def _watch(parent: int) -> None:
    # Asked again and again, since the one portable sign of a parent's death is that the child has got another one.
    while os.getppid() == parent:
        time.sleep(LOOK_EVERY)
    os._exit(1)  # what is on disk is whole at any moment, so there is nothing to tidy
