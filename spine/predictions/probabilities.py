"""Are these probabilities? The one check of what classifiers and segmenters say, wherever it enters: floating-point,
finite, not negative, and a sum of 1 a row.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from spine.core.problems import SpineError

__all__ = ["SUM_TOLERANCE", "require_floats", "require_probabilities"]

SUM_TOLERANCE = 2e-3  # a float16 row of probabilities sums to 1 within a quarter of this; four decimals, within it
BLOCK = 1 << 14  # numbers in memory at a time: stored maps may be larger than memory


def require_probabilities(
    whose: str, values: np.ndarray, place: Callable[[int], str] = lambda row: f"row {row}"
) -> None:
    """SpineError unless every row of `values` (N, C) are probabilities; it names `whose` they are, and the `place`.

    Read in blocks, so that a memory map need not fit into memory.
    """
    require_floats(whose, values)
    step = max(1, BLOCK // max(1, values.shape[1]))
    for start in range(0, len(values), step):
        block = values[start : start + step]
        block = block.astype(np.float32) if block.dtype.itemsize < 4 else block  # half precision is added up slowly
        with np.errstate(all="ignore"):
            sums = block @ np.ones(values.shape[1], block.dtype)
            if not (block.min() >= 0 and (np.abs(sums - 1) <= SUM_TOLERANCE).all()):  # NaN is neither
                _refuse(whose, block, sums, lambda row, first=start: place(first + row))  # type: ignore[misc]


def require_floats(whose: str, values: np.ndarray) -> None:
    """SpineError unless the numbers are float16, float32 or float64: text, complex or whole ones are no shares."""
    if values.dtype.kind != "f" or values.dtype.itemsize > 8:
        raise SpineError(f"{whose} holds {values.dtype}; give floating-point probabilities (float16, float32, float64)")


def _refuse(whose: str, block: np.ndarray, sums: np.ndarray, place: Callable[[int], str]) -> None:
    """Raise the error of the first row that does not hold."""
    wrong = ~np.isfinite(block).all(axis=1)
    if wrong.any():
        raise SpineError(f"{whose} holds NaN or infinity, first in {place(int(wrong.argmax()))}; predict it again")
    row = int(((block < 0).any(axis=1) | (np.abs(sums - 1) > SUM_TOLERANCE)).argmax())
    raise SpineError(
        f"{whose} holds no probabilities: least value {float(block[row].min()):.4g}, {place(row)} sums to "
        f"{float(sums[row]):.4g}; give non-negative rows that sum to 1 (after the softmax, not before)"
    )
