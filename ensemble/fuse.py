"""The one fusion rule, the same function on NumPy arrays in the search and on tensors in the exported graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spine.problems import SpineError

__all__ = ["weighted_mean", "without_zeros"]


def weighted_mean(outputs: Sequence[Any], weights: Sequence[float]) -> Any:
    """Sum of weight times output, members in order; only `+` and `*`, so arrays and tensors alike.

    Outputs share one shape (..., C). The caller normalises the weights. SpineError on unequal lengths or none.
    """
    if len(outputs) != len(weights) or not len(outputs):
        raise SpineError(
            f"{len(outputs)} outputs and {len(weights)} weights; give each member one weight, and at least one"
        )
    total = outputs[0] * weights[0]
    for output, weight in zip(outputs[1:], weights[1:], strict=True):
        total = total + output * weight
    return total


def without_zeros(weights: Mapping[str, float]) -> dict[str, float]:
    """The members that count, in order: those of weight 0 are dropped before fusion, in the search as in the export."""
    return {name: float(weight) for name, weight in weights.items() if weight > 0}
