"""What an epoch's line in history.csv tells of masks: Dice and IoU over the foreground, whose pixels are counted once.

At the training size, where the padding has no truth and is not counted; reports measure at the images' own.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

__all__ = ["DiceForeground", "IoUForeground", "foreground_mean"]

Tensor = Any


def foreground_mean(ratios: Tensor, sums: Tensor) -> Tensor:
    """The mean of the ratios (C,) over the classes but the first that occur, whose sums (C,) are above 0; 0 of none."""
    occurs = ops.cast(sums[1:] > 0, "float32")
    return ops.sum(occurs * ratios[1:]) / ops.maximum(ops.sum(occurs), 1)


class DiceForeground(keras.metrics.Metric):
    """`dice_foreground`: argmax masks' pixels counted over the whole epoch, then the mean over foreground classes.

    2 both / (truth + predicted) of each class but the first, the mean over those that occur in either.
    """

    def __init__(self, classes: int, name: str = "dice_foreground") -> None:
        super().__init__(name=name, dtype="float32")
        self.both, self.sums = (
            self.add_weight(shape=(classes,), initializer="zeros", dtype="int32", name=name)
            for name in ("both", "sums")
        )

    def update_state(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None) -> None:
        """Count the pixels of one-hot truth and probabilities (N, H, W, C); further answers may lie behind those.

        A mixed pixel is of the class of its greatest share.
        """
        y_pred = y_pred[..., : y_true.shape[-1]]
        known = ops.cast(ops.sum(y_true, axis=-1, keepdims=True) > 0.5, "int32")
        truth = known * ops.one_hot(ops.argmax(y_true, axis=-1), y_true.shape[-1], dtype="int32")
        predicted = known * ops.one_hot(ops.argmax(y_pred, axis=-1), truth.shape[-1], dtype="int32")
        self.both.assign_add(ops.sum(truth * predicted, axis=(0, 1, 2)))
        self.sums.assign_add(ops.sum(truth + predicted, axis=(0, 1, 2)))

    def result(self) -> Tensor:
        """The mean over foreground classes; 0 where none occurs."""
        both, sums = (ops.cast(count, "float32") for count in (self.both, self.sums))
        return foreground_mean(2 * both / ops.maximum(sums, 1), sums)

    def reset_state(self) -> None:
        """Count from nothing."""
        for count in (self.both, self.sums):
            count.assign(ops.zeros(count.shape, count.dtype))


class IoUForeground(keras.metrics.Metric):
    """`iou_foreground` of the pixels that a `DiceForeground` has counted: nothing is counted twice.

    both / (truth + predicted - both) of each class but the first, the mean over those that occur in either.
    """

    def __init__(self, dice: DiceForeground, name: str = "iou_foreground") -> None:
        super().__init__(name=name, dtype="float32")
        self.counts = lambda: (dice.both, dice.sums)  # Keras would take a metric for a part of this one

    def update_state(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None) -> None:
        """Nothing: the Dice counts."""

    def result(self) -> Tensor:
        """The mean over foreground classes; 0 where none occurs."""
        both, sums = (ops.cast(count, "float32") for count in self.counts())
        return foreground_mean(both / ops.maximum(sums - both, 1), sums)
