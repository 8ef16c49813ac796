"""Compile a loop with numba when it is first needed, and keep the result between runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

__all__ = ["compiled"]


@cache
def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The compiled function; it releases Python's lock, so that threads run it side by side.

    Importing numba and loading a kept function takes about a second, compiling it another.
    """
    from numba import njit

    try:
        return njit(cache=True, nogil=True)(function)
    except RuntimeError:  # numba finds no writable place to keep it
        return njit(nogil=True)(function)
