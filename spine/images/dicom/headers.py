"""A DICOM file -> its dataset, with every way of being unreadable turned into one clear error."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from spine.core.problems import SpineError, brief
from spine.core.quiet import caught_warnings
from spine.images.dicom.values import Header
from spine.images.integrity import COPY_AGAIN, MAX_PIXELS, check_bytes

__all__ = ["frame_count", "lacking_bytes", "quiet", "read_dataset", "read_header", "study_uid", "transfer_syntax"]

_META, _BLOCK = 2**16, 2**20  # bytes: more than any file meta information has; read at a time


def read_dataset(path: Path) -> Dataset:
    """Read a DICOM file with its pixel data; files without the preamble of PS3.10 too.

    Raises SpineError where the file is missing, empty, truncated before its pixels, or no DICOM at all.
    """
    return _checked(path, pixels=True)[0]


def read_header(path: Path) -> tuple[Dataset, int]:
    """Read a DICOM file up to its pixels, and how many bytes of them a truncated file lacks: 0 of a whole one.

    Only uncompressed pixels tell their length in advance; a cut compressed file is found when it is decoded.
    Raises SpineError as `read_dataset` does.
    """
    dataset, end = _checked(path, pixels=False)
    return dataset, _missing_bytes(dataset, end, path)


def study_uid(path: Path) -> str:
    """The StudyInstanceUID that a DICOM file states, nothing else of which is kept; "" where it cannot be had."""
    with suppress(Exception), quiet(), Path(path).open("rb") as stream:  # who reads the file will say what is wrong
        _check_deflated(stream, path)
        dataset = dcmread(stream, stop_before_pixels=True, force=True, specific_tags=["StudyInstanceUID"])
        return str(dataset.get("StudyInstanceUID") or "").strip()
    return ""


def frame_count(header: Header) -> int:
    """NumberOfFrames, 1 where it is absent, empty or 0; SpineError, without the path, where it cannot be a count."""
    count = header.whole("NumberOfFrames", 1)
    if count < 0:
        raise SpineError(f"NumberOfFrames is {count}, where a number from 1 on must hold; repair its header")
    return count or 1


def lacking_bytes(dataset: Dataset, stored: int) -> int:
    """How many bytes uncompressed pixel data lacks of what its header states, of `stored` ones; 0 where it is whole.

    0 too of compressed pixels, which do not tell, and of sizes so absurd that decoding says better what is wrong.
    SpineError, without the path, where the header does not hold.
    """
    header = Header.of(dataset)
    size = header.whole("Rows") * header.whole("Columns")
    if transfer_syntax(dataset).is_encapsulated or not 0 < size <= MAX_PIXELS:
        return 0
    samples = header.whole("SamplesPerPixel", 1) * size * frame_count(header)
    if header.text("PhotometricInterpretation") == "YBR_FULL_422":  # two of its three samples are shared by two pixels
        samples = samples // 3 * 2
    return max(0, (samples * header.whole("BitsAllocated") + 7) // 8 - stored)


def transfer_syntax(dataset: Dataset) -> UID:
    """The transfer syntax that the file meta information states; SpineError, without the path, where it is none."""
    stated = dataset.file_meta.get("TransferSyntaxUID")
    if not isinstance(stated, UID) or not stated.is_transfer_syntax:
        raise SpineError(f"TransferSyntaxUID is {brief(str(stated), 70)!r}, which is no known one; convert the file")
    return stated


@contextmanager
def quiet() -> Iterator[None]:
    """Silence pydicom's remarks on values that bend the standard: what matters is raised."""
    with caught_warnings():
        yield


def _checked(path: Path, pixels: bool) -> tuple[Dataset, int]:
    """The dataset and where in the file its reading ended."""
    if not Path(path).is_file():
        raise SpineError(f"{path} is not a file; check the path")
    if not Path(path).stat().st_size:
        raise SpineError(f"{path} is empty (0 bytes); {COPY_AGAIN}")
    try:
        with quiet(), Path(path).open("rb") as stream:
            _check_deflated(stream, path)
            dataset = _read(stream, path, pixels)
            list(dataset.file_meta)  # pydicom parses late: what is broken should break here
            return dataset, stream.tell()
    except SpineError:
        raise
    except Exception as error:  # a broken file breaks its parser in a dozen ways
        raise SpineError(
            f"{path} is a damaged or truncated DICOM file ({str(error).replace(';', ',')}); {COPY_AGAIN}"
        ) from error


def _read(stream: BinaryIO, path: Path, pixels: bool) -> Dataset:
    try:
        dataset = dcmread(stream, stop_before_pixels=not pixels)
    except InvalidDicomError:
        stream.seek(0)
        dataset = dcmread(stream, stop_before_pixels=not pixels, force=True)
        if "SOPClassUID" not in dataset and "Rows" not in dataset:
            raise SpineError(
                f"{path} is no DICOM file, whatever its name says; leave it out, or {COPY_AGAIN}"
            ) from None
    if "TransferSyntaxUID" not in dataset.file_meta:
        dataset.file_meta.TransferSyntaxUID = _native_syntax(dataset)
    return dataset


def _check_deflated(stream: BinaryIO, path: Path) -> None:
    """SpineError where a deflated dataset (PS3.5 A.5) becomes too large: pydicom inflates it whole, whatever it is."""
    start, syntax = _end_of_meta(stream.read(_META))
    if syntax == DeflatedExplicitVRLittleEndian:
        stream.seek(start)
        inflate, count = zlib.decompressobj(-zlib.MAX_WBITS), 0
        while not inflate.eof and (data := inflate.unconsumed_tail or stream.read(_BLOCK)):
            count += len(inflate.decompress(data, _BLOCK))
            check_bytes(count, path)
    stream.seek(0)


def _end_of_meta(head: bytes) -> tuple[int, str]:
    """Where the file meta information of PS3.10 ends, and the transfer syntax that it states, "" where none."""
    position, syntax = 132, ""
    while head[position : position + 2] == b"\x02\x00" and position + 12 <= len(head):
        is_long = head[position + 4 : position + 6] in (b"OB", b"UN")
        start = position + (12 if is_long else 8)
        (length,) = struct.unpack_from("<I" if is_long else "<H", head, start - (4 if is_long else 2))
        if head[position + 2 : position + 4] == b"\x10\x00":
            syntax = head[start : start + length].strip(b" \0").decode("latin-1")
        position = start + length
    return position, syntax


def _missing_bytes(dataset: Dataset, end: int, path: Path) -> int:
    """How many of a file's pixel bytes lie behind its end, where its header ends at the byte `end`."""
    try:
        if transfer_syntax(dataset).is_deflated:
            return 0
        with Path(path).open("rb") as stream:
            stream.seek(end + 4)
            # The element's tag, VR and length (PS3.5 7.1); whether it has a VR, the data tells, and not what is stated.
            start = end + (12 if stream.read(2).isalpha() else 8)
        return lacking_bytes(dataset, Path(path).stat().st_size - start)
    except SpineError:
        return 0  # the header does not tell; decoding will


def _native_syntax(dataset: Dataset) -> UID:
    implicit, little = dataset.original_encoding
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little else ExplicitVRBigEndian
