"""How much of each DICOM series its window cuts off: one warning a series, where it is more than 1 %."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from spine.dicom.pixels import Frame
from spine.dicom.series import Series, Slice
from spine.problems import Problem

__all__ = ["Clips"]

_MOST = 0.01  # of a series' pixels, padding left out
_ADVICE = "if those pixels matter, set `window` of the source: none, another of the file's, or centre and width"


class Clips:
    """Gathers the frames of all series as they are decoded; decoding one again counts once."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, str, str], dict[Slice, Frame]] = {}

    def add(self, series: Series, image: Slice, frame: Frame) -> None:
        """Take up a frame of a series."""
        key = (series.patient, series.study, series.uid)
        self._series.setdefault(key, {})[image] = replace(frame, pixels=frame.pixels[:0])

    def problems(self) -> Iterator[Problem]:
        """A warning for each series of which more than 1 % lies outside its windows or LUTs, with its first file."""
        for frames in self._series.values():
            pixels = sum(frame.clipped.pixels for frame in frames.values())
            below = sum(frame.clipped.below for frame in frames.values())
            above = sum(frame.clipped.above for frame in frames.values())
            if pixels and (below + above) / pixels > _MOST:
                yield _warning(frames, below / pixels, above / pixels)


def _warning(frames: dict[Slice, Frame], below: float, above: float) -> Problem:
    views = sorted({frame.view for frame in frames.values() if frame.view})
    told = f"{views[0]}" + (f" and {len(views) - 1} others" if len(views) > 1 else "")
    reason = (
        f"{below + above:.1%} of the pixels of its series ({len(frames)} images) lie outside its {told}, "
        f"{below:.1%} below and {above:.1%} above, and became black or white"
    )
    return Problem(str(min(image.path for image in frames)), reason, _ADVICE, "warning")
