"""A predict answer as JSON, by rows (`predictions`) or columns (`outputs`), as TF Serving's json_tensor.cc does."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
from grpc import StatusCode

from pipeline.server.refusals import Refusal, invalid
from pipeline.server.servable import Outputs

__all__ = ["encode", "shortest"]

_AT_ONCE = 2**16  # numbers


def encode(outputs: Outputs, by_row: bool, most: int) -> bytes:
    """The body of an answer; Refusal where it would hold more than `most` numbers, or its rows are not even.

    Bytes are base64 objects where the output's name ends in `_bytes`, else text. A real number has as few digits as
    lead back to it. Of one output its name is left out.
    """
    if (count := sum(value.size for value in outputs.values())) > most:
        raise Refusal(
            StatusCode.OUT_OF_RANGE,
            f"the answer holds {count:,} numbers, and {most:,} are written as JSON; ask by gRPC, or for fewer or "
            "smaller pictures",
        )
    columns = {name: outputs[name] for name in sorted(outputs)}
    if not by_row:
        return f'{{"outputs": {_together(columns)}}}'.encode("ascii")
    rows = (_together({name: value[row, ...] for name, value in columns.items()}) for row in range(_rows(columns)))
    return f'{{"predictions": [{", ".join(rows)}]}}'.encode("ascii")


def shortest(values: np.ndarray) -> np.ndarray:
    """float64 of float32 values such that each, written in full, has 6 significant digits where these lead back to
    it, else 9: 0.2 and not 0.20000000298023224.
    """
    exact = wide = values.astype(np.float64)
    with np.errstate(all="ignore"):
        magnitude = np.floor(np.log10(np.abs(wide)))
        for digits in (9, 6):
            scale = 10.0 ** (digits - 1 - magnitude)
            rounded = np.rint(wide * scale) / scale
            exact = np.where(rounded.astype(np.float32) == values, rounded, exact)
    return exact


def _rows(columns: Outputs) -> int:
    count = None
    for name, value in columns.items():
        if value.ndim == 0:
            raise invalid(f"Tensor name: {name} has no shape information ")
        if count not in (None, len(value)):
            raise invalid(f"Tensor name: {name} has inconsistent batch size: {len(value)} expecting: {count}")
        count = len(value)
    return count or 0


def _together(values: Outputs) -> str:
    texts = {name: _text(value, name.endswith("_bytes")) for name, value in values.items()}
    if len(texts) == 1:
        return next(iter(texts.values()))
    return f"{{{', '.join(f'{json.dumps(name)}: {text}' for name, text in texts.items())}}}"


def _text(value: np.ndarray, as_bytes: bool) -> str:
    """The JSON of an array; of a large one part by part, as lists of numbers are ten times larger than arrays."""
    if value.ndim > 1 and value.size > _AT_ONCE:
        return f"[{', '.join(_text(part, as_bytes) for part in value)}]"
    if value.dtype == object:
        return json.dumps(_each(value.tolist(), as_bytes))
    if value.dtype.kind not in "biu" and value.dtype != np.float64:  # bfloat16 is of kind V
        value = shortest(value.astype(np.float32))
    return json.dumps(value.tolist())


def _each(value: Any, as_bytes: bool) -> Any:
    if isinstance(value, list):
        return [_each(one, as_bytes) for one in value]
    if as_bytes:
        return {"b64": base64.b64encode(value).decode("ascii")}
    return value.decode("utf-8", "replace")
