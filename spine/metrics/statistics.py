"""How sure a number is: bootstrap over patients, exact McNemar, DeLong, Wilcoxon.

Discs of one patient are alike, so a patient, not a disc, is what the bootstrap draws. McNemar and DeLong treat every
scored unit as independent: where a patient contributes many, their p-values are too small, and the interval over
patients is the one to lean on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spine.core.problems import SpineError

__all__ = [
    "DeLong",
    "Interval",
    "McNemar",
    "Wilcoxon",
    "delong",
    "delong_covariance",
    "interval",
    "mcnemar",
    "patient_resamples",
    "wilcoxon",
]


@dataclass(frozen=True)
class Interval:
    """A value with its percentile interval.

    Resamples in which the statistic is undefined (AUC without a positive, say) are left out and counted in
    `undefined`, which is the same as drawing again until it is defined. Bounds are NaN where none is defined, or
    where there are fewer than two patients to draw.
    """

    value: float
    low: float
    high: float
    undefined: int = 0

    @property
    def excludes_zero(self) -> bool:
        """Both bounds lie on one side of 0; never so where they are NaN."""
        return self.low > 0 or self.high < 0


def patient_resamples(patients: Sequence[str] | np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """How often each unit counts in each resample, (R, U): patients are drawn with replacement, with all their units.

    `patients` (U,) names each unit's patient. The same seed gives the same draws, so that rows are compared on the
    same resamples. (The cluster bootstrap: Field and Welsh 2007.)
    """
    names, patient_of = np.unique(np.asarray(patients), return_inverse=True)
    draws = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), resamples)
    return draws[:, patient_of].astype(np.float64)


def interval(statistic: Callable[[np.ndarray], Any], draws: np.ndarray, confidence: float = 0.95) -> Interval:
    """Percentile interval of a statistic of unit weights: (..., U) -> (...), as `spine.metrics` functions are.

    For a paired difference let the statistic be the difference of two models' metrics on the same weights.
    """
    value = float(statistic(np.ones(draws.shape[-1])))
    found = np.asarray(statistic(draws))
    defined = found[np.isfinite(found)]
    undefined = len(found) - len(defined)
    if not len(defined) or not (draws != 1).any():  # one patient is drawn alike every time
        return Interval(value, np.nan, np.nan, undefined)
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(value, float(low), float(high), undefined)


@dataclass(frozen=True)
class McNemar:
    """Units that only the first or only the second model has right, and the exact two-sided p."""

    only_first: int
    only_second: int
    p: float


def mcnemar(truth: np.ndarray, first: np.ndarray, second: np.ndarray) -> McNemar:
    """Exact McNemar test of two models' predicted classes (N,): binomial with 1/2 over the units they differ on.

    p is 1 where they differ on none. Units are taken as independent. (McNemar 1947.)
    """
    from scipy.stats import binomtest

    truth, first, second = np.asarray(truth), np.asarray(first), np.asarray(second)
    if not truth.shape == first.shape == second.shape or truth.ndim != 1:
        raise SpineError(f"truth is {truth.shape}, the classes {first.shape} and {second.shape}; give (N,) thrice")
    only_first = int(((first == truth) & (second != truth)).sum())
    only_second = int(((first != truth) & (second == truth)).sum())
    differing = only_first + only_second
    p = float(binomtest(only_first, differing, 0.5).pvalue) if differing else 1.0
    return McNemar(only_first, only_second, p)


@dataclass(frozen=True)
class DeLong:
    """The AUC of two models on the same units, their difference (first minus second), its z and two-sided p."""

    first: float
    second: float
    difference: float
    z: float
    p: float


def delong(truth: np.ndarray, first: np.ndarray, second: np.ndarray) -> DeLong:
    """Paired test of two AUCs (DeLong, DeLong and Clarke-Pearson 1988); truth (N,) is 1 for positive, scores (N,).

    The difference needs two positives and two negatives. Where its estimated variance is 0, p is 1 for a difference
    of 0 and NaN, undefined, for any other.
    """
    from scipy.stats import norm

    areas, covariance = delong_covariance(truth, np.stack([first, second]))
    difference = float(areas[0] - areas[1])
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    if np.isclose(variance, 0, atol=1e-15):
        z = 0.0 if np.isclose(difference, 0) else np.nan
    else:
        z = difference / float(np.sqrt(variance))
    return DeLong(float(areas[0]), float(areas[1]), difference, z, float(2 * norm.sf(abs(z))))


def delong_covariance(truth: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Areas (M,) of scores (M, N) and their covariance (M, M), from mid-ranks (Sun and Xu 2014)."""
    from scipy.stats import rankdata

    positive = np.asarray(truth) == 1
    m, n = int(positive.sum()), int((~positive).sum())
    if scores.shape[-1] != len(positive) or min(m, n) < 2:
        raise SpineError(
            f"DeLong received {m} positives, {n} negatives and scores {scores.shape}; it needs two of each"
        )
    ranks = rankdata(scores, axis=1)
    above = (ranks[:, positive] - rankdata(scores[:, positive], axis=1)) / n  # of a positive: negatives below it
    below = 1 - (ranks[:, ~positive] - rankdata(scores[:, ~positive], axis=1)) / m  # of a negative: positives above
    return above.mean(axis=1), np.atleast_2d(np.cov(above)) / m + np.atleast_2d(np.cov(below)) / n


@dataclass(frozen=True)
class Wilcoxon:
    """How many pairs differ, in how many the first is higher, and the two-sided p of the signed ranks."""

    differing: int
    higher: int
    p: float


def wilcoxon(first: np.ndarray, second: np.ndarray) -> Wilcoxon:
    """Signed-rank test of paired values (N,), one pair a patient, such as a patient's mean Dice by two models.

    Pairs with a NaN are left out, and so are equal ones; p is 1 where no pair differs. (Wilcoxon 1945.)
    """
    from scipy import stats

    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if first.shape != second.shape or first.ndim != 1:
        raise SpineError(f"the paired values are {first.shape} and {second.shape}; give (N,) twice")
    differences = first - second
    differences = differences[np.isfinite(differences) & (differences != 0)]
    p = float(stats.wilcoxon(differences).pvalue) if len(differences) else 1.0
    return Wilcoxon(len(differences), int((differences > 0).sum()), p)
