"""Arrays and TensorFlow's TensorProto, which says how large it is before it is believed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.server.refusals import invalid
from pipeline.server.servable import Inputs
from spine.core.problems import brief

__all__ = ["MAX_BYTES", "from_protos", "to_proto"]

MAX_BYTES = 2**28  # of one tensor: a message of one number may state that it is repeated a billion times


def from_protos(protos: Mapping[str, Any]) -> Inputs:
    """Arrays of TensorProtos by name; Refusal where one is not whole, or would take more than MAX_BYTES."""
    return {name: _array(name, protos[name]) for name in protos}


def to_proto(array: np.ndarray) -> Any:
    """The TensorProto of an array."""
    import tensorflow as tf

    return tf.make_tensor_proto(array)


def _array(name: str, proto: Any) -> np.ndarray:
    import tensorflow as tf

    sizes = [dim.size for dim in proto.tensor_shape.dim]
    if proto.tensor_shape.unknown_rank or any(size < 0 for size in sizes):
        raise invalid(f"input {name!r} states no whole shape: {sizes}")
    try:
        width = max(tf.dtypes.as_dtype(proto.dtype).size or 8, 1)
        if math.prod(sizes) * width > MAX_BYTES or len(sizes) > 32:
            raise invalid(f"input {name!r} of shape {sizes} would take more than {MAX_BYTES:,} bytes")
        array = np.asarray(tf.make_ndarray(proto))
    except (TypeError, ValueError, KeyError, OverflowError, MemoryError, IndexError) as error:
        raise invalid(f"input {name!r} is no tensor that can be read: {brief(str(error))}") from None
    if array.shape != tuple(sizes):
        raise invalid(f"input {name!r} holds values of shape {list(array.shape)} and states {sizes}")
    return array
