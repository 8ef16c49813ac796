"""Tracing graphs without AutoGraph."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

__all__ = ["without_autograph"]

P = ParamSpec("P")
R = TypeVar("R")


def without_autograph(function: Callable[P, R]) -> Callable[P, R]:
    """`function` as TensorFlow traces it without rewriting it, and all that it calls.

    AutoGraph rewrites Python for the sake of code that branches or loops on tensors. It takes seconds of each process,
    of a detector most, and no code here needs it: such code raises while it is traced.
    """
    import tensorflow as tf

    traced: Callable[P, R] = tf.autograph.experimental.do_not_convert(function)
    return traced
