"""What is told of DICOM pictures beside errors: odd values of headers, and what windows cut off."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spine.core.problems import Problem, examples

if TYPE_CHECKING:
    from spine.images.dicom.pixels import Frame
    from spine.images.dicom.series import Series, Slice

__all__ = ["Summary", "folded"]

_MOST = 0.01  # of a series' pixels that may be clipped unheard, padding left out
_MANY = 10  # files of one folder with one kind of value, or clipped series: beyond, they are told together
_NONE = np.empty((0, 0), np.uint16)  # a frame's pixels are not kept
_SET_WINDOW = "if those pixels matter, set `window` of the source: none, another of the file's, or centre and width"
_LOOK = "it was read all the same: see whether its pictures are the right ones, or repair the header"
_HELD = re.compile(r"'.*'|\[.*\]|[-+.,\d]+")  # what differs from file to file in a remark of one kind


def folded(remarks: Mapping[Path, Collection[str]]) -> Iterator[Problem]:
    """The remarks on each file as warnings: one a file, or one a folder where many of its files are alike."""
    kinds: dict[tuple[Path, str], dict[Path, str]] = defaultdict(dict)
    for path, lines in remarks.items():
        for line in lines:
            kinds[path.parent, _HELD.sub("", line)].setdefault(path, line)
    for (folder, _), alike in kinds.items():
        yield from _of_one_kind(folder, alike)


class Summary:
    """Gathers the frames of all series as they are decoded; decoding one again counts once."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, str, str], dict[Slice, Frame]] = defaultdict(dict)

    def add(self, series: Series, image: Slice, frame: Frame) -> None:
        """Take up a frame of a series."""
        self._series[series.patient, series.study, series.uid][image] = replace(frame, pixels=_NONE)

    def problems(self) -> Iterator[Problem]:
        """Warnings: what headers alone did not tell yet, and each series of which more than 1 % lies outside its
        windows or LUTs.
        """
        yield from folded(self._of_pixels())
        yield from _clipped([_Clipping.of(frames) for frames in self._series.values()])

    def _of_pixels(self) -> dict[Path, dict[str, None]]:
        """The remarks of each file that were made on its frames, and not on its header before."""
        remarks: dict[Path, dict[str, None]] = defaultdict(dict)
        for frames in self._series.values():
            for image, frame in frames.items():
                remarks[image.path].update(dict.fromkeys(line for line in frame.remarks if line not in image.remarks))
        return remarks


def _of_one_kind(folder: Path, remarks: dict[Path, str]) -> Iterator[Problem]:
    if len(remarks) <= _MANY:
        yield from (Problem(str(path), remark, _LOOK, "warning") for path, remark in remarks.items())
        return
    first = next(iter(remarks.values()))
    reason = f"{len(remarks)} files in it, {examples(list(remarks), folder)}, are alike in this: {first}"
    yield Problem(str(folder), reason, _LOOK, "warning")


@dataclass(frozen=True)
class _Clipping:
    """How much of a series lies `below` and `above` its windows, as shares of its pixels."""

    path: Path  # of its first image
    images: int
    views: list[str]
    below: float
    above: float

    @classmethod
    def of(cls, frames: dict[Slice, Frame]) -> _Clipping:
        counts = [frame.clipped for frame in frames.values()]
        pixels = sum(count.pixels for count in counts) or 1
        below, above = (sum(getattr(count, side) for count in counts) / pixels for side in ("below", "above"))
        views = sorted({frame.view for frame in frames.values() if frame.view})
        return cls(min(image.path for image in frames), len(frames), views, below, above)

    @property
    def share(self) -> float:
        """Of all pixels, as it is shown: 1.0 % is not more than 1 %."""
        return round(self.below + self.above, 3)

    def __str__(self) -> str:
        others = f" and {len(self.views) - 1} others" if len(self.views) > 1 else ""
        return (
            f"{self.share:.1%} of the pixels of its series ({self.images} images) lie outside its "
            f"{self.views[0]}{others}, {self.below:.1%} below and {self.above:.1%} above, and became black or white"
        )


def _clipped(series: list[_Clipping]) -> Iterator[Problem]:
    much = [one for one in series if one.share > _MOST]
    if len(much) <= _MANY:
        yield from (Problem(str(one.path), str(one), _SET_WINDOW, "warning") for one in much)
        return
    folder = Path(os.path.commonpath([one.path.parent for one in much]))
    most = max(much, key=lambda one: one.share)
    reason = (
        f"of {len(much)} series of {len(series)} more than {_MOST:.0%} of the pixels became black or white, "
        f"most of {most.path.relative_to(folder)}: {most}"
    )
    yield Problem(str(folder), reason, _SET_WINDOW, "warning")
