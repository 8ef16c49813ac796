"""Measured values -> 16 bits: as they are where they are whole numbers that fit, else scaled by their own range.

    whole numbers 0..65535          as they are
    whole numbers -32768..32767     plus a fixed 32768, so that series and volumes stay comparable
    anything else                   linearly, the lowest value 0 and the highest 65535

What is not finite is no measurement: it becomes the lowest value, the background, and is counted.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from spine.core.problems import SpineError

__all__ = ["FULL", "Scaling", "Sixteen", "shift_of"]

FULL = 65535
_SHIFT = 32768
_BLOCK = 2**20  # values that are turned at once: what lies between takes many times their memory


def shift_of(low: float, high: float, *, signed: bool) -> int | None:
    """What is added to whole numbers from `low` to `high`, which may be negative where `signed`, so that 16 bits hold
    them: 0 or a fixed 32768; None where they do not.
    """
    shift = _SHIFT if signed else 0
    return shift if low + shift >= 0 and high + shift <= FULL else None


@dataclass(frozen=True)
class Scaling:
    """How stored pixels tell the measured values: value = pixel * `scale` + `offset`."""

    scale: float
    offset: float

    def __str__(self) -> str:
        if self.scale == 1:
            return f"values shifted by {-self.offset:g}"
        return f"values scaled to 16 bits: value = pixel * {self.scale:.9g} + {self.offset:.9g}"


@dataclass(frozen=True)
class Sixteen:
    """How the values of one file, from `low` to `high`, become 16 bits; `missing` of them are not finite."""

    low: float
    high: float
    whole: bool
    missing: int = 0

    @classmethod
    def of(cls, blocks: Iterable[np.ndarray], path: Any) -> Sixteen:
        """The rule for all blocks of a file together; SpineError where no value is finite."""
        lows, highs, whole, missing = [], [], True, 0
        for block in itertools.chain.from_iterable(map(_parts, blocks)):
            if block.dtype.kind == "f" and not (finite := np.isfinite(block)).all():
                missing += int(block.size - np.count_nonzero(finite))
                block = block[finite]
            if block.size:
                lows.append(block.min())
                highs.append(block.max())
                whole = whole and (block.dtype.kind != "f" or bool((np.rint(block) == block).all()))
        if not lows:
            raise SpineError(f"{path} holds no finite value: it is all NaN or infinity; export it again")
        return cls(float(min(lows)), float(max(highs)), whole, missing)

    @property
    def scaling(self) -> Scaling | None:
        """None where pixels are the values themselves."""
        shift = shift_of(self.low, self.high, signed=self.low < 0) if self.whole else None
        if shift is not None:
            return Scaling(1.0, float(-shift)) if shift else None
        # Halved first: the range of float64 itself is no float64.
        return Scaling((self.high / 2 - self.low / 2) / FULL * 2 or 1.0, self.low)

    @property
    def remark(self) -> str:
        """What a person should know of values that are missing, "" where none are."""
        return f"{self.missing:,} values are NaN or infinity; they were taken for background" if self.missing else ""

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Values of this file, of any shape, as uint16."""
        pixels = np.empty(values.shape, np.uint16)
        for part, turned in zip(_parts(values), _parts(pixels), strict=True):
            turned[...] = self._turned(part)
        return pixels

    def _turned(self, values: np.ndarray) -> np.ndarray:
        if values.dtype.kind == "f" and self.missing:
            values = np.where(np.isfinite(values), values, self.low)
        scaling = self.scaling
        if scaling is None:
            return values.astype(np.uint16)
        exact = values.astype(np.float64)
        return np.clip(np.rint(exact / scaling.scale - scaling.offset / scaling.scale), 0, FULL).astype(np.uint16)


def _parts(values: np.ndarray) -> Iterator[np.ndarray]:
    """Views of some rows each."""
    step = max(1, _BLOCK // max(1, values[:1].size))
    yield from (values[first : first + step] for first in range(0, len(values), step))
