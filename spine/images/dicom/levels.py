"""The grey levels of a frame: what is done to every pixel alike is computed on the few different values that it has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from spine.images.decoders.raster import LUMA

__all__ = ["Levels", "luma"]

_BLOCK = 2**22  # pixels at a time: indices and products of a block are small beside the frame


@dataclass(frozen=True)
class Levels:
    """The different `values` (N,) of a frame of whole numbers, ascending int64, and the `counts` (N,) of pixels."""

    values: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, frame: np.ndarray) -> Levels:
        """The levels of an (H, W) array of whole numbers of at most 32 bits."""
        if frame.dtype.itemsize > 2:
            values, counts = np.unique(frame, return_counts=True)
            return cls(values.astype(np.int64), counts)
        words = _words(frame)
        counts = np.zeros(np.iinfo(words.dtype).max + 1, np.int64)
        for block in _blocks(words):
            counts += np.bincount(words[block], minlength=len(counts))
        present = np.flatnonzero(counts)
        values = present.astype(words.dtype).view(frame.dtype).astype(np.int64)
        order = np.argsort(values)
        return cls(values[order], counts[present][order])

    def paint(self, frame: np.ndarray, greys: np.ndarray) -> np.ndarray:
        """The frame with each value replaced by its grey: (N,) numbers, rounded -> (H, W) uint16."""
        greys = np.rint(greys).astype(np.uint16)
        flat = _words(frame)
        painted = np.empty(flat.shape, np.uint16)
        if frame.dtype.itemsize > 2:
            for block in _blocks(flat):
                painted[block] = greys[np.searchsorted(self.values, frame.reshape(-1)[block])]
        else:
            table = np.zeros(np.iinfo(flat.dtype).max + 1, np.uint16)
            table[self.values & (len(table) - 1)] = greys  # words of signed values are their two's complement
            for block in _blocks(flat):
                painted[block] = table[flat[block]]
        return painted.reshape(frame.shape)


def luma(colour: np.ndarray) -> np.ndarray:
    """(..., 3) red, green, blue -> (...) uint16 luma of ITU-R BT.601, rounded once.

    OpenCV's, by which pictures of other formats become grey (`spine.images.decoders.raster`), is of rounded weights: of
    eight bits it differs by a grey level in one pixel of a thousand.
    """
    flat = colour.reshape(-1, colour.shape[-1])
    grey = np.empty(len(flat), np.uint16)
    for block in _blocks(grey):
        grey[block] = np.rint(flat[block, :3] @ LUMA)
    return grey.reshape(colour.shape[:-1])


def _words(frame: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(frame).reshape(-1).view(f"u{frame.dtype.itemsize}")


def _blocks(flat: np.ndarray) -> Iterator[slice]:
    return (slice(start, start + _BLOCK) for start in range(0, len(flat), _BLOCK))
