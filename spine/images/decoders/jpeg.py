"""JPEG (ITU-T T.81): its markers walked to the end, then decoded by libjpeg, whose warnings are refusals."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import simplejpeg

from spine.core.problems import SpineError, brief
from spine.images.decoders.orientation import orientation_of_exif, upright, upright_size
from spine.images.decoders.raster import Raster
from spine.images.integrity import COPY_AGAIN, check_bytes

__all__ = ["SIGNATURE", "decode", "decode_stream", "size"]

SIGNATURE = b"\xff\xd8\xff"

_FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive: with Huffman codes
_OTHER_FRAMES = {0xC3: "lossless", 0xC9: "arithmetic", 0xCA: "arithmetic", 0xCB: "lossless arithmetic"}
_DECODED_TO = {"Gray": "GRAY", "YCbCr": "RGB", "RGB": "RGB"}
_SCAN, _END, _EXIF = 0xDA, 0xD9, 0xE1
_MOST_SCANS = 100  # each passes over the whole picture; encoders make about ten
_MARKER = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")  # within a scan: no stuffed byte, no restart


@dataclass
class _Markers:
    """What the markers state."""

    height: int = 0
    width: int = 0
    channels: int = 0
    scans: int = 0
    orientation: int = 1


def size(data: bytes, path: Path) -> tuple[int, int]:
    """Height and width once it is upright; SpineError where the file is not whole."""
    frame = _frame(data, path)
    return upright_size(frame.height, frame.width, frame.orientation)


def decode(data: bytes, path: Path) -> list[Raster]:
    """The one picture of a JPEG, colour as red, green, blue; SpineError where libjpeg has anything to complain of."""
    frame = _frame(data, path)
    samples = _samples(data, path)
    turned = upright(samples, frame.orientation)
    return [Raster(turned, 8, "grey" if samples.ndim == 2 else "rgb")]


def decode_stream(data: bytes, path: Path) -> np.ndarray:
    """(H, W) or (H, W, 3) uint8 of a JPEG as it is stored, red first."""
    _frame(data, path)
    return _samples(data, path)


def _samples(data: bytes, path: Path) -> np.ndarray:
    """What libjpeg decodes of a stream whose markers hold."""
    try:
        kind = simplejpeg.decode_jpeg_header(data)[2]
        if kind in _DECODED_TO:
            samples = simplejpeg.decode_jpeg(data, _DECODED_TO[kind])
            return samples[..., 0] if kind == "Gray" else samples
        simplejpeg.decode_jpeg(data, "CMYK")  # only to hear whether it holds
    except ValueError as error:
        raise SpineError(f"{path} is damaged or truncated: {brief(str(error))}; {COPY_AGAIN}") from error
    samples = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    if samples is None:
        raise SpineError(f"{path} cannot be decoded, though its bytes hold; export the image again")
    return samples


def _frame(data: bytes, path: Path) -> _Markers:
    """Walk the markers from the start to the end of the image (T.81, annex B)."""
    frame, start = _Markers(), 2
    while start + 4 <= len(data):
        kind = data[start + 1]
        if data[start] != 0xFF:
            raise SpineError(f"{path} is damaged: a marker is missing at byte {start}; {COPY_AGAIN}")
        if kind == 0xFF:  # padding before a marker
            start += 1
            continue
        (length,) = struct.unpack_from(">H", data, start + 2)
        _note(frame, kind, data[start + 4 : start + 2 + length], path)
        start += 2 + length
        if kind == _SCAN:
            marker = _MARKER.search(data, start)
            if marker is None:
                break
            start = marker.end() - 2
            if data[start + 1] == _END:
                return _checked(frame, path)
    raise SpineError(f"{path} is truncated: its end is missing; {COPY_AGAIN}")


def _note(frame: _Markers, kind: int, content: bytes, path: Path) -> None:
    if kind in _OTHER_FRAMES:
        raise SpineError(f"{path} is a {_OTHER_FRAMES[kind]} JPEG, which is not read; save it as PNG or TIFF")
    if kind in _FRAMES and len(content) >= 6:
        bits, frame.height, frame.width, frame.channels = struct.unpack_from(">BHHB", content)
        if bits != 8:
            raise SpineError(f"{path} is a JPEG of {bits} bits, and 8 can be read; save it as PNG or TIFF")
    elif kind == _EXIF and content.startswith(b"Exif\0\0"):
        frame.orientation = orientation_of_exif(content)
    frame.scans += kind == _SCAN


def _checked(frame: _Markers, path: Path) -> _Markers:
    if not frame.height or not frame.width or not 1 <= frame.channels <= 4:
        raise SpineError(
            f"{path} states {frame.height} x {frame.width} pixels of {frame.channels} channels, which cannot be read; "
            "export the image again"
        )
    if frame.scans > _MOST_SCANS:
        raise SpineError(f"{path} is coded in {frame.scans} scans, and {_MOST_SCANS} can be read; export it again")
    # Decoded, turned, grey and 16 bits; with several scans every coefficient of 16 bits is held, too.
    held = 2 * frame.channels + 3 + (2 * frame.channels if frame.scans > 1 else 0)
    check_bytes(held * frame.height * frame.width, path)
    return frame
