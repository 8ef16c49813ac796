"""Segmentation metrics from counts: how many pixels of each class are right, called so, and truly so.

The counts (N, C, 3) of N images and C classes, background first, are all that these metrics need to know: true
positives, predicted pixels, true pixels. They add up over images, so a set, a batch and a stream agree.

    dice = 2 TP / (predicted + true)    iou = TP / (predicted + true - TP)
    precision = TP / predicted          recall = TP / true

A rate is NaN where its denominator is 0: dice and IoU of a class that occurs in neither truth nor prediction. Means
leave such classes out; one that occurs in only one of the two counts as 0. Names say the rest: `foreground` is the mean
over all classes but the background, `all` over all; pooled counts every pixel of the set alike, `per_image` is the mean
over images of each image's own mean.

Every function takes `weights`, how often each image counts: (R, N) multiplicities give (R, ...) values, one a resample
of a bootstrap, at the price of a matrix product. Without weights, counts may have leading axes: (..., N, C, 3).
"""

from __future__ import annotations

from functools import partial

import numpy as np

from spine.core.problems import SpineError
from spine.metrics.rates import Score, Weights, mean_of_defined, ratio
from spine.metrics.table import Metric, MetricTable

__all__ = [
    "METRICS",
    "RATES",
    "count",
    "counts_of",
    "dice",
    "iou",
    "mean_over_images",
    "mean_over_pixels",
    "pixel_accuracy",
    "precision",
    "recall",
]


def count(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts (C, 3) int64 of one image: true positives, predicted, true pixels of each class.

    `truth` and `predicted` are class indices of one shape; SpineError where they are not.
    """
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    if truth.shape != predicted.shape or truth.dtype.kind not in "iu" or predicted.dtype.kind not in "iu":
        raise SpineError(
            f"truth is {truth.dtype} {truth.shape}, predicted {predicted.dtype} {predicted.shape}; give class indices "
            "of one shape"
        )
    for name, mask in (("truth", truth), ("predicted", predicted)):
        if mask.size and (mask.min() < 0 or mask.max() >= classes):
            raise SpineError(f"{name} lies in {mask.min()}..{mask.max()}; {classes} classes end at {classes - 1}")
    cells = truth.ravel().astype(np.int64) * classes + predicted.ravel()
    return counts_of(np.bincount(cells, minlength=classes * classes).reshape(classes, classes))


def counts_of(confusion: np.ndarray) -> np.ndarray:
    """Counts (..., C, 3) of confusion matrices (..., C, C), rows true and columns predicted classes."""
    right = np.diagonal(confusion, axis1=-2, axis2=-1)
    return np.stack([right, confusion.sum(axis=-2), confusion.sum(axis=-1)], axis=-1)


def dice(counts: np.ndarray, weights: Weights = None) -> np.ndarray:
    """Dice of each class (..., C), pixels pooled over the images."""
    return _dice(_pooled(counts, weights))


def iou(counts: np.ndarray, weights: Weights = None) -> np.ndarray:
    """Intersection over union of each class (..., C), pixels pooled over the images."""
    return _iou(_pooled(counts, weights))


def precision(counts: np.ndarray, weights: Weights = None) -> np.ndarray:
    """Share of the pixels called a class that are of it (..., C), pooled; NaN for a class that is never called."""
    right, called, _ = _columns(_pooled(counts, weights))
    return ratio(right, called)


def recall(counts: np.ndarray, weights: Weights = None) -> np.ndarray:
    """Share of the pixels of a class that are called so (..., C), pooled; NaN for a class that does not occur."""
    right, _, true = _columns(_pooled(counts, weights))
    return ratio(right, true)


def pixel_accuracy(counts: np.ndarray, weights: Weights = None) -> Score:
    """Share of all pixels, background included, whose class is right."""
    right, _, true = _columns(_pooled(counts, weights))
    return ratio(right.sum(axis=-1), true.sum(axis=-1))


def mean_over_pixels(counts: np.ndarray, weights: Weights = None, *, rate: str = "dice", first: int = 1) -> Score:
    """Mean of a rate over the classes from `first` on that occur in truth or prediction, pixels pooled over images."""
    return mean_of_defined(RATES[rate](_pooled(counts, weights))[..., first:])


def mean_over_images(counts: np.ndarray, weights: Weights = None, *, rate: str = "dice", first: int = 1) -> Score:
    """Mean over images of the mean of a rate over the classes from `first` on that the image's truth or prediction has.

    An image in which none of them occurs is left out.
    """
    values = mean_of_defined(RATES[rate](_checked(counts))[..., first:])
    if weights is None:
        return mean_of_defined(values)
    defined = ~np.isnan(values)
    return ratio(weights @ np.where(defined, values, 0), weights @ defined)


def _dice(counts: np.ndarray) -> np.ndarray:
    right, called, true = _columns(counts)
    return ratio(2 * right, called + true)


def _iou(counts: np.ndarray) -> np.ndarray:
    right, called, true = _columns(counts)
    return ratio(right, called + true - right)


RATES = {"dice": _dice, "iou": _iou}

_rising = partial(Metric, rises=True)
METRICS = MetricTable(
    {
        "dice_foreground": _rising(partial(mean_over_pixels, rate="dice", first=1), True, "foreground Dice"),
        "iou_foreground": _rising(partial(mean_over_pixels, rate="iou", first=1), True, "foreground IoU"),
        "dice_foreground_per_image": _rising(
            partial(mean_over_images, rate="dice", first=1), True, "foreground Dice, mean over images"
        ),
        "iou_foreground_per_image": _rising(
            partial(mean_over_images, rate="iou", first=1), True, "foreground IoU, mean over images"
        ),
        "dice_all": _rising(partial(mean_over_pixels, rate="dice", first=0), True, "Dice with background"),
        "iou_all": _rising(partial(mean_over_pixels, rate="iou", first=0), True, "IoU with background"),
        "dice_all_per_image": _rising(
            partial(mean_over_images, rate="dice", first=0), True, "Dice with background, mean over images"
        ),
        "iou_all_per_image": _rising(
            partial(mean_over_images, rate="iou", first=0), True, "IoU with background, mean over images"
        ),
        "pixel_accuracy": _rising(pixel_accuracy, True, "pixel accuracy"),
    },
    headline="dice_foreground",
    searched="dice_foreground",
    undefined={
        **dict.fromkeys(("dice", "iou"), "no pixel is of it, in truth or prediction"),
        "precision": "no pixel is called so",
        "recall": "no pixel is truly so",
        "hausdorff_95_mm": "no image with a known spacing has both outlines",
        "surface_dice": "no image with a known spacing has an outline",
    },
)


def _checked(counts: np.ndarray) -> np.ndarray:
    counts = np.asarray(counts)
    if counts.ndim < 3 or counts.shape[-1] != 3 or counts.shape[-2] < 2 or not counts.shape[-3]:
        raise SpineError(f"counts is {counts.shape}; give (N, C, 3), N >= 1 images and C >= 2 classes")
    return counts


def _pooled(counts: np.ndarray, weights: Weights) -> np.ndarray:
    counts = _checked(counts)
    return counts.sum(axis=-3) if weights is None else np.tensordot(weights, counts, axes=(-1, 0))


def _columns(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return counts[..., 0], counts[..., 1], counts[..., 2]
