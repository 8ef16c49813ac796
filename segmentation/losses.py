"""Losses of a segmentation by name, one entry each, every one a pure function of (N, H, W, C).

`truth` is one-hot, or the classes' shares in a mixed pixel, `probabilities` are a softmax's, both over the last axis.
A pixel whose truth is 0 in every class has none, such as a letterbox's padding, and costs nothing. All is counted in
float32, also under mixed precision. Cheap to import: Keras comes in when a loss is counted. A new loss is its function
and one more entry of `LOSSES`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segmentation.config import Settings

__all__ = ["LOSSES", "Loss", "cross_entropy", "dice", "dice_scores", "focal", "paper_dice"]

Loss = Callable[[Any, Any], Any]  # of truth and probabilities, a scalar
Tensor = Any
TINY = 1e-30  # the least probability whose logarithm is taken: with it even a pixel that is far off has a gradient
EPSILON = 1e-7  # what is not divided by, nor raised to a power below 1, where it is less
SMOOTH = 1e-5  # pixels that are added to both sides of a Dice ratio


def dice_scores(truth: Tensor, probabilities: Tensor) -> Tensor:
    """Soft Dice of each class (C,), its pixels pooled over the batch: 2 sum(min(t, p)) / (sum(t) + sum(p)).

    Pooled, not a mean over images: a few pixels of a class in one image weigh as pixels, not as an image. A class
    that is in neither scores 1. The lesser of both is their product where t is 0 or 1; of shares between, as of mixed
    images, it alone is best at p = t (Wang et al. 2023, "Dice Semimetric Losses").
    """
    from keras import ops

    truth, probabilities = _float32(truth), _labelled(truth) * _float32(probabilities)
    axes = tuple(range(len(probabilities.shape) - 1))
    both = ops.sum(ops.minimum(probabilities, truth), axis=axes)
    either = ops.sum(truth, axis=axes) + ops.sum(probabilities, axis=axes)
    return (2 * both + SMOOTH) / (either + SMOOTH)


def dice(truth: Tensor, probabilities: Tensor, class_weights: Sequence[float] | None = None) -> Tensor:
    """One minus the mean of the classes' soft Dice, weighted by `class_weights` (C,) over their sum; a scalar.

    0 for a perfect prediction, whatever the weights. A class that the batch's truth does not hold is left out of the
    mean: its Dice would be nearly 0 for any softmax, however good, and have next to no gradient. What is taken for it
    is missing from the class it belongs to, and costs there.
    """
    from keras import ops

    truth = _float32(truth)
    scores = dice_scores(truth, probabilities)
    present = ops.cast(ops.any(truth > 0, axis=tuple(range(len(truth.shape) - 1))), "float32")
    weights = present * _weights(class_weights, scores)
    # All classes that are present may weigh 0: then there is nothing to learn from this batch.
    return ops.sum(weights * (1 - scores)) / ops.maximum(ops.sum(weights), EPSILON)


def paper_dice(truth: Tensor, probabilities: Tensor, class_weights: Sequence[float] | None = None) -> Tensor:
    """As Sayed et al. 2025 printed it and segmentation_models counts it: one minus the mean of weight times Dice.

    The weights are not normalised: with 0.25 for each class a perfect prediction costs 0.75.
    """
    from keras import ops

    scores = dice_scores(truth, probabilities)
    return 1 - ops.mean(_weights(class_weights, scores) * scores)


def focal(truth: Tensor, probabilities: Tensor, gamma: float = 2.0, alpha: float = 0.25) -> Tensor:
    """Categorical focal loss, the mean over pixels of -alpha (1 - p)^gamma log p, p that of the true class; a scalar.

    Lin et al. 2017, equation 5. Of a mixed pixel it is the mean over its classes, by their shares.
    """
    from keras import ops

    truth, probabilities = _float32(truth), _float32(probabilities)
    off = ops.maximum(1 - probabilities, EPSILON)
    costs = -alpha * off**gamma * ops.log(ops.maximum(probabilities, TINY))
    return ops.sum(truth * costs) / ops.maximum(ops.sum(truth), 1)


def cross_entropy(truth: Tensor, probabilities: Tensor) -> Tensor:
    """Categorical cross-entropy, the mean over pixels of -log p, p that of the true class; a scalar."""
    return focal(truth, probabilities, gamma=0.0, alpha=1.0)


def _float32(tensor: Tensor) -> Tensor:
    from keras import ops

    return ops.cast(tensor, "float32")


def _labelled(truth: Tensor) -> Tensor:
    from keras import ops

    return ops.sum(_float32(truth), axis=-1, keepdims=True)


def _weights(class_weights: Sequence[float] | None, scores: Tensor) -> Tensor:
    from keras import ops

    if class_weights is None:
        return ops.ones_like(scores)
    if len(class_weights) != scores.shape[0]:
        raise ValueError(f"class_weights has {len(class_weights)} of {scores.shape[0]} classes; give one for each")
    return ops.convert_to_tensor(class_weights, "float32")


# Name -> the loss by a member's settings and its classes' weights.
LOSSES: dict[str, Callable[[Settings, Sequence[float]], Loss]] = {
    "dice": lambda settings, weights: partial(dice, class_weights=weights),
    "paper_dice": lambda settings, weights: partial(paper_dice, class_weights=weights),
    "focal": lambda settings, weights: partial(focal, gamma=settings.gamma, alpha=settings.alpha),
    "cross_entropy": lambda settings, weights: cross_entropy,
}
