"""Which loose pictures are slices of one series, and in which order, as their names tell."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

from spine.core.names import composed
from spine.core.numbers import finite
from spine.core.problems import Problem, examples
from spine.images.neighbours import places

__all__ = ["FILE", "GROUPS", "SeriesByName"]

FILE = "file"  # instead of an expression: as the headers of DICOM and volumes tell it
GROUPS = ("series", "slice")  # that an expression names

Place = tuple[str, int]  # a series, and a place in it


@dataclass
class SeriesByName:
    """The series and place of each picture whose name tells it."""

    places: dict[str, Place] = field(default_factory=dict)
    alike: dict[str, list[str]] = field(default_factory=dict)  # series -> pictures of one number

    @classmethod
    def of(cls, names: Collection[str], pattern: str, patient_of: Callable[[str], str]) -> SeriesByName:
        """By an expression with the groups `series` and `slice`, a number that rises along the series of a patient."""
        found: dict[str, dict[float, list[str]]] = defaultdict(lambda: defaultdict(list))
        for name in sorted(names):
            told = re.search(pattern, composed(name))
            if told and (number := _number(told["slice"])) is not None:
                found[f"{patient_of(name)}/{told['series'] or ''}"][number].append(name)
        series = cls()
        for called, numbered in found.items():
            if twice := [name for named in numbered.values() if len(named) > 1 for name in named]:
                series.alike[called] = twice
                continue
            positions = sorted(numbered)
            for position, place in zip(positions, places(positions), strict=True):
                series.places[numbered[position][0]] = (called, place)
        return series

    def problems(self, where: str) -> Iterator[Problem]:
        """What of the pictures at a place cannot be put in order."""
        for called, names in self.alike.items():
            yield Problem(
                where,
                f"pictures of the series {called!r} have one slice number: {examples(names)}",
                "its pictures were kept without neighbours; let the group `series` tell them apart",
                "warning",
            )


def _number(text: str | None) -> float | None:
    try:
        return finite(text or "")
    except ValueError:
        return None
