"""Where tables are printed: as wide as the terminal, and unwrapped where a file or another program reads them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["wide_console"]

UNWRAPPED = 10_000  # columns: no table of ours is as wide


def wide_console(*, stderr: bool = False) -> Console:
    """A console on stdout, or stderr. Where that is no terminal, and COLUMNS says no width, no cell is wrapped: whoever
    searches or copies a path in the lines finds it whole.
    """
    from rich.console import Console

    console = Console(stderr=stderr)
    if console.is_terminal or "COLUMNS" in os.environ:
        return console
    return Console(stderr=stderr, width=UNWRAPPED)
