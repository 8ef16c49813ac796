"""One decoded picture as its file stores it, and what its samples mean: grey levels, or class indices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import DTypeLike

__all__ = ["LUMA", "Raster"]

LUMA = (0.299, 0.587, 0.114)  # red, green and blue in grey, as ITU-R BT.601 weighs them
_EXACT = (np.uint8, np.uint16)  # types whose luma OpenCV rounds as everyone does
_BLOCK = 2**20  # pixels that are turned at once
Colour = Literal["grey", "palette", "rgb", "cmyk"]


@dataclass(frozen=True)
class Raster:
    """An upright picture: `samples` (H, W), or (H, W, C) in the order red, green, blue, as stored at `bits` each.

    `palette` (N, 3) holds the colours 0..255 of a palette's indices. With `inverted`, 0 is white. `alpha` (H, W), where
    there is one, changes no grey level; masks may be drawn in it.
    """

    samples: np.ndarray
    bits: int
    colour: Colour = "grey"
    palette: np.ndarray | None = None
    inverted: bool = False
    alpha: np.ndarray | None = None

    @property
    def grey(self) -> np.ndarray:
        """(H, W) grey levels in which large is bright, of the samples' own type; 1, 2 and 4 bits spread over 0..255."""
        if self.palette is not None:
            # An index that has no colour is black, as in libpng.
            table = np.zeros((max(len(self.palette), 2**self.bits), 3), np.uint8)
            table[: len(self.palette)] = self.palette
            return _by_rows(_luma, table[None], np.uint8)[0][self.samples]
        if self.colour == "cmyk":
            return _by_rows(self._without_ink, self.samples, self.samples.dtype)
        if self.colour == "rgb":
            return _by_rows(_luma, self.samples, self.samples.dtype if self.samples.dtype in _EXACT else np.float64)
        spread = self._turned
        return spread * np.uint8(255 // (2**self.bits - 1)) if self.bits in (1, 2, 4) else spread

    @property
    def numbers(self) -> np.ndarray:
        """(H, W[, C]) samples as numbers, alpha last: a palette's indices, 1, 2 and 4 bits not spread."""
        return self._turned if self.alpha is None else np.dstack([self._turned, self.alpha])

    @property
    def _turned(self) -> np.ndarray:
        if not self.inverted:
            return self.samples
        kind = self.samples.dtype.kind
        if kind == "u":
            return self.samples.dtype.type(2**self.bits - 1) - self.samples
        return ~self.samples if kind == "i" else -self.samples

    def _without_ink(self, inks: np.ndarray) -> np.ndarray:
        """Grey levels of cyan, magenta, yellow and black, of which 0 is none."""
        top = 2**self.bits - 1
        light = (top - inks[..., 3:4].astype(np.float32)) / top
        return np.rint(_luma((top - inks[..., :3]) * light))


def _by_rows(turn: Callable[[np.ndarray], np.ndarray], samples: np.ndarray, dtype: DTypeLike) -> np.ndarray:
    """`turn` of (H, W, C) samples as (H, W), some rows at a time: what lies between takes many times their memory."""
    grey = np.empty(samples.shape[:2], dtype)
    step = max(1, _BLOCK // samples.shape[1])
    for first in range(0, len(samples), step):
        grey[first : first + step] = turn(samples[first : first + step])
    return grey


def _luma(colour: np.ndarray) -> np.ndarray:
    """Luma of ITU-R BT.601 (as JPEG and OpenCV have it); equal channels keep their value exactly."""
    if (colour[..., 0] == colour[..., 1]).all() and (colour[..., 1] == colour[..., 2]).all():
        return colour[..., 0]
    if colour.dtype in _EXACT:
        return cv2.cvtColor(np.ascontiguousarray(colour), cv2.COLOR_RGB2GRAY)
    return colour.astype(np.float64) @ LUMA
