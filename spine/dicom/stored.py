"""Stored values of a DICOM picture: how its words hold them, and their decoding frame by frame.

What the header states is checked before anything is decoded: sizes against one budget of bytes, and against what the
codec's own stream states. Bits beside the value, such as those of old overlays, are cut off, wherever the value lies in
its word (PS3.5 8.1.1), and signs are extended.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from pydicom import Dataset
from pydicom.encaps import get_frame
from pydicom.pixels import iter_pixels
from pydicom.uid import RLELossless

from spine.dicom.codestream import check_codestream
from spine.dicom.headers import frame_count
from spine.dicom.values import Header
from spine.problems import SpineError, brief
from spine.whole import MAX_BYTES, MAX_PIXELS

__all__ = ["Layout", "decode_frames", "read_layout"]

_ONE_SAMPLE = ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR")
_REPAIR = "repair its header, or leave the file out"
_AGAIN = "copy it again, or decompress it with dcmdjpeg or gdcmconv"


@dataclass(frozen=True)
class Layout:
    """How a picture's words hold its values: sizes in pixels, and bits of a word, `high` the greatest of the value."""

    rows: int
    columns: int
    samples: int
    frames: int
    allocated: int
    stored: int
    high: int
    signed: bool

    @property
    def limits(self) -> tuple[int, int]:
        """The least and greatest value that the stored bits hold."""
        return (-(2 ** (self.stored - 1)), 2 ** (self.stored - 1) - 1) if self.signed else (0, 2**self.stored - 1)

    @property
    def frame_bytes(self) -> int:
        """Bytes of one decoded frame."""
        return self.rows * self.columns * self.samples * max(8, self.allocated) // 8


def read_layout(header: Header) -> Layout:
    """The layout that a header states; SpineError where it cannot be, and nothing of that size is decoded."""
    allocated = header.whole("BitsAllocated")
    stored = header.whole("BitsStored", allocated)
    layout = Layout(
        rows=header.whole("Rows"),
        columns=header.whole("Columns"),
        samples=header.whole("SamplesPerPixel", 1),
        frames=frame_count(header.dataset),
        allocated=allocated,
        stored=stored,
        high=_high_bit(header, allocated, stored),
        signed=bool(header.whole("PixelRepresentation")),
    )
    _check(layout, header)
    return layout


def decode_frames(header: Header, layout: Layout, indices: Sequence[int]) -> Iterator[np.ndarray]:
    """The stored values of the frames of 0-based `indices`: (H, W), or (H, W, 3) of colour as RGB.

    Raises SpineError where the pixel data is missing, truncated, larger than it states, or of an unknown codec. What a
    decoder complains of becomes a remark.
    """
    if "PixelData" not in header.dataset:
        raise SpineError(
            "the file holds no integer pixel data: it ends before its image, or stores a floating-point map"
        )
    if (size := layout.frame_bytes * len(indices)) > MAX_BYTES:
        raise SpineError(
            f"its {len(indices)} frames would take {size:,} bytes, and {MAX_BYTES:,} can be read; split it"
        )
    dataset = _cleaned(header, layout)
    apart = _is_apart(dataset, layout)
    frames = iter_pixels(dataset, indices=indices, correct_unused_bits=not apart)
    for index in indices:
        _check_stream(dataset, layout, index)
        with warnings.catch_warnings(record=True) as complaints:
            warnings.simplefilter("always")
            values = _next(frames, dataset)
        for complaint in complaints:
            header.remark(f"its pixel data: {complaint.message}")
        yield _value_bits(values, layout) if apart else values


def _high_bit(header: Header, allocated: int, stored: int) -> int:
    high = header.whole("HighBit", stored - 1)
    if stored - 1 <= high < allocated:
        return high
    header.remark(f"HighBit is {high}, which cannot be of {stored} bits in {allocated}: {stored - 1} was taken")
    return stored - 1


def _check(layout: Layout, header: Header) -> None:
    holds = {
        "Rows": 0 < layout.rows < 2**16,
        "Columns": 0 < layout.columns < 2**16,
        "SamplesPerPixel": layout.samples in (1, 3),
        "BitsAllocated": layout.allocated in (1, 8, 16, 32),
        "BitsStored": 0 < layout.stored <= layout.allocated,
        "PixelRepresentation": header.whole("PixelRepresentation") in (0, 1),
    }
    for keyword, good in holds.items():
        if not good:
            raise SpineError(f"{keyword} is {header.quote(keyword)}, which no picture here can have; {_REPAIR}")
    photometric = header.text("PhotometricInterpretation")
    if (photometric in _ONE_SAMPLE) != (layout.samples == 1) or not photometric:
        told = f"PhotometricInterpretation is {photometric!r} and SamplesPerPixel {layout.samples}"
        raise SpineError(f"{told}, which do not go together; {_REPAIR}")
    if layout.rows * layout.columns > MAX_PIXELS:
        raise SpineError(f"a frame states {layout.rows} x {layout.columns} pixels, and {MAX_PIXELS:,} can be read")


def _cleaned(header: Header, layout: Layout) -> Dataset:
    """A shallow copy of the dataset whose header says of its pixels what was read of it, in the VR it should have."""
    dataset = Dataset(header.dataset)
    dataset.file_meta = header.dataset.file_meta
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = layout.rows, layout.columns, layout.samples
    dataset.BitsAllocated, dataset.BitsStored = layout.allocated, layout.stored
    dataset.HighBit, dataset.PixelRepresentation = layout.high, int(layout.signed)
    dataset.NumberOfFrames = layout.frames
    dataset.PhotometricInterpretation = header.text("PhotometricInterpretation")
    return dataset


def _is_apart(dataset: Dataset, layout: Layout) -> bool:
    """Whether values lie elsewhere than in the low bits of their words, as only codecs of whole words can have them."""
    syntax = dataset.file_meta.TransferSyntaxUID
    whole_words = not syntax.is_encapsulated or syntax == RLELossless
    return whole_words and layout.high != layout.stored - 1 and layout.samples == 1


def _value_bits(words: np.ndarray, layout: Layout) -> np.ndarray:
    """The values in the bits up to `high` of words; a right shift of a signed type extends the sign."""
    return (words << (layout.allocated - 1 - layout.high)) >> (layout.allocated - layout.stored)


def _check_stream(dataset: Dataset, layout: Layout, index: int) -> None:
    if not dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        return
    try:
        stream = get_frame(dataset.PixelData, index, number_of_frames=layout.frames)
    except Exception:  # the decoder says what is wrong with it
        return
    check_codestream(stream, (layout.rows, layout.columns, layout.samples), layout.frame_bytes)


def _next(frames: Iterator[np.ndarray], dataset: Dataset) -> np.ndarray:
    try:
        return next(frames)
    except Exception as error:  # each codec fails in its own way
        syntax = getattr(dataset.file_meta.get("TransferSyntaxUID"), "name", "unknown")
        reason = f"the {syntax} pixel data cannot be decoded ({brief(str(error))})"
        raise SpineError(f"{reason}; {_AGAIN}") from error
