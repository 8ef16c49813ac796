"""PNG (ISO/IEC 15948): chunks and checksums walked, the pixels' stream measured, then decoded from what pixels need.

A decoder is given the header, the palette and the pixels alone: profiles, texts, transparency and the frames of an
animation neither change a grey level nor can they swell.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from spine.core.problems import SpineError
from spine.images.decoders.orientation import orientation_of_exif, upright, upright_size
from spine.images.decoders.raster import Raster
from spine.images.integrity import COPY_AGAIN, check_bytes, read_exactly, rest_of, unpacking

__all__ = ["SIGNATURE", "decode", "size"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of each colour type, table 11.1
_PALETTE = 3
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


@dataclass(frozen=True)
class _Header:
    """IHDR."""

    width: int
    height: int
    bits: int
    colour_type: int
    interlaced: bool

    @property
    def length(self) -> int:
        """Bytes of the unpacked pixels: each row of each pass after a byte that names its filter."""
        bits = self.bits * _CHANNELS[self.colour_type]
        passes = _ADAM7 if self.interlaced else ((0, 0, 1, 1),)
        sizes = [(-(-(self.width - x) // dx), -(-(self.height - y) // dy)) for x, y, dx, dy in passes]
        return sum(height * (1 + (width * bits + 7) // 8) for width, height in sizes if width > 0 and height > 0)


def size(data: bytes, path: Path) -> tuple[int, int]:
    """Height and width once it is upright; SpineError where the file is not whole."""
    chunks = _chunks(data, path)
    header = _header(chunks, path)
    return upright_size(header.height, header.width, orientation_of_exif(chunks.get(b"eXIf", b"")))


def decode(data: bytes, path: Path) -> list[Raster]:
    """The one picture of a PNG; of an animation the still one. SpineError where the file is not whole."""
    chunks = _chunks(data, path)
    header = _header(chunks, path)
    _check_pixels(chunks.get(b"IDAT", b""), header, path)
    orientation = orientation_of_exif(chunks.get(b"eXIf", b""))
    bare = _bare(chunks)
    if header.colour_type == _PALETTE:
        palette = np.frombuffer(chunks.get(b"PLTE", b""), np.uint8)
        if not len(palette) or len(palette) % 3:
            raise SpineError(f"{path} is damaged: its palette has {len(palette)} bytes, three a colour; {COPY_AGAIN}")
        return [Raster(upright(_indices(bare), orientation), header.bits, "palette", palette.reshape(-1, 3))]
    samples = cv2.imdecode(np.frombuffer(bare, np.uint8), cv2.IMREAD_UNCHANGED)
    if samples is None:
        raise SpineError(f"{path} is damaged: it cannot be decoded; {COPY_AGAIN}")
    samples = upright(samples, orientation)
    alpha = samples[..., 3] if samples.ndim == 3 and samples.shape[2] == 4 else None
    if _CHANNELS[header.colour_type] >= 3:
        return [Raster(samples[..., 2::-1], header.bits, "rgb", alpha=alpha)]
    grey = samples if samples.ndim == 2 else samples[..., 0]
    if header.bits < 8:
        grey = grey // (255 // (2**header.bits - 1))  # OpenCV spreads 1, 2 and 4 bits over 0..255
    return [Raster(grey, header.bits, alpha=alpha)]


def _chunks(data: bytes, path: Path) -> dict[bytes, bytes]:
    """Kind -> content, of the same kind joined; SpineError where a checksum does not hold or the end is missing."""
    found: dict[bytes, list[bytes]] = {}
    for kind, content in _walk(data, path):
        found.setdefault(kind, []).append(content)
    return {kind: b"".join(contents) for kind, contents in found.items()}


def _walk(data: bytes, path: Path) -> Iterator[tuple[bytes, bytes]]:
    view, start = memoryview(data), len(SIGNATURE)
    while start + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, start)
        end = start + 12 + length
        if end > len(data):
            break
        if zlib.crc32(view[start + 4 : end - 4]) != struct.unpack_from(">I", data, end - 4)[0]:
            raise SpineError(f"{path} is damaged: a checksum in it does not hold; {COPY_AGAIN}")
        yield kind, data[start + 8 : end - 4]
        if kind == b"IEND":
            return
        start = end
    raise SpineError(f"{path} is truncated: its end is missing; {COPY_AGAIN}")


def _header(chunks: dict[bytes, bytes], path: Path) -> _Header:
    content = chunks.get(b"IHDR", b"")
    if len(content) != 13:
        raise SpineError(f"{path} is damaged: it has no header; {COPY_AGAIN}")
    width, height, bits, colour_type, _, _, interlaced = struct.unpack(">IIBBBBB", content)
    if not width or not height or bits not in (1, 2, 4, 8, 16) or colour_type not in _CHANNELS:
        raise SpineError(
            f"{path} is damaged: it states {width} x {height} pixels of {bits} bits, colour type {colour_type}; "
            f"{COPY_AGAIN}"
        )
    header = _Header(width, height, bits, colour_type, bool(interlaced))
    # Unpacked to be measured, decoded, as grey and as 16 bits.
    check_bytes(2 * header.length + 3 * width * height, path)
    return header


def _check_pixels(packed: bytes, header: _Header, path: Path) -> None:
    stream = unpacking(io.BytesIO(packed), "zlib")
    read_exactly(stream, header.length, path)
    if rest_of(stream, path):
        raise SpineError(f"{path} is damaged: it holds more pixels than its header states; {COPY_AGAIN}")


def _bare(chunks: dict[bytes, bytes]) -> bytes:
    kinds = [kind for kind in (b"IHDR", b"PLTE", b"IDAT") if kind in chunks]
    return SIGNATURE + b"".join(_chunk(kind, chunks[kind]) for kind in [*kinds, b"IEND"])


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _indices(bare: bytes) -> np.ndarray:
    from PIL import Image  # OpenCV hands out a palette's colours, never its indices

    with Image.open(io.BytesIO(bare)) as image:
        return np.asarray(image)
