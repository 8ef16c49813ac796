"""One JSON value as an array of a signature's type; what is wrong with it in the words of TF Serving."""

from __future__ import annotations

import base64
import binascii
import json
from contextlib import suppress
from typing import Any

import numpy as np

from pipeline.server.refusals import Refusal, invalid
from spine.core.problems import brief

__all__ = ["as_json", "decode_base64", "is_base64", "to_array"]

_AXES = 32  # of a tensor, at most
_SHOWN = 120  # letters of a value that an error repeats
_KINDS = {"float16": "f", "float32": "f", "float64": "f"}  # of NumPy; whole numbers are "i", truths "b"
_EXACT = {"float32": 2**24 - 1, "float64": 2**53 - 1}  # the largest whole number that each holds, with all below


def to_array(value: Any, dtype: Any) -> np.ndarray:
    """A number, text or base64 object, or a list of lists of them, as an array of a tf.DType.

    Refusal where one is of another type, the lists are not even, or a number does not fit.
    """
    try:
        return _strings(value) if dtype.name == "string" else _numbers(value, dtype)
    except RecursionError:
        raise invalid("the lists are nested too deeply") from None


def is_base64(value: Any) -> bool:
    """Whether a value is `{"b64": "..."}` and nothing more."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def decode_base64(value: Any) -> bytes:
    """The bytes of `{"b64": "..."}`; white space and missing padding are borne, as absl::Base64Unescape does."""
    if not is_base64(value):
        raise invalid(f"JSON Value: {as_json(value)} not formatted correctly for base64 data")
    text = "".join(value["b64"].split()).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise invalid("Unable to base64 decode") from None


def as_json(value: Any) -> str:
    """A value as an error tells it: the beginning of it, which is all that is written of a large one."""
    text = ""
    with suppress(RecursionError):
        for piece in json.JSONEncoder().iterencode(value):
            text += piece
            if len(text) > _SHOWN:
                break
    return brief(text, _SHOWN)


def _numbers(value: Any, dtype: Any) -> np.ndarray:
    try:
        array = np.array(value)
    except (ValueError, OverflowError):  # uneven lists
        array = np.array(None)
    kinds = "if" if _KINDS.get(dtype.name) == "f" else "b" if dtype.name == "bool" else "i"
    if array.dtype.kind.replace("u", "i") not in kinds and array.size:
        raise _why_not(value, dtype, _shape_of(value), 0)
    _require_fits(array, dtype)
    return array.astype(dtype.as_numpy_dtype)


def _require_fits(array: np.ndarray, dtype: Any) -> None:
    if not array.size or dtype.name == "bool":
        return
    if dtype.is_integer:
        if array.min() < dtype.min or array.max() > dtype.max:
            raise _type_error(int(array.max() if array.max() > dtype.max else array.min()), dtype)
        return
    size = np.abs(array.astype(np.float64))
    limit = _EXACT.get(dtype.name, 2**11) if array.dtype.kind in "iu" else float(np.finfo(dtype.as_numpy_dtype).max)
    if (lossy := np.isfinite(size) & (size > limit)).any():
        target = {"float64": "double", "float32": "float"}.get(dtype.name, dtype.name)
        first = as_json(array[lossy].ravel()[0].item())
        raise invalid(f"Cannot convert JSON value: {first} to {target} without loss of precision.")


def _strings(value: Any) -> np.ndarray:
    shape = _shape_of(value)
    if len(shape) > _AXES:
        raise RecursionError
    flat: list[bytes] = []
    _gather(value, shape, 0, flat)
    array = np.empty(len(flat), object)
    array[:] = flat
    return array.reshape(shape)


def _gather(value: Any, shape: list[int], level: int, flat: list[bytes]) -> None:
    """Append the strings of a value; `shape` is told by its first elements."""
    _require_even(value, shape, level)
    if isinstance(value, list):
        for one in value:
            _gather(one, shape, level + 1, flat)
    elif isinstance(value, dict):
        flat.append(decode_base64(value))
    elif isinstance(value, str):
        flat.append(value.encode("utf-8", "surrogatepass"))
    else:
        raise invalid(f"JSON Value: {as_json(value)} Type: {_type_of(value)} is not of expected type: string")


def _require_even(value: Any, shape: list[int], level: int) -> None:
    rank = len(shape)
    if not isinstance(value, list):
        if level != rank:
            raise invalid(
                f"JSON Value: {as_json(value)} found at incorrect level: {level + 1} in the JSON DOM. Expected at "
                f"level: {rank}"
            )
    elif level >= rank:
        raise invalid(f"Encountered list at unexpected level: {level} expected < {rank}")
    elif len(value) != shape[level]:
        raise invalid(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        )


def _why_not(value: Any, dtype: Any, shape: list[int], level: int) -> Refusal:
    """What of a value, which is no even array of numbers, is wrong first."""
    try:
        _require_even(value, shape, level)
    except Refusal as refusal:
        return refusal
    if not isinstance(value, list):
        return _type_error(value, dtype)
    wrong = next((one for one in value if not _is_good(one, dtype, shape, level + 1)), value)
    return _why_not(wrong, dtype, shape, level + 1)


def _is_good(value: Any, dtype: Any, shape: list[int], level: int) -> bool:
    if isinstance(value, list):
        return (
            level < len(shape)
            and len(value) == shape[level]
            and all(_is_good(one, dtype, shape, level + 1) for one in value)
        )
    wanted = (int, float) if _KINDS.get(dtype.name) == "f" else bool if dtype.name == "bool" else int
    return level == len(shape) and isinstance(value, wanted) and (isinstance(value, bool) == (dtype.name == "bool"))


def _type_error(value: Any, dtype: Any) -> Refusal:
    return invalid(f"JSON Value: {as_json(value)} Type: {_type_of(value)} is not of expected type: {_told(dtype)}")


def _told(dtype: Any) -> str:
    """A type as TensorFlow's DataTypeString has it."""
    return {"float32": "float", "float64": "double"}.get(dtype.name, dtype.name)


def _shape_of(value: Any) -> list[int]:
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        if not value:
            break
        value = value[0]
    return shape


def _type_of(value: Any) -> str:
    """As rapidjson calls it."""
    if isinstance(value, bool):
        return str(value)
    kinds = {dict: "Object", list: "Array", str: "String", int: "Number", float: "Number", type(None): "Null"}
    return kinds[type(value)]
