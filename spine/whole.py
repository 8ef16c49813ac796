"""Whether a PNG, JPEG or TIFF is what it says, whole, and of a size that can be decoded: asked before any decoder.

Decoders fill what a damaged file lacks with grey and say nothing, or write to the terminal by themselves, and allocate
whatever size a file of a few kilobytes states.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from spine.problems import SpineError

__all__ = ["MAX_BYTES", "MAX_PIXELS", "check_bytes", "check_pixels", "check_whole", "read_at_most"]

MAX_PIXELS = 2**28  # decoded at once, all pages of a TIFF together: 16,384 x 16,384, 512 MiB at 16 bits

MAX_BYTES = 2**30  # that one file may become once it is unpacked and decoded, whatever it states
_BLOCK = 2**20

_AGAIN = "copy it again from where it came from"
_PNG = b"\x89PNG\r\n\x1a\n"
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def check_whole(data: bytes, path: Path) -> None:
    """SpineError where the bytes are no PNG, JPEG or TIFF, are damaged or end early, or are more than MAX_PIXELS."""
    if data.startswith(_PNG):
        _check_chunks(data, path)
    elif data.startswith(b"\xff\xd8\xff"):
        if data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda"):  # end of image after the last start of scan
            raise SpineError(f"{path} is truncated: its end is missing; {_AGAIN}")
    elif data.startswith(_TIFF):
        _check_directories(data, path)
    else:
        raise SpineError(
            f"{path} is not a PNG, JPEG or TIFF, whatever its name says; export the image again as one of them"
        )
    check_pixels(_stated_pixels(data, path), path)


def check_pixels(count: int, path: Path, most: int = MAX_PIXELS) -> None:
    """SpineError where a file states more than `most` pixels: a decompression bomb, or no image of a spine."""
    if count > most:
        raise SpineError(f"{path} states {count:,} pixels, and {most:,} can be read; crop it, or split it")


def check_bytes(count: int, path: Path, most: int = MAX_BYTES) -> None:
    """SpineError where a file would become more than `most` bytes: asked before anything is unpacked or decoded."""
    if count > most:
        raise SpineError(f"{path} would take {count:,} bytes, and {most:,} can be read; crop it, or split it")


def read_at_most(stream: BinaryIO, path: Path, most: int = MAX_BYTES) -> bytes:
    """What is left of a stream, such as an unpacking one; SpineError as soon as it gives more than `most` bytes."""
    blocks, count = [], 0
    while block := stream.read(_BLOCK):
        count += len(block)
        check_bytes(count, path, most)
        blocks.append(block)
    return b"".join(blocks)


def _check_chunks(data: bytes, path: Path) -> None:
    """Walk the chunks of a PNG and their checksums (ISO/IEC 15948, 5.3)."""
    view, start = memoryview(data), len(_PNG)
    while start + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, start)
        end = start + 12 + length
        if end > len(data):
            break
        if zlib.crc32(view[start + 4 : end - 4]) != struct.unpack_from(">I", data, end - 4)[0]:
            raise SpineError(f"{path} is damaged: a checksum in it does not hold; {_AGAIN}")
        if kind == b"IEND":
            return
        start = end
    raise SpineError(f"{path} is truncated: its end is missing; {_AGAIN}")


def _check_directories(data: bytes, path: Path) -> None:
    """Follow the chain of a TIFF's directories, one a page (TIFF 6.0, section 2, and BigTIFF).

    Decoders leave out the pages after a break. Where strips of pixels are missing they fail by themselves.
    """
    order, big = "<" if data.startswith(b"II") else ">", b"+" in data[2:4]
    first, entry, count, offset = (8, 20, "Q", "Q") if big else (4, 12, "H", "I")
    pages: set[int] = set()
    try:
        (start,) = struct.unpack_from(order + offset, data, first)
        while start and start not in pages:
            pages.add(start)
            (entries,) = struct.unpack_from(order + count, data, start)
            (start,) = struct.unpack_from(order + offset, data, start + struct.calcsize(count) + entries * entry)
    except struct.error as error:
        raise SpineError(f"{path} is truncated: it ends within or before page {len(pages)}; {_AGAIN}") from error


def _stated_pixels(data: bytes, path: Path) -> int:
    """The pixels of all pages as the headers state them; 0 where Pillow does not know the kind, such as 16-bit RGB."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what Pillow thinks large, and we do not
            with Image.open(BytesIO(data)) as image:
                return image.width * image.height * getattr(image, "n_frames", 1)
    except Image.DecompressionBombError as error:
        raise SpineError(f"{path} is too large ({error}); crop it, or split it") from error
    except Exception:  # a broken header breaks its parser in a dozen ways; the decoder will say what it is
        return 0
