"""A predict answer as JSON, by rows (`predictions`) or columns (`outputs`), as TF Serving's json_tensor.cc does."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np

from pipeline.server.refusals import Refusal, invalid
from pipeline.server.servable import Outputs

__all__ = ["encode", "shortest"]


def encode(outputs: Outputs, by_row: bool, most: int) -> bytes:
    """The body of an answer; Refusal where it would hold more than `most` numbers, or its rows are not even.

    Bytes are base64 objects where the output's name ends in `_bytes`, else text. A real number has as few digits as
    lead back to it. Of one output its name is left out.
    """
    from grpc import StatusCode

    if (count := sum(value.size for value in outputs.values())) > most:
        raise Refusal(
            StatusCode.OUT_OF_RANGE,
            f"the answer holds {count:,} numbers, and {most:,} are written as JSON; ask by gRPC, or for fewer or "
            "smaller pictures",
        )
    columns = {name: _plain(name, outputs[name]) for name in sorted(outputs)}
    if by_row:
        return _dumped({"predictions": _rows(columns, outputs)})
    return _dumped({"outputs": columns if len(columns) > 1 else next(iter(columns.values()))})


def shortest(values: np.ndarray) -> np.ndarray:
    """float64 of float32 values such that each, written in full, has 6 significant digits where these lead back to
    it, else 9: 0.2 and not 0.20000000298023224.
    """
    exact = values.astype(np.float64)
    with np.errstate(all="ignore"):
        magnitude = np.floor(np.log10(np.abs(exact)))
        for digits in (9, 6):
            scale = 10.0 ** (digits - 1 - magnitude)
            rounded = np.rint(values.astype(np.float64) * scale) / scale
            exact = np.where(rounded.astype(np.float32) == values, rounded, exact)
    return exact


def _rows(columns: dict[str, Any], outputs: Outputs) -> list[Any]:
    count = None
    for name in columns:
        if outputs[name].ndim == 0:
            raise invalid(f"Tensor name: {name} has no shape information ")
        if count not in (None, len(outputs[name])):
            raise invalid(f"Tensor name: {name} has inconsistent batch size: {len(outputs[name])} expecting: {count}")
        count = len(outputs[name])
    if len(columns) == 1:
        return list(next(iter(columns.values())))
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _plain(name: str, value: np.ndarray) -> Any:
    if value.dtype == object:
        as_bytes = name.endswith("_bytes")
        return _each(value.tolist(), as_bytes)
    if value.dtype == np.float32:
        return shortest(value).tolist()
    if value.dtype.kind in "fV":  # bfloat16 is of kind V
        return value.astype(np.float32).astype(np.float64).tolist() if value.itemsize < 4 else value.tolist()
    return value.tolist()


def _each(value: Any, as_bytes: bool) -> Any:
    if isinstance(value, list):
        return [_each(one, as_bytes) for one in value]
    if as_bytes:
        return {"b64": base64.b64encode(value).decode("ascii")}
    return value.decode("utf-8", "replace")


def _dumped(answer: dict[str, Any]) -> bytes:
    return json.dumps(answer).encode("ascii")
