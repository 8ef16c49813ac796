"""Progress bars of long work: on stderr, since results go to stdout, and only where a person watches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

__all__ = ["bar", "track"]

Item = TypeVar("Item")


def track(items: Iterable[Item], description: str, total: int | None = None, *, shown: bool = True) -> Iterable[Item]:
    """The items, with a bar on stderr while they are taken; `total` where they do not know their own number."""
    from rich import progress
    from rich.console import Console

    console = Console(stderr=True)
    off = not (shown and console.is_terminal)  # else an empty line is left in a log
    return progress.track(items, description, total, console=console, transient=True, disable=off)


@contextmanager
def bar(description: str, total: float, *, shown: bool = True) -> Iterator[Callable[[float], None]]:
    """A bar on stderr over so much work, as what it is told how much is done."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not (shown and console.is_terminal)) as progress:
        task = progress.add_task(description, total=total)
        yield lambda done: progress.update(task, completed=done)
