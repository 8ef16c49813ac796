"""Loss and accuracy of one head among several, where a sample without a value of its target has a row of zeros.

The rows of the truth are one-hot, times what they count: the loss is linear in them, and a row of zeros adds nothing to
the loss, nor to the gradient.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

__all__ = ["LOSS", "LabelledAccuracy", "LabelledLoss", "masked_cross_entropy"]

Tensor = Any
LOSS = "cross_entropy"  # of a head, as Keras' log has it


def masked_cross_entropy(truth: Tensor, probabilities: Tensor) -> Tensor:
    """sum(-truth ln(probabilities)) (N,) of truth (N, C) that is not negative, its rows of any sum."""
    counts = ops.sum(truth, axis=-1, keepdims=True)
    # The kernel of the softmax' gradient takes each row for a distribution: rows of zeros get one, and count 0.
    shares = ops.where(counts > 0, truth / ops.where(counts > 0, counts, 1), 1 / truth.shape[-1])
    return counts[:, 0] * keras.losses.categorical_crossentropy(shares, probabilities)


class LabelledAccuracy(keras.metrics.Mean):
    """The share of the rows that have a value whose most probable class is the true one."""

    def __init__(self, name: str = "accuracy") -> None:
        super().__init__(name=name)

    def update_state(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None) -> None:
        """Count the rows of truth and probabilities (N, C)."""
        right = ops.equal(ops.argmax(y_true, axis=-1), ops.argmax(y_pred, axis=-1))
        super().update_state(right, sample_weight=ops.cast(ops.sum(y_true, axis=-1) > 0, "float32"))


class LabelledLoss(keras.metrics.Mean):
    """The mean over all rows of `masked_cross_entropy`, whatever the sizes of the batches."""

    def __init__(self, name: str = LOSS) -> None:
        super().__init__(name=name)

    def update_state(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None) -> None:
        """Count the rows of truth and probabilities (N, C)."""
        super().update_state(masked_cross_entropy(y_true, y_pred))
