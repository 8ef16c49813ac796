"""What a served model says of its signatures: the outputs of each, with dtype and shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spine.core.problems import SpineError

__all__ = ["Inputs", "Output", "Served", "wanted_outputs"]

Inputs = Mapping[str, Sequence[bytes] | np.ndarray]  # of a signature, by name: files or texts, or float32

_DTYPES: Mapping[str, Any] = {
    "DT_FLOAT": np.float32,
    "DT_DOUBLE": np.float64,
    "DT_HALF": np.float16,
    "DT_INT32": np.int32,
    "DT_INT64": np.int64,
    "DT_UINT8": np.uint8,
    "DT_BOOL": np.bool_,
    "DT_STRING": np.object_,
}
_MAPS = ("probabilities", "probabilities_members")  # (N, H, W, C) and more: the answer needs the mask alone


@dataclass(frozen=True)
class Output:
    """`dtype` by TensorFlow's name; -1 in `shape` is an axis of any length, None a shape that is not known."""

    dtype: str
    shape: tuple[int, ...] | None

    def array(self, value: Any, name: str) -> np.ndarray:
        """The array of nested lists, as JSON has them; SpineError where they are none of this output.

        Lists without numbers do not tell the length of the axes behind them: those are the signature's.
        """
        if self.dtype not in _DTYPES:
            raise SpineError(f"the output {name} is of {self.dtype}, which this client does not read")
        try:
            array: np.ndarray = np.array(value, _DTYPES[self.dtype])
        except (ValueError, TypeError, OverflowError):
            raise SpineError(
                f"the output {name} is no array of {self.dtype}; see what answers at this address"
            ) from None
        if array.size or self.shape is None or array.ndim >= len(self.shape):
            return array
        return array.reshape(*array.shape, *(max(length, 0) for length in self.shape[array.ndim :]))


@dataclass(frozen=True)
class Served:
    """A version of a model, and the outputs of its signatures by name."""

    version: int
    signatures: Mapping[str, Mapping[str, Output]]


def wanted_outputs(outputs: Mapping[str, Output]) -> tuple[str, ...]:
    """Those of a signature that an answer is made of: a map of probabilities is left where a mask tells its classes."""
    if "mask" not in outputs:
        return tuple(outputs)
    return tuple(name for name in outputs if name not in _MAPS)
