"""Losses of a segmentation, each a pure function of (N, H, W, C) and a thin Keras class; classes add up and scale.

`truth` is one-hot, `probabilities` are a softmax's, both over the last axis. A pixel whose truth is 0 in every class
has none, such as a letterbox's padding, and costs nothing. All is counted in float32, also under mixed precision.
`Dice() + 0.5 * Focal()` is a Keras loss like its terms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from segmentation import algebra
from segmentation.config import Settings

__all__ = [
    "CrossEntropy",
    "Dice",
    "Focal",
    "Loss",
    "PaperDice",
    "cross_entropy",
    "dice",
    "dice_scores",
    "focal",
    "from_settings",
    "paper_dice",
]

Tensor = Any
TINY = 1e-30  # the least probability whose logarithm is taken: with it even a pixel that is far off has a gradient
EPSILON = 1e-7  # what is not divided by, nor raised to a power below 1, where it is less
SMOOTH = 1e-5  # pixels that are added to both sides of a Dice ratio


def dice_scores(truth: Tensor, probabilities: Tensor) -> Tensor:
    """Soft Dice of each class (C,), its pixels pooled over the batch: 2 sum(t p) / (sum(t) + sum(p)).

    Pooled, not a mean over images: a few pixels of a class in one image weigh as pixels, not as an image. A class
    that is in neither scores 1.
    """
    truth, probabilities = _float32(truth), _known(truth) * _float32(probabilities)
    axes = tuple(range(len(probabilities.shape) - 1))
    both = ops.sum(truth * probabilities, axis=axes)
    known = ops.sum(truth, axis=-1, keepdims=True)
    either = ops.sum(truth, axis=axes) + ops.sum(known * probabilities, axis=axes)
    return (2 * both + SMOOTH) / (either + SMOOTH)


def dice(truth: Tensor, probabilities: Tensor, class_weights: Sequence[float] | None = None) -> Tensor:
    """One minus the mean of the classes' soft Dice, weighted by `class_weights` (C,) over their sum; a scalar.

    0 for a perfect prediction, whatever the weights. A class that the batch's truth does not hold is left out of the
    mean: its Dice would be nearly 0 for any softmax, however good, and have next to no gradient. What is taken for it
    is missing from the class it belongs to, and costs there.
    """
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
    scores = dice_scores(truth, probabilities)
    return 1 - ops.mean(_weights(class_weights, scores) * scores)


def focal(truth: Tensor, probabilities: Tensor, gamma: float = 2.0, alpha: float = 0.25) -> Tensor:
    """Categorical focal loss, the mean over pixels of -alpha (1 - p)^gamma log p, p that of the true class; a scalar.

    Lin et al. 2017, equation 5.
    """
    of_truth = ops.sum(_float32(truth) * _float32(probabilities), axis=-1, keepdims=True)
    off = ops.maximum(1 - of_truth, EPSILON)
    costs = -alpha * off**gamma * ops.log(ops.maximum(of_truth, TINY))
    known = _known(truth)
    return ops.sum(known * costs) / ops.maximum(ops.sum(known), 1)


def cross_entropy(truth: Tensor, probabilities: Tensor) -> Tensor:
    """Categorical cross-entropy, the mean over pixels of -log p, p that of the true class; a scalar."""
    return focal(truth, probabilities, gamma=0.0, alpha=1.0)


def _float32(tensor: Tensor) -> Tensor:
    return ops.cast(tensor, "float32")


def _known(truth: Tensor) -> Tensor:
    return ops.max(_float32(truth), axis=-1, keepdims=True)


def _weights(class_weights: Sequence[float] | None, scores: Tensor) -> Tensor:
    if class_weights is None:
        return ops.ones_like(scores)
    if len(class_weights) != scores.shape[0]:
        raise ValueError(f"class_weights has {len(class_weights)} of {scores.shape[0]} classes; give one for each")
    return ops.convert_to_tensor(class_weights, "float32")


class Loss(keras.losses.Loss):
    """A loss that adds to others and scales: `Dice() + 0.5 * Focal()`."""

    def __add__(self, other: Loss) -> Loss:
        return Sum((self, other))

    def __mul__(self, weight: float) -> Loss:
        return Scaled(self, weight)

    __rmul__ = __mul__


class Sum(Loss):
    """The sum of losses."""

    def __init__(self, terms: Sequence[Loss]) -> None:
        super().__init__(name="_plus_".join(term.name for term in terms))
        self.terms = tuple(terms)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Each term, added."""
        return sum(term.call(y_true, y_pred) for term in self.terms)


class Scaled(Loss):
    """A loss times a number."""

    def __init__(self, term: Loss, weight: float) -> None:
        super().__init__(name=term.name)
        self.term, self.weight = term, weight

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """The term, scaled."""
        return self.weight * self.term.call(y_true, y_pred)


class Dice(Loss):
    """`dice` for Keras."""

    def __init__(self, class_weights: Sequence[float] | None = None) -> None:
        super().__init__(name="dice")
        self.class_weights = class_weights

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """See `dice`."""
        return dice(y_true, y_pred, self.class_weights)


class PaperDice(Dice):
    """`paper_dice` for Keras."""

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """See `paper_dice`."""
        return paper_dice(y_true, y_pred, self.class_weights)


class Focal(Loss):
    """`focal` for Keras."""

    def __init__(self, gamma: float = 2.0, alpha: float = 0.25) -> None:
        super().__init__(name="focal")
        self.gamma, self.alpha = gamma, alpha

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """See `focal`."""
        return focal(y_true, y_pred, self.gamma, self.alpha)


class CrossEntropy(Loss):
    """`cross_entropy` for Keras."""

    def __init__(self) -> None:
        super().__init__(name="cross_entropy")

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """See `cross_entropy`."""
        return cross_entropy(y_true, y_pred)


def from_settings(settings: Settings, labels: tuple[str, ...]) -> Loss:
    """The loss that the settings write as algebra; SpineError where `class_weights` does not fit the labels."""
    weights = settings.weight_of_classes(labels)
    of_name: dict[str, Callable[[], Loss]] = {
        "dice": lambda: Dice(weights),
        "paper_dice": lambda: PaperDice(weights),
        "focal": lambda: Focal(settings.gamma, settings.alpha),
        "cross_entropy": CrossEntropy,
    }
    terms = [of_name[term.name]() * term.weight for term in algebra.parse(settings.loss)]
    return Sum(terms)
