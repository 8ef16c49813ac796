"""A predict request as JSON: rows (`instances`) or columns (`inputs`), as TF Serving's json_tensor.cc reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.server.json_values import as_json, decode_base64, is_base64, to_array
from pipeline.server.refusals import Refusal, invalid
from pipeline.server.servable import Inputs

__all__ = ["JsonRequest", "parse"]

_MOST_LISTS = 2**21  # with objects: each takes a hundred bytes, and two of the body


@dataclass(frozen=True)
class JsonRequest:
    """A request's document, of which the signature that is asked for is known, and its inputs are not yet read."""

    document: Mapping[str, Any]

    @property
    def signature_name(self) -> str:
        """As it is given; "" for the default."""
        name = self.document.get("signature_name", "")
        if not isinstance(name, str):
            raise invalid(
                f"JSON Value: {as_json(self.document)} not formatted correctly. 'signature_name' key must be a string "
                "value."
            )
        return name

    @property
    def by_row(self) -> bool:
        """Whether `instances` are given; False of `inputs`, and Refusal of neither or both."""
        rows, columns = "instances" in self.document, "inputs" in self.document
        if rows and columns:
            raise self._wrong("Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist ")
        if not rows and not columns:
            raise invalid("Missing 'inputs' or 'instances' key")
        return rows

    def inputs(self, dtypes: Mapping[str, Any]) -> Inputs:
        """The inputs as arrays, for a signature that takes those names and tf.DTypes."""
        return self._rows(dtypes) if self.by_row else self._columns(dtypes)

    def _rows(self, dtypes: Mapping[str, Any]) -> Inputs:
        instances = self.document["instances"]
        if not isinstance(instances, list):
            raise self._wrong("Excepting 'instances' to be an list/array")
        if not instances:
            raise self._wrong("No values in 'instances' array")
        if not isinstance(instances[0], dict) and len(dtypes) > 1:
            raise invalid(
                "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
                "tensorinfo_map"
            )
        if _is_row(instances[0]):
            return self._named_rows(instances, dtypes)
        for number, one in enumerate(instances):
            if _is_row(one):
                raise invalid(f"Expecting value/list but got object at item {number} of input list")
        name, dtype = next(iter(dtypes.items()))
        return {name: _stacked([_element(one, dtype, number, "") for number, one in enumerate(instances)])}

    def _named_rows(self, instances: list[Any], dtypes: Mapping[str, Any]) -> Inputs:
        columns: dict[str, list[np.ndarray]] = {name: [] for name in dtypes}
        for number, row in enumerate(instances):
            if not _is_row(row):
                raise invalid(f"Expecting object but got list at item {number} of input list")
            for name, value in row.items():
                if name not in dtypes:
                    raise _of_element(number, name, f"JSON object: does not have named input: {name}")
                columns[name].append(_element(value, dtypes[name], number, name))
            if row.keys() != dtypes.keys():
                raise invalid(
                    f"Failed to process element: {number} of 'instances' list. JSON object: {as_json(row)} keys must "
                    f"be equal to: {','.join(sorted(dtypes))}"
                )
        return {name: _stacked(values) for name, values in columns.items()}

    def _columns(self, dtypes: Mapping[str, Any]) -> Inputs:
        given = self.document["inputs"]
        if isinstance(given, dict) and not is_base64(given):
            for name in dtypes:
                if name not in given:
                    raise invalid(f"Missing named input: {name} in 'inputs' object.")
            return {name: to_array(given[name], dtype) for name, dtype in dtypes.items()}
        if len(dtypes) > 1:
            raise invalid(
                "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
                "tensorinfo_map"
            )
        name, dtype = next(iter(dtypes.items()))
        return {name: to_array(given, dtype)}

    def _wrong(self, why: str) -> Refusal:
        return invalid(f"JSON Value: {as_json(self.document)} {why}")


def parse(body: bytes) -> JsonRequest:
    """The document of a body; Refusal where it is no JSON object."""
    if not body.strip():
        raise invalid("JSON Parse error: The document is empty")
    if (count := body.count(b"[") + body.count(b"{")) > _MOST_LISTS:
        raise invalid(
            f"the body has {count:,} lists and objects, and {_MOST_LISTS:,} are read; ask by gRPC, or send files"
        )
    try:
        document = json.loads(body)
    except json.JSONDecodeError as error:
        raise invalid(f"JSON Parse error: {error.msg} at offset: {error.pos}") from None
    except UnicodeDecodeError as error:
        raise invalid(f"JSON Parse error: Invalid encoding in string. at offset: {error.start}") from None
    except RecursionError:
        raise invalid("JSON Parse error: The document is nested too deeply") from None
    except ValueError:  # of a number of thousands of digits
        raise invalid("JSON Parse error: Number too big to be stored in double.") from None
    if not isinstance(document, dict):
        raise invalid(f"JSON Value: {as_json(document)} Is not object")
    return JsonRequest(document)


def _is_row(value: Any) -> bool:
    return isinstance(value, dict) and not is_base64(value)


def _element(value: Any, dtype: Any, number: int, name: str) -> np.ndarray:
    try:
        if isinstance(value, dict) and dtype.name == "string":  # of pictures: most of all that is asked
            return _scalar(decode_base64(value))
        return to_array(value, dtype)
    except Refusal as refusal:
        raise _of_element(number, name, f"INVALID_ARGUMENT: {refusal.message}") from None


def _of_element(number: int, name: str, why: str) -> Refusal:
    key = f" key: {name}" if name else ""
    return invalid(f"Failed to process element: {number}{key} of 'instances' list. Error: {why}")


def _scalar(value: bytes) -> np.ndarray:
    array = np.empty((), object)
    array[()] = value
    return array


def _stacked(values: list[np.ndarray]) -> np.ndarray:
    for number, value in enumerate(values):
        if value.size != values[0].size:
            raise _of_element(number, "", f"Expecting tensor size: {values[0].size} but got: {value.size}")
        if value.shape != values[0].shape:
            told = [str(list(one.shape)).replace(" ", "") for one in (values[0], value)]
            raise _of_element(number, "", f"Expecting shape {told[0]} but got: {told[1]}")
    return np.stack(values)
