"""How many cores this process may use."""

from __future__ import annotations

import os

__all__ = ["threads_for", "usable_cores"]


def usable_cores() -> int:
    """The cores that this process may run on; where the system does not say (macOS, Windows), those of the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads_for(cores: int) -> dict[str, str]:
    """The environment of a process that is to use so many cores: TensorFlow's threads, and OpenMP's."""
    threads = str(cores)
    return {"TF_NUM_INTRAOP_THREADS": threads, "TF_NUM_INTEROP_THREADS": threads, "OMP_NUM_THREADS": threads}
