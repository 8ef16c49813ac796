"""Pictures of many files, decoded one file at a time as they are taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from spine.core.problems import Problem, SpineError, one_file
from spine.images.pictures import Picture

__all__ = ["Images", "Item"]


@dataclass(frozen=True)
class Item:
    """One file still to be decoded: `read` yields its `count` pictures, or what is wrong; or raises SpineError."""

    path: Path
    count: int
    read: Callable[[], Iterator[Picture | Problem]]


@dataclass(frozen=True)
class Images:
    """The pictures below a root, decoded as they are iterated; see the example of `spine.intake.reading`.

    `names` holds the name of every picture there, chosen or not, and of every unreadable file. `problems` grows while
    iterating; a second loop starts it anew from the problems of the headers.
    """

    items: tuple[Item, ...]
    names: frozenset[str]
    problems: list[Problem] = field(default_factory=list)
    _of_headers: tuple[Problem, ...] = ()

    def __len__(self) -> int:
        return sum(item.count for item in self.items)

    def __iter__(self) -> Iterator[Picture]:
        self.problems[:] = self._of_headers
        for item in self.items:
            try:
                yield from self._read(item)
            except SpineError as error:
                self.problems.append(Problem.from_error(error, item.path))

    def _read(self, item: Item) -> Iterator[Picture]:
        """The pictures of one file; SpineError where it cannot be read, but not for what their taker raises."""
        results = item.read()
        while True:
            with one_file(item.path):
                picture = next(results, None)
            if picture is None:
                return
            if isinstance(picture, Problem):
                self.problems.append(picture)
            else:
                yield picture
