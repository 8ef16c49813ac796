"""What a compressed frame says of itself, asked before a decoder allocates it: its size, and whether it ends.

JPEG and JPEG-LS state their size in a frame header (ITU-T T.81 B.2.2, T.87 C.2.2), JPEG 2000 in SIZ (T.800 A.5.1).
Some decoders abort the whole process on what is out of order, which no exception tells.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from spine.core.problems import SpineError

__all__ = ["FrameHeader", "check_codestream", "frame_header"]

_JPEG = b"\xff\xd8"
_SCAN = 0xDA
_JPEG_2000 = b"\xff\x4f\xff\x51"
_END = b"\xff\xd9"
_NO_FRAME_HEADER = (0xC4, 0xC8, 0xCC)  # tables, and what is reserved, among SOF0 to SOF15
_JPEG_LS = 0xF7
_COPY = "copy it again, or leave it out"


class FrameHeader(NamedTuple):
    """The size of a frame in pixels, and the bits of a sample; JPEG 2000 has them a component, and 0 is here."""

    bits: int
    rows: int
    columns: int
    samples: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, columns and samples."""
        return self.rows, self.columns, self.samples


def check_codestream(stream: bytes, shape: tuple[int, int, int], frame_bytes: int, allocated: int) -> None:
    """SpineError where a frame's stream states another size than the file's header, or is cut off.

    `shape` is what the header states: rows, columns and samples; `frame_bytes` what a frame of that takes, and
    `allocated` the bits of its words.

    An RLE stream states no size: it is refused where it is longer than any encoding of the picture (PS3.5 annex G).
    """
    if not _is_known(stream):
        if len(stream) > 2 * frame_bytes + 1024:
            raise SpineError(f"a frame has {len(stream):,} bytes, too many for {frame_bytes:,} of pixels; {_COPY}")
        return
    header = frame_header(stream)
    if header is None:
        raise SpineError(f"its compressed pixel data is damaged: it has no frame header before its pixels; {_COPY}")
    if stream.startswith(_JPEG) and (header.bits > allocated or allocated not in (8, 16)):
        raise SpineError(
            f"its compressed pixel data has {header.bits} bits a sample, its header allocates {allocated}; {_COPY}"
        )
    if header.shape != shape:
        stated, needed = (" x ".join(map(str, sizes)) for sizes in (header.shape, shape))
        raise SpineError(f"its compressed pixel data states {stated} rows, columns and samples, its header {needed}")
    if _END not in stream[-64:]:
        raise SpineError(f"its compressed pixel data is truncated: its end is missing; {_COPY}")


def frame_header(stream: bytes) -> FrameHeader | None:
    """What a JPEG, JPEG-LS or JPEG 2000 stream states of its frame; None where it states nothing before its pixels."""
    try:
        return _of_jpeg(stream) if stream.startswith(_JPEG) else _of_jpeg_2000(stream)
    except struct.error:
        return None


def _is_known(stream: bytes) -> bool:
    return stream.startswith(_JPEG) or _JPEG_2000 in stream[:1024]


def _of_jpeg_2000(stream: bytes) -> FrameHeader | None:
    start = stream.find(_JPEG_2000, 0, 1024)  # behind the boxes of JP2, where a writer has left them
    if start < 0:
        return None
    width, height, left, top = struct.unpack_from(">4I", stream, start + 8)
    (samples,) = struct.unpack_from(">H", stream, start + 40)
    return FrameHeader(0, height - top, width - left, samples)


def _of_jpeg(stream: bytes) -> FrameHeader | None:
    position, header = 2, None
    while position + 4 <= len(stream):
        marker, kind, length = struct.unpack_from(">BBH", stream, position)
        if marker != 0xFF:
            return None
        if kind == 0xFF:  # a fill byte
            position += 1
            continue
        if kind == _SCAN:
            return header
        if kind == _JPEG_LS or (0xC0 <= kind <= 0xCF and kind not in _NO_FRAME_HEADER):
            header = FrameHeader(*struct.unpack_from(">BHHB", stream, position + 4))
        position += 2 + length
    return None
