"""Labels in order, such as grades 1 to 5: one score and ordered thresholds between the classes, not a score a class.

The proportional-odds model (McCullagh 1980, J. R. Stat. Soc. B 42:109): P(class > k) = sigmoid(score - threshold k).
What follows of it for each class is given as class logits, so softmax, cross-entropy and Grad-CAM are as of any other.
"""

from __future__ import annotations

import math
from typing import Any

from keras import initializers, layers, ops

__all__ = ["CumulativeLogits"]

Tensor = Any
NARROWEST = 1e-4  # of the distances of thresholds: a class between two that are equal would be impossible
# Of the thresholds at first. Nearer than about 1.6, a class in the middle is nowhere the likeliest.
APART = 2.0
# Thresholds move so many times as fast as a weight: at a rate for tuning a base they would stay where they began.
FASTER = 10.0


class CumulativeLogits(layers.Layer):
    """Scores (N, 1) -> logits (N, C) of classes in order, whose softmax is the differences of P(class > k).

    The thresholds rise whatever is learned: the first is free, and each next one is a positive distance away. At first
    they are even around 0, so far apart that each class is the likeliest between its own.
    """

    def __init__(self, classes: int, **others: Any) -> None:
        super().__init__(**others)
        self.classes = classes

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """The first threshold, and what the distances are made of by softplus."""
        first = -APART * (self.classes - 2) / 2
        self.first = self.add_weight(name="first", shape=(1,), initializer=_constant(first))
        self.distances: Tensor = None
        if self.classes > 2:
            softplus_inverse = math.log(math.expm1(APART - NARROWEST))
            shape = (self.classes - 2,)
            self.distances = self.add_weight(name="distances", shape=shape, initializer=_constant(softplus_inverse))

    def call(self, scores: Tensor) -> Tensor:
        """ln P of each class, which sum to 1 without a softmax, too."""
        first = FASTER * self.first
        if self.classes == 2:
            over = scores - first
            return ops.concatenate([ops.log_sigmoid(-over), ops.log_sigmoid(over)], axis=-1)
        widths = ops.softplus(FASTER * self.distances) + NARROWEST
        thresholds = ops.concatenate([first, first + ops.cumsum(widths)])
        over = scores - thresholds  # log-odds of a class above each threshold
        above, below = ops.log_sigmoid(over), ops.log_sigmoid(-over)
        # sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(b - a)), which loses no digits far from 0
        between = above[:, :-1] + below[:, 1:] + ops.log(-ops.expm1(-widths))
        return ops.concatenate([below[:, :1], between, above[:, -1:]], axis=-1)


def _constant(value: float) -> initializers.Constant:
    """Of a threshold, in units of the weight that moves it."""
    return initializers.Constant(value / FASTER)
