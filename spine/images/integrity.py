"""How much one file may become, and whether it holds what it states: asked before anything is decoded.

Decoders fill what a damaged file lacks with grey and say nothing, and allocate whatever size a file of a few kilobytes
states. So sizes are told from headers, packed bytes are unpacked here, to their stated length and no further, and
their checksums are asked for.
"""

from __future__ import annotations

import bz2
import io
import zlib
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from spine.core.problems import SpineError, brief

__all__ = [
    *("COPY_AGAIN", "MAX_BYTES", "MAX_PIXELS", "check_bytes"),
    *("read_exactly", "read_up_to", "rest_of", "unpacking"),
]

MAX_PIXELS = 2**28  # of one picture: 16,384 x 16,384

MAX_BYTES = 2**30
"""That one file may become, all that is held of it at once: its samples unpacked, and their 16-bit grey.

A CT of 512 x 512 x 2,048 voxels at 16 bits, or a picture of 119 million pixels in colour at 8 bits. With what Python
and the libraries take, reading any file stays below 2 GB.
"""

COPY_AGAIN = "copy it again from where it came from"
_BLOCK = 2**20
_WINDOWS = {"zlib": 15, "gzip": 31}  # of zlib: the largest, and with gzip's header and checksum
_GZIP = b"\x1f\x8b"
_REST = 2**16  # bytes behind the pixels that are looked at: padding; a stream of zeros without end is cut there


def check_bytes(count: int, path: Path | str, most: int = MAX_BYTES) -> None:
    """SpineError where a file would become more than `most` bytes: asked before anything is unpacked or decoded."""
    if count > most:
        raise SpineError(f"{path} would take {count:,} bytes, and {most:,} can be read; crop it, or split it")


class Readable(Protocol):
    """What gives bytes, one piece after another."""

    def read(self, size: int, /) -> bytes: ...


def read_up_to(stream: Readable, count: int, path: Path) -> bytes:
    """The next bytes of a stream, `count` at most; SpineError where it is damaged."""
    found = b""
    while len(found) < count and (block := _next(stream, count - len(found), path)):
        found += block
    return found


def read_exactly(stream: Readable, count: int, path: Path) -> np.ndarray:
    """The next `count` bytes of a stream as (count,) uint8; SpineError where it is damaged or ends before.

    Asked for by `check_bytes` first: memory for them is taken as they come.
    """
    check_bytes(count, path)
    whole, filled = np.empty(count, np.uint8), 0
    while filled < count and (block := _next(stream, min(_BLOCK, count - filled), path)):
        whole[filled : filled + len(block)] = np.frombuffer(block, np.uint8)
        filled += len(block)
    if filled < count:
        raise SpineError(f"{path} is truncated: it holds {filled:,} of {count:,} bytes of its pixels; {COPY_AGAIN}")
    return whole


def rest_of(stream: Readable, path: Path) -> int:
    """The number of bytes that are left of a stream, counted to 65,536 at most.

    At the end of a packed stream its checksum is verified: SpineError where it does not hold.
    """
    count = 0
    while count < _REST and (block := _next(stream, _REST - count, path)):
        count += len(block)
    return count


def unpacking(stream: BinaryIO, packing: str) -> Readable:
    """A stream of what another holds packed by "zlib", "gzip" or "bzip2"; read it by `read_exactly`."""
    return bz2.BZ2File(stream) if packing == "bzip2" else _Inflating(stream, _WINDOWS[packing])


def _next(stream: Readable, size: int, path: Path) -> bytes:
    try:
        return stream.read(size)
    except (EOFError, OSError, zlib.error) as error:
        cut = isinstance(error, EOFError)
        fault = "truncated" if cut else "damaged"
        raise SpineError(
            f"{path} is {fault}: its packed bytes do not hold ({brief(str(error))}); {COPY_AGAIN}"
        ) from error


class _Inflating:
    """A zlib or gzip stream, unpacked piece by piece (RFC 1950, 1952); its checksum is verified where it ends.

    What follows a gzip's end is its next member, or padding, which no tool reads.
    """

    def __init__(self, stream: BinaryIO, window: int) -> None:
        self._stream, self._window = stream, window
        self._unpacker, self._pending = zlib.decompressobj(window), b""

    def read(self, size: int, /) -> bytes:
        while not self._unpacker.eof or self._next_member():
            packed = self._unpacker.unconsumed_tail or self._pending or self._stream.read(io.DEFAULT_BUFFER_SIZE)
            self._pending = b""
            block = self._unpacker.decompress(packed, size)
            if block:
                return block
            if not packed and not self._unpacker.eof:
                raise EOFError("the packed stream ends early")
        return b""

    def _next_member(self) -> bool:
        following = self._unpacker.unused_data or self._stream.read(io.DEFAULT_BUFFER_SIZE)
        if self._window != _WINDOWS["gzip"] or not following.startswith(_GZIP):
            return False
        self._unpacker, self._pending = zlib.decompressobj(self._window), following
        return True
