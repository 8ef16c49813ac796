"""Floating-point pixel data of DICOM, such as parametric maps: Float and Double Float Pixel Data (PS3.3 C.7.6.24)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from pydicom import Dataset

from spine.core.problems import SpineError
from spine.images.dicom.headers import frame_count
from spine.images.dicom.values import Header
from spine.images.integrity import COPY_AGAIN, check_bytes
from spine.images.scaling import Scaling, Sixteen

__all__ = ["float_frames", "is_floating"]

# Keyword of the pixels -> of the value outside the image, and NumPy's type.
_KINDS = {
    "FloatPixelData": ("FloatPixelPaddingValue", "f4"),
    "DoubleFloatPixelData": ("DoubleFloatPixelPaddingValue", "f8"),
}


def is_floating(dataset: Dataset) -> bool:
    """Whether the pixels are real numbers."""
    return "PixelData" not in dataset and any(keyword in dataset for keyword in _KINDS)


def float_frames(header: Header, indices: Sequence[int]) -> Iterator[tuple[np.ndarray, Scaling | None, str]]:
    """(H, W) uint16 of each frame of the 0-based `indices`, the way back to its values, and a remark on them.

    All frames are scaled by the range of the whole file. Pixels outside the image are the lowest value. Raises
    SpineError, without the file's path, where the pixels are not as many as the header states.
    """
    values, outside = _values(header)
    rule = Sixteen.of((frame[~mask] for frame, mask in zip(values, outside, strict=True)), "the file")
    for index in indices:
        yield rule(np.where(outside[index], rule.low, values[index])), rule.scaling, rule.remark


def _values(header: Header) -> tuple[np.ndarray, np.ndarray]:
    """(F, H, W) values, and which of them are outside the image."""
    keyword = next(keyword for keyword in _KINDS if keyword in header.dataset)
    padding, kind = _KINDS[keyword]
    shape = (frame_count(header), header.whole("Rows"), header.whole("Columns"))
    dtype = np.dtype(header.order + kind)
    count, data = math.prod(shape) * dtype.itemsize, header.dataset[keyword].value
    check_bytes(3 * count, "the file")
    if not isinstance(data, bytes) or len(data) < count or not count:
        stored = len(data) if isinstance(data, bytes) else 0
        raise SpineError(f"{keyword} holds {stored:,} of {count:,} bytes; {COPY_AGAIN}")
    values = np.frombuffer(data, dtype, math.prod(shape)).reshape(shape).astype(kind)
    return values, _outside(values, header, padding)


def _outside(values: np.ndarray, header: Header, keyword: str) -> np.ndarray:
    """Which values the padding takes, both ends of its range among it."""
    value = _end(header, keyword)
    if value is None:
        return np.zeros(values.shape, bool)
    limit = _end(header, keyword.replace("Value", "RangeLimit"))
    low, high = np.sort(np.array([value, value if limit is None else limit], values.dtype))
    return (values >= low) & (values <= high)


def _end(header: Header, keyword: str) -> float | None:
    """An end of the padding; None where it is absent, or NaN, which is background by itself."""
    stated = header.dataset.get(keyword)
    if isinstance(stated, float) and math.isnan(stated):
        return None
    known = header.known(keyword, lambda values: len(values) == 1, "is no single value")
    return known[0] if known else None
