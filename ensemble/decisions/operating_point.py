"""From which probability on a picture is decided positive, and how sure the sensitivity of that is.

The lower bound of a sensitivity is the exact binomial one (Clopper and Pearson 1934), of as many positive units as
those at hand are worth: units of one patient are alike, so that n of them count as n / (1 + (n - 1) rho) (Kish 1965;
for diagnostic tests Genders et al., Radiology 2012). rho, how alike, is the intraclass correlation of the ranks of the
positive units' probabilities, which does not depend on the threshold. A bootstrap over patients would call a
sensitivity of 1 certain, whether 5 patients show it or 500.

So the bound never rises with the threshold. Going up from the lowest threshold to the last whose bound holds then tests
in a fixed sequence, and the bound holds for the chosen one too (Angelopoulos et al., "Learn then test", 2021).
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from ensemble.results.decisions import OperatingPoint

__all__ = ["Kind", "choose_operating_point", "fewest_positives", "sensitivity_bound", "units_worth"]

Kind = Literal["sensitivity", "cost", "youden"]
BEYOND = 1.001  # a threshold that no probability reaches


def choose_operating_point(
    kind: Kind,
    asked: float | None,
    probability: np.ndarray,
    positive: np.ndarray,
    patients: np.ndarray,
    confidence: float,
) -> OperatingPoint:
    """The threshold of the positive label's probability (U,), from units of both labels.

    - "sensitivity": the highest whose bound is at least `asked`; where none is, the one of the highest bound.
    - "cost": that of the least cost on these units, `asked` being what a missed positive costs in false alarms.
    - "youden": that of the highest sensitivity + specificity (Youden 1950).

    Among equally cheap ones, and equally high ones, the lowest: it misses the fewest.
    """
    thresholds = _between(probability)
    found = _at_or_above(probability[positive], thresholds)
    alarms = _at_or_above(probability[~positive], thresholds)
    sensitivity, specificity = found / positive.sum(), 1 - alarms / (~positive).sum()
    worth = units_worth(probability[positive], patients[positive])
    bounds = sensitivity_bound(sensitivity, worth, confidence)
    if kind == "sensitivity":
        assert asked is not None
        enough = np.flatnonzero(bounds >= min(asked, bounds.max()))
        best = int(enough[-1])
    elif kind == "cost":
        assert asked is not None
        best = int(np.argmin(asked * (positive.sum() - found) + alarms))
    else:
        best = int(np.argmax(found * (~positive).sum() - alarms * positive.sum()))  # in whole numbers: ties are ties
    return OperatingPoint(
        kind=kind,
        asked=asked,
        threshold=float(thresholds[best]),
        bound=float(bounds[best]),
        confidence=confidence,
        positives=int(positive.sum()),
        worth=worth,
        sensitivity=float(sensitivity[best]),
        specificity=float(specificity[best]),
        reached=bool(bounds[best] >= asked) if kind == "sensitivity" else None,
    )


def units_worth(probability: np.ndarray, patients: np.ndarray) -> float:
    """How many independent units these are worth, by their probabilities (U,) and patients (U,).

    From the number of units, if those of a patient are no more alike than others, to about that of patients.
    """
    counts = np.unique(patients, return_counts=True)[1]
    alike = _alike(probability, patients)
    return float(counts.sum() ** 2 / (counts * (1 + (counts - 1) * alike)).sum())


def sensitivity_bound(share: np.ndarray, number: float, confidence: float) -> np.ndarray:
    """The one-sided lower bound of shares seen in so many units, which need not be whole."""
    from scipy.stats import beta

    found = share * number
    with np.errstate(invalid="ignore"):
        return np.where(found > 0, beta.ppf(1 - confidence, found, number - found + 1), 0.0)


def fewest_positives(sensitivity: float, confidence: float) -> int:
    """With how many independent positive units the bound reaches a sensitivity, if none is missed."""
    return int(np.ceil(np.log(1 - confidence) / np.log(sensitivity) - 1e-9))


def _alike(probability: np.ndarray, patients: np.ndarray) -> float:
    """The intraclass correlation of ranks, 0 to 1, by one-way analysis of variance; 1 where that tells nothing."""
    from scipy.stats import rankdata

    ranks = rankdata(probability)
    _, patient_of, counts = np.unique(patients, return_inverse=True, return_counts=True)
    units, groups = len(ranks), len(counts)
    if groups < 2 or units == groups:
        return 1.0
    means = np.bincount(patient_of, ranks) / counts
    between = (counts * (means - ranks.mean()) ** 2).sum() / (groups - 1)
    inside = ((ranks - means[patient_of]) ** 2).sum() / (units - groups)
    size = (units - (counts**2).sum() / units) / (groups - 1)  # of a patient, as far as they differ in size
    total = between + (size - 1) * inside
    return float(np.clip((between - inside) / total, 0, 1)) if total > 0 else 1.0


def _between(probability: np.ndarray) -> np.ndarray:
    """Rising thresholds, one for each way to part the units: halfway between two probabilities, where rounding of the
    served float32 moves no unit across.
    """
    known = np.unique(probability)
    last = (known[-1] + 1) / 2 if known[-1] < 1 else BEYOND
    return np.concatenate([[known[0] / 2], (known[:-1] + known[1:]) / 2, [last]])


def _at_or_above(probability: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    return len(probability) - np.searchsorted(np.sort(probability), thresholds, side="left")
