"""Surface metrics of one class in one image, in mm: how far two outlines are apart.

Outlines and distances are those of `surface_distance` (Nikolov et al. 2021, "Clinically applicable segmentation of
head and neck anatomy"): an outline is made of elements between pixel centres, each with its length in mm, and the
distance of an element is that to the nearest element of the other outline.

Where a class is in neither mask, there is nothing to measure: NaN. Where it is in one only, its outline is missed
altogether: the distance is infinite, the surface distance score 0.
"""

from __future__ import annotations

import numpy as np

from spine.core.problems import SpineError
from spine.core.quiet import caught_warnings

__all__ = ["TOLERANCE", "surface_scores"]

TOLERANCE = 1.0  # mm; about the distance at which two readers draw the same outline


def surface_scores(
    truth: np.ndarray, predicted: np.ndarray, spacing: tuple[float, float], classes: int, tolerance: float = TOLERANCE
) -> np.ndarray:
    """(C - 1, 2) of class indices (H, W), `spacing` (y, x) in mm, for each foreground class.

    The 95 % Hausdorff distance in mm: the larger of the two directions' distances within which 95 % of the outline's
    length lies. The surface distance score (surface Dice): the share in [0, 1] of both outlines' length that lies
    within `tolerance` mm of the other outline.
    """
    return np.array([_scores(truth == c, predicted == c, spacing, tolerance) for c in range(1, classes)])


def _scores(
    truth: np.ndarray, predicted: np.ndarray, spacing: tuple[float, float], tolerance: float
) -> tuple[float, float]:
    from surface_distance import metrics

    truth, predicted = np.asarray(truth, dtype=bool), np.asarray(predicted, dtype=bool)
    if truth.ndim != 2 or truth.shape != predicted.shape or not min(spacing) > 0:
        raise SpineError(
            f"truth is {truth.shape}, predicted {predicted.shape}, spacing {spacing}; give two masks (H, W) and the "
            "distances of pixels along y and x in mm"
        )
    if not truth.any() or not predicted.any():
        return (np.inf, 0.0) if truth.any() or predicted.any() else (np.nan, np.nan)
    with caught_warnings():  # the library's names of SciPy's functions are old
        distances = metrics.compute_surface_distances(truth, predicted, spacing)
        hausdorff = metrics.compute_robust_hausdorff(distances, 95)
        return float(hausdorff), float(metrics.compute_surface_dice_at_tolerance(distances, tolerance))
