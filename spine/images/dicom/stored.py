"""Stored values of a DICOM picture: how its words hold them, their decoding, and which lie outside the image.

What the header states is checked before anything is decoded: sizes against one budget of bytes, and against what the
codec's own stream states. Bits beside the value, such as those of old overlays, are cut off, wherever the value lies in
its word (PS3.5 8.1.1), and signs are extended.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.encaps import get_frame
from pydicom.pixels import iter_pixels
from pydicom.uid import UID, JPEGBaseline8Bit, JPEGExtended12Bit, RLELossless

from spine.core.problems import SpineError, brief
from spine.core.quiet import caught_warnings
from spine.images.decoders.complaints import complaints
from spine.images.decoders.jpeg import decode_stream
from spine.images.dicom.codestream import check_codestream
from spine.images.dicom.headers import frame_count, transfer_syntax
from spine.images.dicom.values import REPAIR, Header
from spine.images.integrity import COPY_AGAIN, check_bytes

__all__ = ["Layout", "decode_frames", "is_padding", "read_layout"]

_ONE_SAMPLE = ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR")
_PILLOW = (JPEGBaseline8Bit, JPEGExtended12Bit)  # it says nothing of damage, and GDCM aborts the process on some
_COPIES = 4  # of a frame: the codec's, the decoder's, ours as stored and as grey
_FILLED = re.compile("corrupt|premature|truncat", re.IGNORECASE)  # libjpeg fills with grey what is missing
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
        frames=frame_count(header),
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
    syntax = transfer_syntax(header.dataset)
    _check_budget(layout, len(indices))
    if layout.allocated == 1 and not syntax.is_encapsulated:
        yield from _frames_of_bits(header, layout, indices)
        return
    dataset = _cleaned(header, layout)
    apart = _is_apart(syntax, layout)
    plugin = "pillow" if syntax in _PILLOW else ""
    frames = iter_pixels(dataset, indices=indices, decoding_plugin=plugin, correct_unused_bits=not apart)
    for index in indices:
        if syntax.is_encapsulated:
            _check_stream(dataset, layout, index)
        values = _next(frames, syntax, header)
        yield _value_bits(values, layout) if apart else values


def _frames_of_bits(header: Header, layout: Layout, indices: Sequence[int]) -> Iterator[np.ndarray]:
    """Frames of one bit a pixel, which begin in the middle of a byte where another has no whole bytes (PS3.5 8.1.1)."""
    element, size = header.dataset["PixelData"], layout.rows * layout.columns * layout.samples
    data = element.value
    if header.order == ">" and element.VR == "OW":
        data = np.frombuffer(data[: len(data) // 2 * 2], ">u2").astype("<u2").tobytes()
    for index in indices:
        first, rest = divmod(index * size, 8)
        packed = np.frombuffer(data[first : first + (rest + size + 7) // 8], np.uint8)
        bits = np.unpackbits(packed, bitorder="little")[rest : rest + size]
        if not 0 <= index < layout.frames or bits.size < size:
            raise SpineError(f"its frame {index} is not whole: it has {bits.size} of {size} bits; {COPY_AGAIN}")
        yield bits.reshape((layout.rows, layout.columns, layout.samples)[: 2 if layout.samples == 1 else 3])


def is_padding(stored: np.ndarray, header: Header, layout: Layout) -> np.ndarray:
    """(N,) bool of the stored values of a frame: true where one means that a pixel lies outside the image.

    That is PixelPaddingValue to PixelPaddingRangeLimit (PS3.3 C.7.5.1.1.2). Both ends belong to the range. A value
    that cannot be read is passed over with a remark, and so is a range that would take a whole picture of several
    values.
    """
    none = np.zeros(stored.shape, bool)
    if not header.has("PixelPaddingValue"):
        if header.has("PixelPaddingRangeLimit"):
            header.remark("it has a PixelPaddingRangeLimit without a PixelPaddingValue, which was passed over")
        return none
    try:
        value = header.whole("PixelPaddingValue")
        limit = header.whole("PixelPaddingRangeLimit", value)
    except SpineError as error:
        header.remark(f"{str(error).partition(';')[0]}: no pixel was taken for padding")
        return none
    low, high = sorted((_as_stored(value, layout), _as_stored(limit, layout)))
    outside = (stored >= low) & (stored <= high)
    if outside.all() and len(np.unique(stored)) > 1:
        header.remark(f"its padding from {low} to {high} would be the whole picture: no pixel was taken for padding")
        return none
    return outside


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
            raise SpineError(f"{keyword} is {header.quote(keyword)}, which no picture here can have; {REPAIR}")
    photometric = header.text("PhotometricInterpretation")
    if (photometric in _ONE_SAMPLE) != (layout.samples == 1) or not photometric:
        stated = f"PhotometricInterpretation is {photometric!r} and SamplesPerPixel {layout.samples}"
        raise SpineError(f"{stated}, which do not go together; {REPAIR}")


def _check_budget(layout: Layout, frames: int) -> None:
    """One frame is in memory several times while it is decoded, all frames once, on their way into the dataset."""
    for count, size in ((1, _COPIES * layout.frame_bytes), (frames, frames * layout.frame_bytes)):
        check_bytes(size, f"its {count} x {layout.rows} x {layout.columns} pixels")


def _cleaned(header: Header, layout: Layout) -> Dataset:
    """A shallow copy of the dataset whose header says of its pixels what was read of it, in the VR it should have."""
    dataset = Dataset(header.dataset)
    dataset.file_meta = header.dataset.file_meta
    for keyword, value in {
        "Rows": layout.rows,
        "Columns": layout.columns,
        "SamplesPerPixel": layout.samples,
        "BitsAllocated": layout.allocated,
        "BitsStored": layout.stored,
        "HighBit": layout.high,
        "PixelRepresentation": int(layout.signed),
    }.items():
        dataset.add_new(keyword, "US", value)
    dataset.add_new("NumberOfFrames", "IS", layout.frames)
    dataset.add_new("PhotometricInterpretation", "CS", header.text("PhotometricInterpretation"))
    return dataset


def _is_apart(syntax: UID, layout: Layout) -> bool:
    """Whether values lie elsewhere than in the low bits of their words, as only codecs of whole words can have them."""
    whole_words = not syntax.is_encapsulated or syntax == RLELossless
    return whole_words and layout.high != layout.stored - 1 and layout.samples == 1


def _value_bits(words: np.ndarray, layout: Layout) -> np.ndarray:
    """The values in the bits up to `high` of words; a right shift of a signed type extends the sign."""
    return (words << (layout.allocated - 1 - layout.high)) >> (layout.allocated - layout.stored)


def _check_stream(dataset: Dataset, layout: Layout, index: int) -> None:
    try:
        stream = get_frame(dataset.PixelData, index, number_of_frames=layout.frames)
    except Exception:  # the decoder says what is wrong with it
        return
    check_codestream(stream, (layout.rows, layout.columns, layout.samples), layout.frame_bytes, layout.allocated)
    if dataset.file_meta.TransferSyntaxUID in _PILLOW:
        decode_stream(stream, Path("its compressed pixel data"))  # only to hear whether it holds


def _next(frames: Iterator[np.ndarray], syntax: UID, header: Header) -> np.ndarray:
    try:
        with caught_warnings() as remarks, _listening(syntax) as heard:
            values = next(frames)
    except Exception as error:  # each codec fails in its own way
        reason = f"the {syntax.name} pixel data cannot be decoded ({brief(str(error))})"
        raise SpineError(f"{reason}; {_AGAIN}") from error
    if filled := [line for line in heard if _FILLED.search(line)]:
        raise SpineError(f"its compressed pixel data is damaged or truncated ({brief(filled[0])}); {_AGAIN}")
    for told in (*heard, *(str(remark.message) for remark in remarks)):
        header.remark(f"its decoder says: {told}")
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _listening(syntax: UID) -> AbstractContextManager[list[str]]:
    return complaints() if syntax.is_encapsulated else nullcontext([])


def _as_stored(value: int, layout: Layout) -> int:
    """The value with the sign of the pixels, whichever of US and SS the file writes it as."""
    word = value % 2**layout.allocated
    return word - 2**layout.allocated if layout.signed and word >= 2 ** (layout.allocated - 1) else word
