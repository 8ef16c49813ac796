"""The bounding box of a COCO `segmentation`: polygons, or run lengths (RLE), compressed or not.

Run lengths count the pixels of a mask column by column, background first. Format: pycocotools' `maskApi.c`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

from spine.annotations.grouping import Corners, around_points
from spine.annotations.safe_json import brief_repr, need
from spine.annotations.types import Malformed
from spine.core.numbers import finite, whole

__all__ = ["bounds"]

_MOST_DIGITS = 12  # of five bits each: no count is larger than 2^60


def bounds(segmentation: Any) -> Corners | None:
    """x0, y0, x1, y1 around all parts of one object, in 0-based half-open pixels; None where there is none.

    Malformed where it is neither polygons nor run lengths that hold.
    """
    if isinstance(segmentation, dict):
        return _of_runs(segmentation)
    if not segmentation:
        return None
    if not isinstance(segmentation, list):
        raise Malformed(f"segmentation is {brief_repr(segmentation)}; it holds polygons or run lengths")
    parts = segmentation if isinstance(segmentation[0], list) else [segmentation]
    return around_points(point for part in parts for point in _points(part))


def _points(polygon: Any) -> list[tuple[float, float]]:
    try:
        numbers = [finite(value) for value in polygon]
    except (TypeError, ValueError) as error:
        raise Malformed(f"segmentation has the polygon {brief_repr(polygon)}: {error}") from error
    if len(numbers) < 6 or len(numbers) % 2:
        raise Malformed(f"segmentation has a polygon of {len(numbers)} numbers; it holds x, y of three points or more")
    return list(zip(numbers[0::2], numbers[1::2], strict=True))


def _of_runs(mask: dict[str, Any]) -> Corners:
    counts = need(mask, "counts", (str, list))
    try:
        height, width = (whole(value) for value in need(mask, "size", list))
        runs = _unpacked(counts) if isinstance(counts, str) else [whole(value) for value in counts]
    except (ValueError, IndexError) as error:
        raise Malformed(f"segmentation has run lengths that cannot be read: {error}") from error
    if min([height, width, *runs]) < 0 or sum(runs) != height * width:
        raise Malformed(f"segmentation has run lengths of {sum(runs)} pixels; its size is {height} x {width}")
    ends = list(accumulate(runs, initial=0))
    spans = [(start, end - 1) for start, end in list(pairwise(ends))[1::2] if end > start]
    if not spans:
        raise Malformed("segmentation has no pixel")
    columns = [pixel // height for span in spans for pixel in span]
    rows = [row for first, last in spans for row in _rows(first, last, height)]
    return min(columns), min(rows), max(columns) + 1, max(rows) + 1


def _rows(first: int, last: int, height: int) -> tuple[int, int]:
    """The first and the last row of a run: all of them where it goes on in the next column."""
    return (first % height, last % height) if first // height == last // height else (0, height - 1)


def _unpacked(text: str) -> Sequence[int]:
    """Run lengths from letters of six bits: five of a number, lowest first, and whether it goes on (`rleFrString`)."""
    counts: list[int] = []
    place = 0
    while place < len(text):
        count, digits, more = 0, 0, True
        while more:
            letter = ord(text[place]) - 48
            if not 0 <= letter < 64 or digits > _MOST_DIGITS:
                raise ValueError(f"{text[place]!r} at {place} is none of their letters")
            count |= (letter & 0x1F) << 5 * digits
            more = bool(letter & 0x20)
            place, digits = place + 1, digits + 1
        count -= (letter & 0x10) << 5 * digits - 4 if letter & 0x10 else 0  # a negative number
        counts.append(count + (counts[-2] if len(counts) > 2 else 0))
    return counts
