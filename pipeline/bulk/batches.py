"""Pictures of several studies -> requests: as many as one may have, alike where the model asks for it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

__all__ = ["Batches"]

Item = TypeVar("Item")


class Batches(Generic[Item]):
    """Collects items by a key of theirs until `most` of one key are there; of all keys together a few times as many."""

    def __init__(self, most: int, key: Callable[[Item], Hashable], held: int = 4) -> None:
        self.most, self.key, self.held = most, key, held * most
        self._waiting: dict[Hashable, list[Item]] = {}

    def add(self, item: Item) -> Iterator[list[Item]]:
        """The batch that is full with it; or, where too many wait in batches that do not fill, the one begun first."""
        key = self.key(item)
        batch = self._waiting.setdefault(key, [])
        batch.append(item)
        if len(batch) == self.most:
            yield self._waiting.pop(key)
        elif sum(map(len, self._waiting.values())) >= self.held:
            yield self._waiting.pop(next(iter(self._waiting)))

    def rest(self) -> Iterator[list[Item]]:
        """What waits still."""
        while self._waiting:
            yield self._waiting.pop(next(iter(self._waiting)))
