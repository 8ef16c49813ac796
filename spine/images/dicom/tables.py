"""Look-up tables of DICOM: modality, VOI and palette (PS3.3 C.11.1.1, C.11.2.1.1, C.7.6.3.1.5-6, segmented: C.7.9.2).

A descriptor is three 16-bit numbers: how many entries (0 means 65,536), the first value mapped, the bits of an entry.
Values below the first one mapped give the first entry, values beyond the last give the last. Entries are read in words
of 16 bits, or two in a word, the first in its low byte, as their number and the length of the data tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spine.core.problems import SpineError
from spine.images.dicom.values import REPAIR, Header

__all__ = ["Table", "apply_palette", "read_table"]

_MOST = 65536
_COLOURS = ("Red", "Green", "Blue")


@dataclass(frozen=True)
class Table:
    """A look-up table: `entries` (N,) uint16 for the values `first` to `first + N - 1`; `top` is its white."""

    entries: np.ndarray
    first: int
    top: int

    @property
    def last(self) -> int:
        """The last value that has an entry of its own."""
        return self.first + len(self.entries) - 1

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """The entries of whole numbers, float64; other values are rounded first."""
        index = np.clip(np.rint(values) - self.first, 0, len(self.entries) - 1)
        return self.entries[index.astype(np.int64)].astype(np.float64)


def read_table(item: Header, limits: tuple[float, float]) -> Table:
    """The modality or VOI LUT of a sequence's item; `limits` are the least and greatest value that it may be asked of.

    They tell the sign of the first value mapped: its VR in files follows the stored pixels, though of a VOI LUT the
    rescaled ones decide (PS3.3 C.11.2.1.1). SpineError where the table is missing, or shorter than it states.
    """
    count, first, bits = _descriptor(item, "LUTDescriptor")
    entries = _entries(item.bytes_of("LUTData"), count, bits, item, "LUTData")
    return Table(entries, _signed(first, count, limits), _top(entries, bits, item, "LUTDescriptor"))


def apply_palette(indices: np.ndarray, header: Header, limits: tuple[float, float]) -> np.ndarray:
    """The (H, W, 3) colours of (H, W) palette indices, in the palette's own 8 or 16 bits, as float64."""
    tables = []
    for colour in _COLOURS:
        count, first, bits = _descriptor(header, f"{colour}PaletteColorLookupTableDescriptor")
        entries = _palette_entries(header, colour, count, bits)
        tables.append(Table(entries, _signed(first, count, limits), 2**16 - 1))
    return np.stack([table(indices) for table in tables], axis=-1)


def _descriptor(header: Header, keyword: str) -> tuple[int, int, int]:
    words = header.words(keyword)
    if len(words) != 3:
        told = header.quote(keyword) if len(words) else "missing or empty"
        raise SpineError(f"{keyword} is {told}, where three numbers must hold; {REPAIR}")
    count, first, bits = (int(word) for word in words)
    return count or _MOST, first, bits


def _signed(first: int, count: int, limits: tuple[float, float]) -> int:
    """The first value mapped, of a word that holds it in two's complement where values can be negative."""
    low, high = limits
    as_signed = first - _MOST
    if first < _MOST // 2 or low >= 0:
        return first
    # Values may be negative and reach beyond 32,767: the sign is the one with which the table holds any of them.
    return first if as_signed + count - 1 < low and first <= high else as_signed


def _top(entries: np.ndarray, bits: int, header: Header, keyword: str) -> int:
    needed = max(8, int(entries.max()).bit_length())
    if not 8 <= bits <= 16 or needed > bits:
        header.remark(
            f"{keyword} states {bits} bits an entry, and its entries reach to {entries.max()}: {needed} were taken"
        )
        return 2**needed - 1
    return 2**bits - 1


def _entries(data: bytes, count: int, bits: int, header: Header, keyword: str) -> np.ndarray:
    """Entries as uint16: a word each, or a byte each where the data is too short for words."""
    words = len(data) // 2
    if words >= count:
        if words > count:
            header.remark(f"{keyword} holds {words} entries, its descriptor states {count}: the first were taken")
        return np.frombuffer(data, "<u2", count)
    # Bytes are padded to an even number; anything in between is a table of words that was cut off.
    if count <= len(data) <= count + 1:
        if bits > 8:
            header.remark(f"{keyword} states {bits} bits an entry and holds {count} entries of 8: these were taken")
        return np.frombuffer(data, np.uint8, count).astype(np.uint16)
    raise SpineError(f"{keyword} holds {len(data)} bytes, too few for the {count} entries that its descriptor states")


def _palette_entries(header: Header, colour: str, count: int, bits: int) -> np.ndarray:
    plain, segmented = f"{colour}PaletteColorLookupTableData", f"Segmented{colour}PaletteColorLookupTableData"
    if header.has(plain):
        return _entries(header.bytes_of(plain), count, bits, header, plain)
    if not header.has(segmented):
        raise SpineError(f"it is PALETTE COLOR, and its palette is missing ({plain}); {REPAIR}")
    data = header.bytes_of(segmented)
    size = 1 if bits <= 8 else 2
    entries = _expand(np.frombuffer(data[: len(data) // size * size], f"<u{size}").tolist(), size, count, segmented)
    return np.array(entries, np.uint16)


def _expand(data: Sequence[int], size: int, count: int, keyword: str) -> list[int]:
    """The entries that segments tell, of numbers of `size` bytes (PS3.3 C.7.9.2); `count` of them must come of it."""
    entries: list[int] = []
    try:
        position = 0
        while len(entries) < count:
            position = _segment(data, position, size, entries)
    except IndexError as error:
        told = f"its segments give {len(entries)} of {count} entries"
        raise SpineError(f"{keyword} cannot be read: {told}; {REPAIR}") from error
    return entries[:count]


def _segment(data: Sequence[int], position: int, size: int, entries: list[int], inner: bool = False) -> int:
    """Add the entries of the segment at a position; gives that of the next. IndexError where the data does not hold."""
    opcode, length = data[position], data[position + 1]
    position += 2
    if opcode == 0 and position + length <= len(data):  # discrete: the entries themselves
        entries += data[position : position + length]
        return position + length
    if opcode == 1 and entries:  # linear: from the entry before, which it leaves out, to its own
        start, end = entries[-1], data[position]
        entries += [round(start + (end - start) * step / length) for step in range(1, length + 1)]
        return position + 1
    if opcode == 2 and not inner:  # indirect: so many segments again, from an offset in bytes
        parts = data[position : position + 4 // size]
        offset = sum(part << (8 * size * place) for place, part in enumerate(parts)) // size
        for _ in range(length):
            offset = _segment(data, offset, size, entries, inner=True)
        return position + 4 // size
    raise IndexError(f"segment {opcode}")
