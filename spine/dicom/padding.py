"""Pixels outside the image, by their stored value: PixelPaddingValue to PixelPaddingRangeLimit (PS3.3 C.7.5.1.1.2)."""

from __future__ import annotations

import numpy as np

from spine.dicom.stored import Layout
from spine.dicom.values import Header
from spine.problems import SpineError

__all__ = ["is_padding"]


def is_padding(stored: np.ndarray, header: Header, layout: Layout) -> np.ndarray:
    """(N,) bool of the stored values of a frame: true where one means that a pixel lies outside the image.

    Both ends belong to the range. A value that cannot be read is passed over with a remark, and so is a range that
    would take a whole picture of several values.
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


def _as_stored(value: int, layout: Layout) -> int:
    """The value with the sign of the pixels, whichever of US and SS the file writes it as."""
    word = value % 2**layout.allocated
    return word - 2**layout.allocated if layout.signed and word >= 2 ** (layout.allocated - 1) else word
