"""The orientation in which a picture was drawn: EXIF's tag 0x0112, which is TIFF's 274."""

from __future__ import annotations

import numpy as np

from spine.core.problems import SpineError
from spine.images.decoders.tags import directories

__all__ = ["ORIENTATION", "orientation_of_exif", "upright", "upright_size"]

ORIENTATION = 274


def orientation_of_exif(block: bytes) -> int:
    """The orientation, 1 to 8, that an EXIF block states ("Exif" or not, then a TIFF); 1 where it states none.

    EXIF is a side matter that many programs break: what cannot be read of it turns nothing.
    """
    try:
        (first, *_) = directories(block.removeprefix(b"Exif\0\0"), "EXIF", most=1)
        return _valid_or_upright(first.number(ORIENTATION, 1))
    except (SpineError, ValueError):
        return 1


def upright(samples: np.ndarray, orientation: int) -> np.ndarray:
    """(H, W) or (H, W, C) samples as they are to be seen, a view; TIFF 6.0 names where row and column 0 lie.

    1 top left, 2 top right, 3 bottom right, 4 bottom left; 5 left top, 6 right top, 7 right bottom, 8 left bottom,
    where rows are columns. Any other number turns nothing.
    """
    orientation = _valid_or_upright(orientation)
    if orientation in (5, 6, 7, 8):
        samples = samples.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    return samples[:, ::-1] if orientation in (2, 3, 6, 7) else samples


def upright_size(height: int, width: int, orientation: int) -> tuple[int, int]:
    """Height and width of a picture once it is upright."""
    return (width, height) if orientation in (5, 6, 7, 8) else (height, width)


def _valid_or_upright(orientation: int) -> int:
    return orientation if orientation in range(1, 9) else 1
