"""One version of a model in memory: its signatures, and what they answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from grpc import StatusCode

from pipeline.server.refusals import Refusal, as_refusals

__all__ = ["DEFAULT", "Inputs", "Outputs", "Servable", "Signature"]

DEFAULT = "serving_default"
Inputs = Mapping[str, np.ndarray]  # by name; what is a string in TensorFlow is an array of bytes objects
Outputs = Mapping[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Signature:
    """A signature of a SavedModel: the TensorInfo of each input and output by name, and the `function` that runs it."""

    name: str
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    function: Any

    @property
    def is_batched(self) -> bool:
        """Whether the first axis of every input and output is free: rows of several requests may go together."""
        several = [*self.inputs.values(), *self.outputs.values()]
        return all(_first_is_free(info.tensor_shape) for info in several)

    def __call__(self, inputs: Inputs) -> Outputs:
        """What the model answers; Refusal where it cannot."""
        import tensorflow as tf

        with as_refusals():
            tensors = {name: tf.constant(_plain(value), self.dtype_of(name)) for name, value in inputs.items()}
            return {name: _array(value.numpy()) for name, value in self.function(**tensors).items()}

    def dtype_of(self, name: str) -> Any:
        """The tf.DType of an input."""
        import tensorflow as tf

        return tf.dtypes.as_dtype(self.inputs[name].dtype)


@dataclass(frozen=True, eq=False)
class Servable:
    """A loaded version of a model. `definitions` are all SignatureDefs of its SavedModel by name."""

    name: str
    version: int
    signatures: Mapping[str, Signature]
    definitions: Mapping[str, Any] = field(repr=False)

    @classmethod
    def load(cls, name: str, path: Path) -> Servable:
        """Load the SavedModel in `path`, which is named by its version's number; whoever calls has asked for its seal.

        Raises whatever TensorFlow raises of a damaged one.
        """
        import tensorflow as tf

        definitions = _definitions(path)
        functions = tf.saved_model.load(str(path)).signatures
        signatures = {
            # As dicts: to ask a map of protobuf's for what it has not adds it.
            name: Signature(name, dict(definitions[name].inputs), dict(definitions[name].outputs), functions[name])
            for name in functions
        }
        return cls(name, int(path.name), signatures, definitions)

    def signature(self, name: str, code: StatusCode = StatusCode.INVALID_ARGUMENT) -> Signature:
        """A signature by name, "" for the default; Refusal where there is none, in the words of the API that asks."""
        name = name or DEFAULT
        if name in self.signatures:
            return self.signatures[name]
        if code == StatusCode.INVALID_ARGUMENT:
            raise Refusal(code, f'Serving signature name: "{name}" not found in signature def')
        raise Refusal(code, f'Serving signature key "{name}" not found.')


def _definitions(path: Path) -> dict[str, Any]:
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    kept = {}
    for name, definition in saved.meta_graphs[0].signature_def.items():
        kept[name] = type(definition)()
        kept[name].CopyFrom(definition)  # not a view, which would keep the graph in memory
    return kept


def _first_is_free(shape: Any) -> bool:
    return bool(shape.unknown_rank or (shape.dim and shape.dim[0].size < 0))


def _array(value: Any) -> np.ndarray:
    """An array of what a tensor gives; NumPy would cut zeros off the end of a single string."""
    if not isinstance(value, bytes):
        return np.asarray(value)
    array = np.empty((), object)
    array[()] = value
    return array


def _plain(value: np.ndarray) -> Any:
    return value.tolist() if value.dtype == object else value
