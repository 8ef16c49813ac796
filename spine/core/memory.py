"""Memory that ran out, as Python, NumPy and TensorFlow tell it, and the exit status that says so to a parent."""

from __future__ import annotations

from spine.core.disk import is_of_the_disk

__all__ = ["NO_MEMORY", "is_of_memory"]

NO_MEMORY = 12  # the exit status; errno calls it ENOMEM


def is_of_memory(error: BaseException) -> bool:
    """Whether an exception tells that memory ran out; TensorFlow has the same of a GPU, and of a full disk."""
    told = isinstance(error, MemoryError) or any(
        kind.__name__ == "ResourceExhaustedError" for kind in type(error).__mro__
    )
    return told and not is_of_the_disk(error)
