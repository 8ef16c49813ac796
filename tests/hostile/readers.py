"""What is fuzzed: each reader has a good input, the file of it that is mutated, and the calls that read it.

reader = READERS["coco"]
reader.make(folder)                 # the good input
found = reader.read(folder, way)    # what a call made of it
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Found", "Reader"]


@dataclass(frozen=True)
class Found:
    """What a call made of an input: the problems it told, and what it read, name -> value.

    `pictures` are fingerprints of pixels by the picture's name, of which those `flat` are of one grey level; `told` is
    everything else. `wrong` says what was taken that no reader should take, such as NaN.
    """

    problems: tuple[str, ...] = ()
    pictures: Mapping[str, str] = field(default_factory=dict)
    told: object = None
    wrong: str = ""
    flat: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Reader:
    """A reader and how it is tried.

    `victim` is mutated as `kind` says, or, where that is "name", renamed. An error names it by one of `names`. `ways`
    are the public calls that read the folder. The pictures `others` are good, and are read whatever becomes of it.
    """

    name: str
    victim: str
    kind: str
    make: Callable[[Path], None]
    ways: tuple[Callable[[Path], Found], ...]
    names: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    seeds: int = 20  # enough to try each mutation of a kind of file

    @property
    def told_as(self) -> tuple[str, ...]:
        """The words of which an error holds one: it then tells which file is meant."""
        return (Path(self.victim).name, *self.names)
