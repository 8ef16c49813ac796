"""What is told of DICOM pictures beside errors: odd values of headers, and what windows cut off."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spine.problems import Problem, examples

if TYPE_CHECKING:
    from spine.dicom.pixels import Frame
    from spine.dicom.series import Series, Slice

__all__ = ["Summary", "folded"]

_MOST = 0.01  # of a series' pixels that may be clipped unheard, padding left out
_MANY = 10  # files of one folder with one kind of value: beyond, they are told together
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
        for frames in self._series.values():
            yield from _clipped(frames)

    def _of_pixels(self) -> dict[Path, dict[str, None]]:
        """The remarks of each file that were made on its frames, and not on its header before."""
        found: dict[Path, dict[str, None]] = defaultdict(dict)
        for frames in self._series.values():
            for image, frame in frames.items():
                found[image.path].update(dict.fromkeys(line for line in frame.remarks if line not in image.remarks))
        return found


def _of_one_kind(folder: Path, remarks: dict[Path, str]) -> Iterator[Problem]:
    if len(remarks) <= _MANY:
        yield from (Problem(str(path), remark, _LOOK, "warning") for path, remark in remarks.items())
        return
    first = next(iter(remarks.values()))
    reason = f"{len(remarks)} files in it, {examples(list(remarks), folder)}, are alike in this: {first}"
    yield Problem(str(folder), reason, _LOOK, "warning")


def _clipped(frames: dict[Slice, Frame]) -> Iterator[Problem]:
    counts = [frame.clipped for frame in frames.values()]
    pixels = sum(count.pixels for count in counts) or 1
    below, above = (sum(side) / pixels for side in zip(*((count.below, count.above) for count in counts), strict=True))
    if below + above <= _MOST:
        return
    views = sorted({frame.view for frame in frames.values() if frame.view})
    told = views[0] + (f" and {len(views) - 1} others" if len(views) > 1 else "")
    reason = (
        f"{below + above:.1%} of the pixels of its series ({len(frames)} images) lie outside its {told}, "
        f"{below:.1%} below and {above:.1%} above, and became black or white"
    )
    yield Problem(str(min(image.path for image in frames)), reason, _SET_WINDOW, "warning")
