"""Deep supervision: while it trains, a decoder answers at coarser levels too, and its loss is counted at each of them.

Lee et al. 2015, "Deeply-supervised nets"; in the weights of Isensee et al. 2021, "nnU-Net": each level counts half of
the next finer one, and all add up to 1. The heads of the coarser levels are no part of what is served.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import layers, ops

from segmentation.upsampling import BilinearUpsampling

__all__ = ["ANSWER", "SupervisedLoss", "with_heads", "without_heads"]

Tensor = Any
Padding = tuple[tuple[int, int], tuple[int, int]]
ANSWER = "probabilities"  # the layer that is served


def with_heads(network: keras.Model, coarse: Mapping[int, str], classes: int, padding: Padding) -> keras.Model:
    """The network with its answers at coarser levels behind its own: (N, H, W, C) -> (N, H, W, C * (1 + levels)).

    `coarse` names the layers by what their maps' sizes are smaller by; logits of each are brought to the input's size,
    and `padding` is cut off, before their softmax.
    """
    answers = [network.output]
    for scale, name in sorted(coarse.items()):
        x = layers.Conv2D(classes, 1, name=f"head{scale}_logits")(network.get_layer(name).output)
        x = BilinearUpsampling(scale, name=f"head{scale}_upsampling")(x)
        x = layers.Cropping2D(padding, name=f"head{scale}_unpad")(x)
        answers.append(layers.Softmax(dtype="float32", name=f"head{scale}")(x))
    return keras.Model(network.input, layers.Concatenate(dtype="float32", name="heads")(answers), name=network.name)


def without_heads(network: keras.Model) -> keras.Model:
    """The network that gives its own answer alone, (N, H, W, C), on the same weights."""
    return keras.Model(network.input, network.get_layer(ANSWER).output, name=network.name)


class SupervisedLoss(keras.losses.Loss):
    """A loss of one-hot truth (N, H, W, C) and of several answers (N, H, W, C * n), the finest first.

    Each answer's loss counts half of that before it, and the weights add up to 1.
    """

    def __init__(self, loss: keras.losses.Loss, name: str = "supervised") -> None:
        super().__init__(name=name)
        self.loss = loss

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """The weighted sum over the answers."""
        answers = ops.split(y_pred, y_pred.shape[-1] // y_true.shape[-1], axis=-1)
        weights = [0.5**level for level in range(len(answers))]
        costs = (weight * self.loss.call(y_true, answer) for weight, answer in zip(weights, answers, strict=True))
        return sum(costs) / sum(weights)
