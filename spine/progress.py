"""Progress bars of long work: on stderr, since results go to stdout, and only where a person watches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

__all__ = ["bar", "track"]

Item = TypeVar("Item")


def track(items: Iterable[Item], description: str, total: int | None = None) -> Iterable[Item]:
    """The items, with a bar on stderr while they are taken; `total` where they do not know their own number."""
    from rich import progress
    from rich.console import Console

    console = Console(stderr=True)
    return progress.track(items, description, total, console=console, transient=True, disable=not console.is_terminal)


@contextmanager
def bar(description: str, total: float, *, shown: bool = True) -> Iterator[Callable[[float], None]]:
    """A bar on stderr over so much work, as what it is told how much is done."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not shown) as progress:
        task = progress.add_task(description, total=total)
        yield lambda done: progress.update(task, completed=done)
