"""Progress bars of long work: on stderr, since results go to stdout, and only where a person watches."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

__all__ = ["track"]

Item = TypeVar("Item")


def track(items: Iterable[Item], description: str, total: int | None = None) -> Iterable[Item]:
    """The items, with a bar on stderr while they are taken; `total` where they do not know their own number."""
    from rich import progress
    from rich.console import Console

    console = Console(stderr=True)
    return progress.track(items, description, total, console=console, transient=True, disable=not console.is_terminal)
