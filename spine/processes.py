"""Processes that train: one at a time in a directory, and none that outlives the one that started it."""

from __future__ import annotations

import fcntl
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from spine.problems import SpineError

__all__ = ["as_child", "die_with_parent", "only_one"]

PARENT = "SPINE_PARENT"  # environment variable: the process that a child must not outlive
LOOK_EVERY = 0.5  # seconds


@contextmanager
def only_one(directory: Path) -> Iterator[None]:
    """Hold `directory` for this process alone; SpineError names the process that holds it.

    The lock is `.<name>.lock` beside the directory, which may itself be removed meanwhile. The system gives it back
    however the process ends; the file stays, since removing it could take another's lock away.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    with (directory.parent / f".{directory.name}.lock").open("a+") as file:
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


def as_child() -> Mapping[str, str]:
    """The environment for a child of this process that calls `die_with_parent`."""
    return {**os.environ, PARENT: str(os.getpid())}


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
