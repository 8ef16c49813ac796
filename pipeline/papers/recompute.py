"""What printed numbers imply: confusion matrices, exact tests, relations between rates. Pure functions of numbers.

Percentages are as printed, such as 89.87; a number is printed to so many digits, rounded or cut off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from spine.metrics.statistics import mcnemar

__all__ = [
    *("Matrix", "background_iou", "balanced_shares", "dice_loss_floor", "dice_of_iou", "exact_interval"),
    *("least_units", "matrices", "mcnemar_bounds", "mean", "positives", "prints_as", "rate_after"),
]


@dataclass(frozen=True)
class Matrix:
    """Units of two classes: positives found and missed, negatives left alone and called positive."""

    found: int
    missed: int
    left: int
    called: int

    @property
    def percents(self) -> dict[str, float]:
        """The rates of the matrix in percent, by how papers call them; NaN where one divides by 0."""
        positives, negatives = self.found + self.missed, self.left + self.called
        shares = {
            "accuracy": (self.found + self.left, positives + negatives),
            "recall": (self.found, positives),
            "specificity": (self.left, negatives),
            "precision": (self.found, self.found + self.called),
            "f1": (2 * self.found, 2 * self.found + self.missed + self.called),
        }
        return {name: 100 * part / whole if whole else np.nan for name, (part, whole) in shares.items()}

    @property
    def wrong(self) -> int:
        """Units of the wrong class."""
        return self.missed + self.called


def prints_as(value: float, printed: float, digits: int = 2) -> bool:
    """Whether a value is printed so, to that many digits after the point: rounded, or cut off."""
    return abs(value - printed) < 10**-digits


def matrices(percents: Mapping[str, float], units: int, positives: int) -> list[Matrix]:
    """The matrices of so many units and positives whose rates are printed as these `percents`."""
    negatives = units - positives
    found = [k for k in range(positives + 1) if prints_as(100 * k / positives, percents["recall"])]
    left = [k for k in range(negatives + 1) if prints_as(100 * k / negatives, percents["specificity"])]
    tried = (Matrix(tp, positives - tp, tn, negatives - tn) for tp, tn in product(found, left))
    return [one for one in tried if all(prints_as(one.percents[name], value) for name, value in percents.items())]


def positives(rows: Sequence[Mapping[str, float]], units: int) -> list[int]:
    """How many of the units may be positive, so that every row of percentages has a matrix."""
    return [count for count in range(1, units) if all(matrices(row, units, count) for row in rows)]


def least_units(values: Sequence[float], most: int = 10_000, scale: float = 100, digits: int = 2) -> int | None:
    """The least n of which every value is a share k/n times `scale`, as printed; None where `most` has none."""
    for units in range(1, most + 1):
        nearest = (scale * round(value * units / scale) / units for value in values)
        if all(abs(near - value) <= 0.5 * 10**-digits + 1e-12 for near, value in zip(nearest, values, strict=True)):
            return units
    return None


def mcnemar_bounds(first: int, second: int, units: int) -> tuple[float, float]:
    """The least and the greatest exact McNemar p of two models that err on so many of the units each.

    Papers print how often each errs, not how often both do.
    """
    shared = range(max(0, first + second - units), min(first, second) + 1)
    found = [_mcnemar(first, second, both, units) for both in shared]
    return min(found), max(found)


def _mcnemar(first: int, second: int, both: int, units: int) -> float:
    places = np.arange(units)
    wrong_first = places < first
    wrong_second = (places >= first - both) & (places < first - both + second)
    return mcnemar(np.zeros(units, int), wrong_first.astype(int), wrong_second.astype(int)).p


def exact_interval(found: int, units: int) -> tuple[float, float]:
    """The exact 95 % interval of a share, in percent (Clopper and Pearson 1934)."""
    from scipy.stats import binomtest

    interval = binomtest(found, units).proportion_ci(method="exact")
    return 100 * interval.low, 100 * interval.high


def mean(values: Sequence[float]) -> float:
    """The mean."""
    return float(np.mean(values))


def dice_of_iou(iou: float) -> float:
    """The Dice of one class, in percent, of its IoU in percent: 2 IoU / (1 + IoU).

    It curves downwards: the mean Dice of several classes is below that of their mean IoU.
    """
    return 200 * iou / (100 + iou)


def background_iou(mean_iou: float, foreground: Sequence[float]) -> float:
    """The background's IoU that makes the mean over all classes of it and the foreground's."""
    return mean_iou * (len(foreground) + 1) - sum(foreground)


def balanced_shares(weights: Sequence[float]) -> list[float]:
    """Each class's share of the units, where class weights are units / (classes times the class's units)."""
    return [1 / (len(weights) * weight) for weight in weights]


def dice_loss_floor(weight: float) -> float:
    """What segmentation_models' DiceLoss gives a perfect prediction: 1 less the mean of weight times Dice, Dice 1."""
    return 1 - weight * 1.0


def rate_after(rate: float, gamma: float, step: float, epochs: float) -> float:
    """The learning rate in the last epoch, where it falls by `gamma` every `step` epochs."""
    return rate * gamma ** ((epochs - 1) // step)
