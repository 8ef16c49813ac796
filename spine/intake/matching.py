"""Which picture an annotation means: it may name it by its path, by its name alone, or with another suffix."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import PurePosixPath

from spine.annotations.sources import stem_of
from spine.core.names import composed, slice_of
from spine.core.problems import examples

__all__ = ["Matching", "Pictures", "contradicts", "match"]

_Rank = tuple[int, ...]
_EXACT: _Rank = (1,)
_ALIKE = 0  # first number of the rank of all that is not exact


@dataclass
class Matching:
    """Where the names of one annotation file lead.

    `pictures` maps a name to its picture, `refused` a name that leads to none to why; `missing` are names that no
    picture has. `doubtful` maps a picture to the refused names that may have meant it.
    """

    pictures: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    doubtful: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


class Pictures:
    """The pictures of a source by name, such as `a/x.png` or the slice `x.nii.gz#7`; a whole file is one as well."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = {*names, *(_whole(name) for name in names)}
        self._alike: dict[str, list[str]] = defaultdict(list)
        for name in sorted(self._names):
            self._alike[_key(name)].append(name)

    def fitting(self, stated: str) -> tuple[_Rank, list[str]]:
        """The pictures that a stated name fits best, and how well.

        Best is the very path; then, of the pictures with its stem, those that share most of its last folders, then
        those with its suffix too (in the same case first), then the one in the very folder.
        """
        if stated in self._names:
            return _EXACT, [stated]
        ranks = {name: _rank(stated, name) for name in self._alike.get(_key(stated), ())}
        known = {name: rank for name, rank in ranks.items() if rank}
        best = max(known.values(), default=())
        return best, [name for name, rank in known.items() if rank == best]


def match(stated: Collection[str], pictures: Pictures) -> Matching:
    """Lead each name that one annotation file states to one picture, and at most one name to each picture."""
    matching, claims = Matching(), defaultdict[str, list[tuple[_Rank, str]]](list)
    for name in stated:
        rank, fitting = pictures.fitting(name)
        if len(fitting) == 1:
            claims[fitting[0]].append((rank, name))
        elif fitting:
            matching.refused[name] = f"{name!r} fits {len(fitting)} pictures: {examples(fitting)}"
            for picture in fitting:
                matching.doubtful[picture].append(name)
        else:
            matching.missing.append(name)
    for picture, claimed in claims.items():
        _settle(matching, picture, claimed)
    return matching


def _settle(matching: Matching, picture: str, claimed: list[tuple[_Rank, str]]) -> None:
    best = max(rank for rank, _ in claimed)
    first, *equal = [name for rank, name in claimed if rank == best]
    if equal:
        reason = f"{len(equal) + 1} names fit the picture {picture}: {examples([first, *equal])}"
        matching.refused |= dict.fromkeys([first, *equal], reason)
        matching.doubtful[picture] += [first, *equal]
    else:
        matching.pictures[first] = picture
    worse = [name for rank, name in claimed if rank < best]
    matching.refused |= {name: f"{name!r} fits no picture but {picture}, which {first!r} names" for name in worse}


def contradicts(stated: str, picture: str) -> bool:
    """Whether the folders of a stated name are others than those of the picture that it leads to."""
    one, other = _path(stated), _path(picture)
    return _shared_folders(one, other) < min(len(one.parent.parts), len(other.parent.parts))


def stem(name: str) -> str:
    """A picture's name without folder and suffix, with its slice: `a/x.png` -> `x#`, `a/x.nii.gz#7` -> `x#7`.

    Letters are composed with their accents, so that names that look alike are equal.
    """
    path, number = slice_of(name)
    return f"{composed(stem_of(PurePosixPath(path)))}#{number}"


def _key(name: str) -> str:
    return stem(name).lower()


def _whole(name: str) -> str:
    return slice_of(name)[0]


def _rank(stated: str, name: str) -> _Rank:
    """How well a picture of another path fits: the greater, the better; () where it does not."""
    one, other = _path(stated), _path(name)
    alike = 3 * (one.name == other.name) or 2 * (one.name.lower() == other.name.lower()) or stem(stated) == stem(name)
    return (_ALIKE, _shared_folders(one, other), int(alike), int(one.parent == other.parent)) if alike else ()


def _path(name: str) -> PurePosixPath:
    return PurePosixPath(composed(_whole(name)))


def _shared_folders(one: PurePosixPath, other: PurePosixPath) -> int:
    """How many of the last folders of both are the same."""
    pairs = zip(reversed(one.parent.parts), reversed(other.parent.parts), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
