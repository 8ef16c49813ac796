"""Who writes a temporary file, told by its name, so that what a killed process left is known to be nobody's."""

from __future__ import annotations

import hashlib
import os
import re
import socket
from contextlib import suppress
from functools import cache
from pathlib import Path

__all__ = ["is_running", "writer"]


def writer() -> str:
    """This process, as its temporary files name it: a token of the machine since it was started, and a number there."""
    return f"{_machine()}-{os.getpid()}"


def is_running(name: str) -> bool | None:
    """Whether the process that a temporary file's name tells of runs; None where it is of another machine, or none."""
    match = re.search(rf"\.{_machine()}-(\d+)\.", name)
    if not match:
        return None
    try:
        os.kill(int(match[1]), 0)  # asks, and ends nothing
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


@cache
def _machine() -> str:
    """Differs between machines that share a disk, and containers of one: a process number means nothing in another."""
    names = [socket.gethostname()]
    for read in (Path("/proc/sys/kernel/random/boot_id").read_text, lambda: str(Path("/proc/self/ns/pid").readlink())):
        with suppress(OSError):
            names.append(read())
    return hashlib.sha256("".join(names).encode()).hexdigest()[:8]
