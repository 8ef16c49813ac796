"""Whether a damaged file could have been known as such: its own checksums and lengths, by decoders of other hands."""

from __future__ import annotations

import gzip
import os
import re
import struct
import tempfile
import zlib
from collections.abc import Callable

import cv2
import numpy as np

from tests.hostile.streams import masked_crc
from tests.hostile.texts import header_and_rest

__all__ = ["is_damaged"]


def is_damaged(suffix: str, data: bytes) -> str:
    """What says that a file of that suffix is damaged, whoever reads it; "" where nothing in it tells."""
    check = _CHECKS.get(suffix)
    return check(data) if check else ""


def _png(data: bytes) -> str:
    place = 8
    while place + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 12 + length
        if end > len(data) or zlib.crc32(data[place + 4 : end - 4]) != struct.unpack_from(">I", data, end - 4)[0]:
            return "a chunk's checksum does not hold"
        if kind == b"IEND":
            return ""
        place = end
    return "it has no end"


def _gzip(data: bytes) -> str:
    try:
        gzip.decompress(data[: 2**20])  # what is longer is a bomb, and of those nobody asks
    except (OSError, EOFError, zlib.error) as error:
        return f"gzip says: {error}" if len(data) < 2**20 else ""
    return ""


def _packed_volume(data: bytes) -> str:
    header, rest = header_and_rest(data)
    if not re.search(rb"(?im)^(CompressedData *= *True|encoding: *gz)", header):
        return ""
    try:
        zlib.decompress(rest[: 2**20], zlib.MAX_WBITS | 32)
    except zlib.error as error:
        return f"zlib says: {error}" if len(rest) < 2**20 else ""
    return ""


def _records(data: bytes) -> str:
    if data[:2] == b"\x1f\x8b":
        return _gzip(data)
    place = 0
    while place < len(data):
        if place + 16 > len(data):
            return "a record is cut short"
        (length,) = struct.unpack_from("<Q", data, place)
        end = place + 16 + length
        if end > len(data) or masked_crc(data[place + 12 : end - 4]) != struct.unpack_from("<I", data, end - 4)[0]:
            return "a record's checksum does not hold"
        place = end
    return ""


def _jpeg(data: bytes) -> str:
    """What libjpeg writes to the terminal while it fills what is lacking."""
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as heard:
        os.dup2(heard.fileno(), 2)
        try:
            cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        except cv2.error:
            pass
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
        heard.seek(0)
        text = heard.read().decode(errors="replace")
    return f"libjpeg says: {text.strip()[:80]}" if "orrupt" in text or "remature" in text else ""


_CHECKS: dict[str, Callable[[bytes], str]] = {
    ".png": _png,
    ".gz": _gzip,
    ".mha": _packed_volume,
    ".nrrd": _packed_volume,
    ".tfrecord": _records,
    ".jpg": _jpeg,
}
