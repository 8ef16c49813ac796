"""TFRecord files: framed, checksummed records, in shards called `name.tfrecord-00000-of-00004`.

A record is its length (8 bytes, little endian), the length's checksum (4), the payload, and the payload's checksum (4).
Frames are read here, since TensorFlow ends the process where a length is damaged and its checksum is not.
Format: https://www.tensorflow.org/tutorials/load_data/tfrecord
"""

from __future__ import annotations

import gzip
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePath
from typing import BinaryIO, cast

import google_crc32c

from spine.core.files import atomic_file, walk
from spine.core.problems import SpineError, brief
from spine.images.integrity import MAX_BYTES

__all__ = [
    *("MAX_RECORD", "Damaged", "Shards", "is_records", "masked_crc32c", "missing_shards"),
    *("read_records", "record_files", "shards"),
]

MAX_RECORD = MAX_BYTES // 8  # bytes: a number of one byte takes eight once it is parsed

_NAME = re.compile(r"(?P<stem>.+)\.(tf)?records?(-(?P<shard>\d{5})-of-(?P<count>\d{5}))?(\.gz)?", re.IGNORECASE)
_LENGTH, _HEAD, _CHECKSUM = 8, 12, 4  # bytes: a record's length, with its checksum; and that of its payload

_CUT_SHORT = "is cut short"
_LENGTH_FAULT = "is damaged: the checksum of its length does not hold"
_LOST = "; what follows it in the file cannot be reached"


class Damaged(Exception):
    """A record whose length or checksum does not hold."""


def masked_crc32c(data: bytes) -> int:
    """CRC-32C as TFRecords store it, rotated and moved, so that one of bytes that hold one stays good.

    Source: tensorflow/core/lib/hash/crc32c.h.
    """
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def is_records(path: PurePath) -> bool:
    """Whether the name is that of a TFRecord file or a shard of one: `.tfrecord`, `.record-00000-of-00004`, `.gz`."""
    return bool(_NAME.fullmatch(path.name)) and not path.name.startswith(".")


def record_files(path: Path) -> list[tuple[Path, PurePath]]:
    """The TFRecord files at or below `path`, each with its folder relative to it; SpineError without any."""
    if path.is_file():
        return [(path, PurePath())]
    if not path.is_dir():
        raise SpineError(f"{path} does not exist; give a .tfrecord file, or a folder of them")
    files = [file for file in walk(path).files if is_records(file)]
    if not files:
        raise SpineError(f"{path} holds no .tfrecord or .record file; give the folder that does")
    return [(file, file.parent.relative_to(path)) for file in files]


def missing_shards(files: list[Path]) -> list[Path]:
    """The shards that the names of their neighbours promise and that are not among `files`."""
    promised: set[Path] = set()
    for file in files:
        name = _NAME.fullmatch(file.name)
        if name and name["count"]:
            start, end = name.span("shard")
            for shard in range(int(name["count"])):
                promised.add(file.with_name(f"{file.name[:start]}{shard:05}{file.name[end:]}"))
    return sorted(promised - set(files))


def read_records(file: Path) -> Iterator[tuple[int, bytes | Damaged]]:
    """Each record of a file, plain or gzip, with its number from 0; one that does not hold is given as `Damaged`.

    The records behind a damaged one are read where its length still tells where they begin. A length is checked before
    it is believed: no file is read beyond its end, and of a gzip one no more than MAX_BYTES is unpacked. OSError where
    the file cannot be opened.
    """
    packed = _is_gzip(file)
    with gzip.open(file) if packed else file.open("rb") as stream:
        room = MAX_BYTES if packed else file.stat().st_size
        yield from enumerate(_records(cast(BinaryIO, stream), room, packed))


def _records(stream: BinaryIO, room: int, packed: bool) -> Iterator[bytes | Damaged]:
    try:
        while head := stream.read(_HEAD):
            room -= _HEAD
            payload, fault = _payload(stream, head, room, packed)
            room -= len(payload) + _CHECKSUM
            yield Damaged(fault) if fault else payload
            if fault.endswith(_LOST):
                return
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:  # of the packing, which has checks of its own
        yield Damaged((_CUT_SHORT if isinstance(error, EOFError) else f"is damaged ({brief(str(error))})") + _LOST)


def _payload(stream: BinaryIO, head: bytes, room: int, packed: bool) -> tuple[bytes, str]:
    """What a record holds whose length and its checksum are `head`, with `room` bytes behind; and its fault or ""."""
    if len(head) < _HEAD:
        return b"", _CUT_SHORT + _LOST
    (length,) = struct.unpack_from("<Q", head)
    length_holds = head[_LENGTH:] == _checksum(head[:_LENGTH])
    if length + _CHECKSUM > room or length > MAX_RECORD:
        return b"", (_too_long(length, room, packed) if length_holds else _LENGTH_FAULT) + _LOST
    payload, checksum = stream.read(length), stream.read(_CHECKSUM)
    if len(checksum) < _CHECKSUM:
        return payload, (_CUT_SHORT if length_holds else _LENGTH_FAULT) + _LOST
    holds = checksum == _checksum(payload)
    if length_holds:
        return payload, "" if holds else "is damaged: its checksum does not hold"
    # Where the payload's checksum holds, the length led to its end: only the length's own checksum is damaged.
    return payload, _LENGTH_FAULT if holds else _LENGTH_FAULT + _LOST


def _too_long(length: int, room: int, packed: bool) -> str:
    if length > MAX_RECORD or packed:
        return f"states {length:,} bytes, of which {min(MAX_RECORD, max(room, 0)):,} can be read"
    return _CUT_SHORT


def _checksum(data: bytes) -> bytes:
    return struct.pack("<I", masked_crc32c(data))


def _is_gzip(file: Path) -> bool:
    """Whether a file is packed; the first length of a plain one may look like gzip's mark, and has a checksum."""
    with file.open("rb") as stream:
        head = stream.read(_HEAD)
    return head.startswith(b"\x1f\x8b\x08") and head[_LENGTH:] != _checksum(head[:_LENGTH])


class Shards:
    """Writes records to shards in turn, so that every shard holds a like share of each part of the data."""

    def __init__(self, streams: Sequence[BinaryIO]) -> None:
        self._streams = streams
        self._written = 0

    def write(self, payload: bytes) -> None:
        """Append one record to the shard whose turn it is."""
        length = struct.pack("<Q", len(payload))
        framed = (length, _checksum(length), payload, _checksum(payload))
        self._streams[self._written % len(self._streams)].write(b"".join(framed))
        self._written += 1


@contextmanager
def shards(path: Path, count: int) -> Iterator[Shards]:
    """Write `<path>.tfrecord-00000-of-<count>` ... in the block; they are there when it has ended well, whole."""
    if count < 1:
        raise SpineError(f"shards is {count}; give 1 or more")
    names = [path.with_name(f"{path.name}.tfrecord-{shard:05}-of-{count:05}") for shard in range(count)]
    with ExitStack() as stack:
        files = [stack.enter_context(atomic_file(name)) for name in names]
        yield Shards([stack.enter_context(file.open("wb")) for file in files])
