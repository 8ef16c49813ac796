"""The packed strips and tiles of a TIFF page -> the bytes of its samples, each exactly as long as it must be."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from spine.core.problems import SpineError, brief
from spine.images.decoders.complaints import complaints
from spine.images.decoders.jpeg import decode_stream
from spine.images.integrity import COPY_AGAIN, check_bytes, read_exactly, rest_of, unpacking

__all__ = ["PACKINGS", "Packed", "Piece", "unpack"]

_NONE, _JPEG = 1, 7
_MOST_CHANNELS = 64
_DEFLATE = (8, 32946)
_FAX = (2, 3, 4)
_LIBTIFF = {**{2: "fax run lengths", 3: "fax G3", 4: "fax G4", 5: "LZW", 32773: "PackBits"}}
PACKINGS = {_NONE: "none", **_LIBTIFF, _JPEG: "JPEG", **dict.fromkeys(_DEFLATE, "deflate")}
"""The packings that are read, by their number in tag 259."""


@dataclass(frozen=True)
class Packed:
    """A page as it is stored: its size, its samples' type, and where its pieces (strips or tiles) lie.

    `piece` is the height and width of one piece. With `planar` each channel has pieces of its own. `transformed` JPEG
    holds YCbCr. ValueError where the numbers do not fit together.
    """

    data: bytes
    order: str
    height: int
    width: int
    channels: int
    bits: int
    kind: str
    packing: int
    planar: bool
    predictor: int
    reversed_bits: bool
    piece: tuple[int, int]
    offsets: np.ndarray
    lengths: np.ndarray
    tables: bytes
    transformed: bool
    options: int

    def __post_init__(self) -> None:
        if min(self.height, self.width, self.channels, *self.piece) < 1:
            raise ValueError(f"states {self.height} x {self.width} pixels in pieces of {self.piece}")
        listed, sample = (len(self.offsets), len(self.lengths)), f"{self.kind}{self.bits}"
        faults = {
            f"states {self.channels} channels, and {_MOST_CHANNELS} can be read": self.channels > _MOST_CHANNELS,
            f"holds JPEG of {self.channels} channels of {self.bits} bits": self.packing == _JPEG
            and (self.bits != 8 or self.channels not in (1, 3)),
            f"is packed as a fax, with {self.channels} channels of {self.bits} bits": self.packing in _FAX
            and (self.bits, self.channels) != (1, 1),
            f"has the predictor {self.predictor} on samples of {sample}": not self._predictor_fits(),
            "has its bits in reversed order in a packing that has none": self.reversed_bits
            and self.packing in (_JPEG, *_DEFLATE),
            f"lists {listed[0]} pieces and {listed[1]} lengths where {self.pieces} hold it": listed
            != (self.pieces, self.pieces),
        }
        for fault, is_so in faults.items():
            if is_so:
                raise ValueError(fault)

    def _predictor_fits(self) -> bool:
        if self.predictor == 1:
            return True
        return self.predictor == (3 if self.kind == "f" else 2) and self.bits in (8, 16, 32, 64)

    @property
    def joined(self) -> int:
        """Channels that one piece holds."""
        return 1 if self.planar else self.channels

    @property
    def pieces(self) -> int:
        """How many pieces the page must have."""
        down, across = (-(-whole // part) for whole, part in zip((self.height, self.width), self.piece, strict=True))
        return down * across * (self.channels if self.planar else 1)

    @property
    def bytes_held(self) -> int:
        """Bytes while the page is read: its pieces with their padding, and its samples."""
        stored = max(self.bits, 8) // 8 if self.bits % 8 == 0 else -(-self.bits // 8) + 1
        return self.pieces * self.piece_bytes(self.piece[0]) + self.height * self.width * self.channels * stored

    def row_bytes(self) -> int:
        """Bytes of one row of a piece, padded to whole bytes."""
        return (self.piece[1] * self.joined * self.bits + 7) // 8

    def piece_bytes(self, rows: int) -> int:
        """Bytes of so many rows of a piece."""
        return rows * self.row_bytes()


@dataclass(frozen=True)
class Piece:
    """Where an unpacked piece belongs, and its (rows, row_bytes) uint8."""

    channel: int
    top: int
    left: int
    rows: np.ndarray


def unpack(page: Packed, path: Path) -> Iterator[Piece]:
    """The pieces of a page, one by one; SpineError where one is missing, damaged, or of another length."""
    check_bytes(page.bytes_held, path)
    down, across = page.piece
    tiled = across != page.width
    places = [
        (channel, top, left)
        for channel in range(page.channels if page.planar else 1)
        for top in range(0, page.height, down)
        for left in range(0, page.width, across)
    ]
    for number, (channel, top, left) in enumerate(places):
        start, length = int(page.offsets[number]), int(page.lengths[number])
        if start + length > len(page.data) or length < 1:
            raise SpineError(f"{path} is truncated: its pixels from row {top} are missing; {COPY_AGAIN}")
        rows = down if tiled else min(down, page.height - top)
        packed = page.data[start : start + length]
        yield Piece(channel, top, left, _unpacked(page, packed, rows, path).reshape(rows, page.row_bytes()))


def _unpacked(page: Packed, packed: bytes, rows: int, path: Path) -> np.ndarray:
    """(rows * row_bytes,) uint8 of one piece."""
    count = page.piece_bytes(rows)
    if page.packing == _JPEG:
        return _of_jpeg(page, packed, rows, path)
    if page.packing in _LIBTIFF:
        return _by_libtiff(page, packed, rows, path)
    stream: Any = io.BytesIO(packed)
    if page.packing != _NONE:
        stream = unpacking(stream, "zlib")
    unpacked = read_exactly(stream, count, path)
    # The last strip may hold rows that the page has not; where the stream ends, its checksum is asked for.
    if page.packing != _NONE and rest_of(stream, path) > page.piece_bytes(page.piece[0]) - count:
        raise SpineError(f"{path} is damaged: a piece of its pixels is longer than its size states; {COPY_AGAIN}")
    return unpacked


def _of_jpeg(page: Packed, packed: bytes, rows: int, path: Path) -> np.ndarray:
    """A piece that is a JPEG without its tables, and without a word on its colours (TIFF technical note 2)."""
    # Adobe's marker tells libjpeg whether to turn the colours; it would guess.
    adobe = struct.pack(">HH5sHHHB", 0xFFEE, 14, b"Adobe", 100, 0, 0, int(page.transformed))
    samples = decode_stream(packed[:2] + page.tables[2:-2] + adobe + packed[2:], path)
    shape = (rows, page.piece[1], page.joined)
    samples = samples.reshape(*samples.shape[:2], -1)
    if samples.shape[0] < rows or samples.shape[1:] != shape[1:]:
        raise SpineError(
            f"{path} is damaged: a piece of its pixels is {samples.shape} instead of {shape}; {COPY_AGAIN}"
        )
    return samples[:rows].reshape(-1)


def _by_libtiff(page: Packed, packed: bytes, rows: int, path: Path) -> np.ndarray:
    """A piece unpacked by libtiff, to which it is given as a whole picture of plain bytes, or of a fax's bits."""
    fax = page.packing in _FAX
    width = page.piece[1] if fax else page.row_bytes()
    data = _one_strip(page, packed, rows, width, bits=1 if fax else 8)
    with complaints(cv2.utils.logging.LOG_LEVEL_WARNING) as heard:
        samples = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    told = [after for line in heard if (after := line.partition(" TIFF_")[2])]
    if told or samples is None or samples.shape != (rows, width):
        why = brief(told[0]) if told else "libtiff does not say why"
        raise SpineError(
            f"{path} is damaged: its {PACKINGS[page.packing]} pixels cannot be unpacked ({why}); {COPY_AGAIN}"
        )
    return np.packbits(samples > 0, axis=1).reshape(-1) if fax else samples.reshape(-1)


def _one_strip(page: Packed, packed: bytes, rows: int, width: int, bits: int) -> bytes:
    """A little-endian TIFF whose one strip is `packed`; 0 is black, so that no bit is turned."""
    tags = {256: width, 257: rows, 258: bits, 259: page.packing, 262: 1, 266: 2 if page.reversed_bits else 1}
    tags |= {273: 8, 277: 1, 278: rows, 279: len(packed)}
    tags |= {292 if page.packing == 3 else 293: page.options} if page.packing in (3, 4) else {}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    start = 8 + len(packed) + len(packed) % 2
    head = struct.pack("<2sHI", b"II", 42, start)
    return head + packed + bytes(len(packed) % 2) + struct.pack("<H", len(tags)) + entries + bytes(4)
