"""A SavedModel's signature with its weights as constants: what does not depend on the picture is worked out once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from spine.core.problems import SpineError
from spine.images.decoders.complaints import complaints

__all__ = ["MOST_BYTES", "freeze"]

MOST_BYTES = 1_900_000_000  # a graph is one message of at most 2 GiB

Tensor = Any


def freeze(signatures: Sequence[Any]) -> list[Callable[..., dict[str, Tensor]]]:
    """The same functions of the same named inputs, without variables; SpineError where weights are too many.

    Batch norm goes into the convolutions before it: fewer steps, with rounding of its own.
    """
    variables = {id(variable): variable for signature in signatures for variable in signature.variables}.values()
    size = sum(math.prod(variable.shape) * variable.dtype.size for variable in variables)
    if size > MOST_BYTES:
        raise SpineError(
            f"export.frozen: the members' weights are {size / 1e9:.1f} GB, and a frozen model holds at most "
            f"{MOST_BYTES / 1e9:.1f} GB; set frozen: false, or search with max_megabytes"
        )
    with complaints():  # what TensorFlow's graph optimiser writes past its own log levels
        return [_frozen(signature) for signature in signatures]


def _frozen(signature: Any) -> Callable[..., dict[str, Tensor]]:
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    constant = convert_variables_to_constants_v2(signature, lower_control_flow=False)
    names = sorted(signature.structured_outputs)  # as TensorFlow puts the values of a dict in a row

    def answer(**inputs: Tensor) -> dict[str, Tensor]:
        return dict(zip(names, constant(**inputs), strict=True))

    return answer
