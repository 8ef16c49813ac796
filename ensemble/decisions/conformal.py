"""Sets of labels that hold the true one with a stated probability: split conformal prediction by patient.

Patients are exchangeable; units of one patient are not independent. So each of n patients weighs 1/(n + 1), shared
among his units, and the last 1/(n + 1), the new patient's, lies at infinity: the set then holds the true label of a
unit of a new patient with at least the stated probability, whatever the probabilities are worth. (Lee, Barber and
Willett, "Distribution-free inference with hierarchical data", 2023; Dunn, Wasserman and Ramdas, "Distribution-free
prediction sets for two-layer hierarchical models", JASA 2022.) With one unit a patient this is the usual rank,
ceil((n + 1) coverage). Class by class it is the same of the units of a class, and of the patients who have one.
"""

from __future__ import annotations

import numpy as np

from ensemble.results.decisions import Conformal

__all__ = ["EVERYTHING", "fewest_patients", "fit_conformal"]

EVERYTHING = 1.0  # 1 - p is never above it
ROUNDING = 1e-6  # of the served float32, lest a unit that is just within a set falls out of it


def fit_conformal(
    probabilities: np.ndarray, truth: np.ndarray, patients: np.ndarray, coverage: float, *, per_class: bool
) -> Conformal:
    """Thresholds of 1 - p for probabilities (U, C) of classes `truth` (U,) and the `patients` (U,).

    A threshold is EVERYTHING where there are too few patients for the coverage.
    """
    classes = range(probabilities.shape[1])
    scores = 1 - probabilities[np.arange(len(truth)), truth]
    if per_class:
        thresholds = [_quantile(scores[truth == c], patients[truth == c], coverage) for c in classes]
    else:
        thresholds = [_quantile(scores, patients, coverage)] * len(classes)
    return Conformal(coverage=coverage, per_class=per_class, thresholds=thresholds)


def fewest_patients(coverage: float) -> int:
    """How many patients it takes that a set need not hold every label."""
    return int(np.ceil(coverage / (1 - coverage) - 1e-9))


def _quantile(scores: np.ndarray, patients: np.ndarray, coverage: float) -> float:
    if not len(scores):
        return EVERYTHING
    _, patient_of, units = np.unique(patients, return_inverse=True, return_counts=True)
    order = np.argsort(scores, kind="stable")
    mass = np.cumsum((1 / units[patient_of])[order]) / (len(units) + 1)
    enough = np.flatnonzero(mass >= coverage - 1e-9)
    return min(float(scores[order[enough[0]]]) + ROUNDING, EVERYTHING) if len(enough) else EVERYTHING
