"""Directories of tags, as TIFF 6.0 (section 2), BigTIFF and EXIF have them."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from spine.core.problems import SpineError
from spine.images.integrity import COPY_AGAIN

__all__ = ["Directory", "directories"]

# Type of a value -> its NumPy type without byte order; rationals are two numbers.
_TYPES = {
    **{1: "u1", 2: "u1", 3: "u2", 4: "u4", 5: "u4", 6: "i1", 7: "u1", 8: "i2", 9: "i4", 10: "i4", 11: "f4", 12: "f8"},
    **{13: "u4", 16: "u8", 17: "i8", 18: "u8"},
}
_PAIRS = (5, 10)
_MOST_TAGS = 2**20  # of all directories together: 50,000 pages


@dataclass(frozen=True)
class Directory:
    """One directory: `order` is "<" or ">", `entries` maps a tag to its type, count and where its values lie."""

    data: bytes
    order: str
    entries: dict[int, tuple[int, int, int]]

    def values(self, tag: int) -> np.ndarray:
        """The values of a tag, none where it is not there; ValueError where they lie outside the file."""
        if tag not in self.entries:
            return np.empty(0, np.int64)
        kind, count, place = self.entries[tag]
        if kind not in _TYPES:
            raise ValueError(f"tag {tag} is of the unknown type {kind}")
        return np.frombuffer(self.data, self.order + _TYPES[kind], count * (2 if kind in _PAIRS else 1), place)

    def number(self, tag: int, default: int | None = None) -> int:
        """The one whole number of a tag, or the default; ValueError where there is neither."""
        values = self.values(tag)
        if len(values):
            return int(values[0])
        if default is None:
            raise ValueError(f"tag {tag} is missing")
        return default


def directories(data: bytes, name: Any, most: int = 2**16) -> list[Directory]:
    """The chain of directories of a TIFF, one a page, `most` of them; SpineError where it breaks, naming `name`."""
    order, big = "<" if data.startswith(b"II") else ">", data[2:4] in (b"+\0", b"\0+")
    number = "Q" if big else "I"
    chain: list[Directory] = []
    seen: set[int] = set()
    left = _MOST_TAGS
    try:
        (start,) = struct.unpack_from(order + number, data, 8 if big else 4)
        while start and start not in seen and len(chain) < most:
            seen.add(start)
            directory, start = _directory(data, start, order, big, left)
            left -= len(directory.entries)
            chain.append(directory)
    except OverflowError as error:
        raise SpineError(f"{name} states more tags than can be read; save it as a plain TIFF") from error
    except struct.error as error:
        raise SpineError(f"{name} is truncated: it ends within or before page {len(chain)}; {COPY_AGAIN}") from error
    if not chain:
        raise SpineError(f"{name} is damaged: it has no pages; {COPY_AGAIN}")
    return chain


def _directory(data: bytes, start: int, order: str, big: bool, most: int) -> tuple[Directory, int]:
    count, entry, number = ("Q", 20, "Q") if big else ("H", 12, "I")
    (length,) = struct.unpack_from(order + count, data, start)
    if length > most:
        raise OverflowError(length)
    first = start + struct.calcsize(count)
    (following,) = struct.unpack_from(order + number, data, first + length * entry)
    entries: dict[int, tuple[int, int, int]] = {}
    for place in range(first, first + length * entry, entry):
        tag, kind, values = struct.unpack_from(f"{order}HH{number}", data, place)
        inline = place + (12 if big else 8)
        size = values * int(_TYPES.get(kind, "u1")[1]) * (2 if kind in _PAIRS else 1)
        within = size <= entry - (12 if big else 8)
        entries.setdefault(
            tag, (kind, values, inline if within else struct.unpack_from(order + number, data, inline)[0])
        )
    return Directory(data, order, entries), following
