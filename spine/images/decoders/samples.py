"""The unpacked bytes of a TIFF page -> its samples: byte order, bit depth and predictors (TIFF 6.0, section 14)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from spine.images.decoders.strips import Packed, Piece

__all__ = ["samples_of"]

_DIFFERENCES, _FLOATING = 2, 3
_PLAIN = 1  # packing
_BLOCK = 2**22  # bits that are spread out at once


def samples_of(page: Packed, pieces: Iterable[Piece]) -> np.ndarray:
    """(height, width, channels) samples of the machine's own byte order, of the least type that holds their bits."""
    dtype = np.dtype(f"{page.kind}{_bytes(page.bits)}")
    samples = np.empty((page.height, page.width, page.channels), dtype)
    for piece in pieces:
        values = _values(page, piece.rows, dtype)
        part = samples[piece.top : piece.top + page.piece[0], piece.left : piece.left + page.piece[1]]
        part = part[..., piece.channel : piece.channel + 1] if page.planar else part
        part[...] = values[: part.shape[0], : part.shape[1]]
    return samples


def _bytes(bits: int) -> int:
    return next(size for size in (1, 2, 4, 8) if 8 * size >= bits)


def _values(page: Packed, rows: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """(rows, width, channels) of one piece."""
    shape = (len(rows), page.piece[1], page.joined)
    rows = _in_order(rows, page)
    if page.predictor == _FLOATING:
        return _floats(rows, shape, dtype)
    if page.bits % 8 or page.bits == 24:
        values = _spread(rows, page, dtype).reshape(shape)
    else:
        values = rows.view(np.dtype(page.order + dtype.str[1:])).reshape(shape).astype(dtype, copy=False)
    return np.cumsum(values, axis=1, dtype=dtype) if page.predictor == _DIFFERENCES else values


def _in_order(rows: np.ndarray, page: Packed) -> np.ndarray:
    if not page.reversed_bits or page.packing != _PLAIN:  # libtiff has put in order what it unpacked
        return rows
    return np.packbits(np.unpackbits(rows, bitorder="little")).reshape(rows.shape)


def _spread(rows: np.ndarray, page: Packed, dtype: np.dtype) -> np.ndarray:
    """(rows, width * channels) samples of any number of bits, the greatest first, rows padded to whole bytes."""
    count = page.piece[1] * page.joined
    powers = (2 ** np.arange(page.bits - 1, -1, -1)).astype(dtype)
    spread = np.empty((len(rows), count), dtype)
    step = max(1, _BLOCK // (8 * rows.shape[1]))
    for first in range(0, len(rows), step):
        bits = np.unpackbits(rows[first : first + step], axis=1, count=count * page.bits)
        np.dot(bits.reshape(-1, count, page.bits).astype(dtype), powers, out=spread[first : first + step])
    return spread


def _floats(rows: np.ndarray, shape: tuple[int, int, int], dtype: np.dtype) -> np.ndarray:
    """Adobe's floating-point predictor: bytes of one significance stand together, as differences, greatest first."""
    height, width, channels = shape
    differences = rows.reshape(height, width * dtype.itemsize, channels)
    planes = np.cumsum(differences, axis=1, dtype=np.uint8).reshape(height, dtype.itemsize, width * channels)
    ordered = np.ascontiguousarray(planes.transpose(0, 2, 1))
    return ordered.view(dtype.newbyteorder(">")).reshape(shape).astype(dtype)
