"""The one fusion rule, the same functions on NumPy arrays in the search and on tensors in the exported graph.

Members' probabilities, each sharpened or softened by its temperature where it has one, are averaged by weight. Where
every class has weights of its own, the result is divided by its sum, so that it is probabilities again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from spine.core.problems import SpineError

__all__ = ["Mean", "Share", "normalised", "tempered", "weighted_mean", "without_zeros"]

Share = float | tuple[float, ...]  # a member's weight, or one for each class
SMALLEST = 1e-36  # added to every class before a division: where all are 0, each is as likely; float32 has no less


@dataclass(frozen=True)
class Mean:
    """The weighted mean of some members; call it with their probabilities (..., C), in order, arrays or tensors.

    `weights` has a number a member, or for each member one a class; `temperatures` a number a member, or nothing.
    """

    weights: tuple[Share, ...]
    temperatures: tuple[float, ...] = ()

    @property
    def per_class(self) -> bool:
        """Whether every class has weights of its own."""
        return not isinstance(self.weights[0], (int, float))

    def __call__(self, outputs: Sequence[Any]) -> Any:
        """The fused probabilities (..., C); SpineError where there are not as many outputs as weights."""
        if self.temperatures:
            outputs = [tempered(output, value) for output, value in zip(outputs, self.temperatures, strict=True)]
        total = weighted_mean(outputs, self.weights)
        return normalised(total) if self.per_class else total


def weighted_mean(outputs: Sequence[Any], weights: Sequence[Any]) -> Any:
    """Sum of weight times output, members in order; only `+` and `*`, so arrays and tensors alike.

    Outputs share one shape (..., C). A weight is a number, or what broadcasts against an output, such as one a class.
    The caller normalises the weights. SpineError on unequal lengths or none.
    """
    if len(outputs) != len(weights) or not len(outputs):
        raise SpineError(
            f"{len(outputs)} outputs and {len(weights)} weights; give each member one weight, and at least one"
        )
    total = outputs[0] * weights[0]
    for output, weight in zip(outputs[1:], weights[1:], strict=True):
        total = total + output * weight
    return total


def tempered(output: Any, temperature: float) -> Any:
    """Probabilities (..., C) to the power 1/temperature, normalised: below 1 they grow surer, above 1 less sure.

    What dividing the logits does (Guo et al., ICML 2017), of a member that gives probabilities only.
    """
    powers = (output / _largest(output)) ** (1 / temperature)
    return powers / sum(_classes(powers))


def normalised(values: Any) -> Any:
    """Non-negative values (..., C) divided by their sum over classes."""
    values = values + SMALLEST
    return values / sum(_classes(values))


def _largest(values: Any) -> Any:
    """The largest of non-negative values (..., C) over classes, (..., 1), by operators alone.

    Its logarithm is what a log-softmax subtracts: the power of the likeliest class is then 1, however many others share
    the probability, and never lost to rounding. A last digit more or less cancels in the division by the sum.
    """
    return reduce(lambda one, other: (one + other + abs(one - other)) / 2, _classes(values))


def _classes(values: Any) -> list[Any]:
    return [values[..., number : number + 1] for number in range(values.shape[-1])]


def without_zeros(weights: Mapping[str, float]) -> dict[str, float]:
    """The members that count, in order: those of weight 0 are dropped before fusion, in the search as in the export."""
    return {name: float(weight) for name, weight in weights.items() if weight > 0}
