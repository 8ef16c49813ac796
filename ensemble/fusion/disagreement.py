"""How much members disagree: what the mean of their probabilities does not know, less what each of them does not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from ensemble.fusion.fuse import Mean, Share, tempered, weighted_mean

__all__ = ["disagreement"]

Tensor = Any


def disagreement(outputs: Sequence[Tensor], mean: Mean) -> Tensor:
    """H(sum w p) - sum w H(p) in bits (...), of members' probabilities (..., C), each at its temperature in the `mean`.

    0 where all say the same, at most log2 of the number of members. Lin, "Divergence measures based on the Shannon
    entropy", IEEE Transactions on Information Theory 37, 1991. Where every class has weights of its own, a member's
    is their mean.
    """
    if mean.temperatures:
        outputs = [tempered(output, value) for output, value in zip(outputs, mean.temperatures, strict=True)]
    shares = _shares(mean.weights)
    bits = _entropy(weighted_mean(outputs, shares)) - weighted_mean([_entropy(output) for output in outputs], shares)
    return tf.maximum(bits, 0.0)  # rounding may leave less than none


def _shares(weights: Sequence[Share]) -> list[float]:
    """One a member, of 1 in all."""
    single = [sum(share) / len(share) if isinstance(share, tuple) else share for share in weights]
    return [share / sum(single) for share in single]


def _entropy(probabilities: Tensor) -> Tensor:
    """In bits."""
    return -tf.reduce_sum(tf.math.xlogy(probabilities, probabilities), axis=-1) / math.log(2)
