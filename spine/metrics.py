"""Classification metrics of truth (N,) and probabilities (N, C) as pure functions: counts, then ratios.

The predicted class is the argmax, the lowest class on a tie. Rates of two classes are those of the positive
class, the last label; rates of more are macro averages over the classes that occur in the truth. A class that
does not occur has the rate NaN; one that occurs and is never predicted has precision and F1 of 0, as in
scikit-learn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from spine.problems import SpineError

__all__ = [
    "HEADLINE",
    "METRICS",
    "Metric",
    "accuracy",
    "balanced_accuracy",
    "brier",
    "confusion",
    "f1",
    "log_loss",
    "macro_f1",
    "matthews",
    "metric",
    "precision",
    "predicted",
    "recall",
    "roc_auc",
    "sensitivity",
    "specificity",
]

CLIP = 1e-7  # log loss sees probabilities in [CLIP, 1 - CLIP], so one confident error costs at most 16.1


def predicted(probabilities: np.ndarray) -> np.ndarray:
    """Class indices (N,): the argmax of (N, C), the lowest class on a tie."""
    return np.argmax(probabilities, axis=1)


def confusion(truth: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Counts (C, C): rows are true classes, columns predicted ones. SpineError on shapes that disagree."""
    truth, probabilities = _checked(truth, probabilities)
    classes = probabilities.shape[1]
    flat = truth * classes + predicted(probabilities)
    return np.bincount(flat, minlength=classes * classes).reshape(classes, classes)


def accuracy(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Share of rows whose predicted class is the true one."""
    counts = confusion(truth, probabilities)
    return float(_ratio(np.trace(counts), counts.sum()))


def balanced_accuracy(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean recall over the classes that occur in the truth."""
    return _over_present(*_recalls(confusion(truth, probabilities)))


def macro_f1(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean F1 over the classes that occur in the truth, of two classes as well."""
    return _over_present(*_f1s(confusion(truth, probabilities)))


def sensitivity(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """TP / (TP + FN) of the positive class; the macro average of more than two classes."""
    return _positive_or_macro(*_recalls(confusion(truth, probabilities)))


def recall(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Sensitivity by its other name."""
    return sensitivity(truth, probabilities)


def specificity(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """TN / (TN + FP) of the positive class against the rest; the macro average of more than two classes."""
    counts = confusion(truth, probabilities)
    present = counts.sum(axis=1)
    false_positives = counts.sum(axis=0) - np.diag(counts)
    negatives = counts.sum() - present
    return _positive_or_macro(_ratio(negatives - false_positives, negatives), present)


def precision(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """TP / (TP + FP) of the positive class, 0 where it is never predicted; the macro average of more."""
    counts = confusion(truth, probabilities)
    present = counts.sum(axis=1)
    found = _ratio(np.diag(counts), counts.sum(axis=0))
    return _positive_or_macro(np.where(present > 0, np.nan_to_num(found), np.nan), present)


def f1(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """2 TP / (2 TP + FP + FN) of the positive class; the macro average of more than two classes."""
    return _positive_or_macro(*_f1s(confusion(truth, probabilities)))


def matthews(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Matthews correlation of C classes (Gorodkin 2004); 0 where truth or prediction is one class."""
    counts = confusion(truth, probabilities).astype(np.float64)
    total, true, called = counts.sum(), counts.sum(axis=1), counts.sum(axis=0)
    covariance = np.trace(counts) * total - true @ called
    spread = np.sqrt((total**2 - true @ true) * (total**2 - called @ called))
    return float(covariance / spread) if spread > 0 else 0.0


def roc_auc(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Area under the ROC curve, from probabilities: P(positive ranks above negative), ties counting half.

    Two classes: by the last class's probability. More: one class against the rest, averaged over the classes
    that occur. NaN where the truth holds one class.
    """
    truth, probabilities = _checked(truth, probabilities)
    if probabilities.shape[1] == 2:
        return _auc(truth == 1, probabilities[:, 1])
    areas = [_auc(truth == label, probabilities[:, label]) for label in np.unique(truth)]
    return float(np.mean(areas)) if areas else float("nan")


def log_loss(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean of -ln(probability of the true class), probabilities clipped to [1e-7, 1 - 1e-7]."""
    truth, probabilities = _checked(truth, probabilities)
    right = probabilities[np.arange(len(truth)), truth]
    return float(-np.log(np.clip(right, CLIP, 1 - CLIP)).mean())


def brier(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean squared error of the positive class's probability (Brier 1950), of more classes their sum."""
    truth, probabilities = _checked(truth, probabilities)
    wanted = np.eye(probabilities.shape[1])[truth]
    errors = np.square(probabilities - wanted)
    return float(errors[:, -1].mean() if probabilities.shape[1] == 2 else errors.sum(axis=1).mean())


class Metric(NamedTuple):
    """A metric's function of (truth, probabilities), and whether higher is better."""

    function: Callable[[np.ndarray, np.ndarray], float]
    higher_is_better: bool


METRICS: dict[str, Metric] = {
    "accuracy": Metric(accuracy, True),
    "balanced_accuracy": Metric(balanced_accuracy, True),
    "macro_f1": Metric(macro_f1, True),
    "roc_auc": Metric(roc_auc, True),
    "log_loss": Metric(log_loss, False),
    "sensitivity": Metric(sensitivity, True),
    "specificity": Metric(specificity, True),
    "precision": Metric(precision, True),
    "recall": Metric(recall, True),
    "f1": Metric(f1, True),
    "matthews": Metric(matthews, True),
    "brier": Metric(brier, False),
}

HEADLINE = {"classification": "roc_auc"}  # task -> the metric its verdict is about


def metric(name: str) -> Metric:
    """The metric of that name; SpineError lists the known ones."""
    if name not in METRICS:
        raise SpineError(f"metric {name!r} is not known; it is one of {', '.join(METRICS)}")
    return METRICS[name]


def _checked(truth: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    truth, probabilities = np.asarray(truth), np.asarray(probabilities, dtype=np.float64)
    if truth.ndim != 1 or probabilities.ndim != 2 or len(truth) != len(probabilities) or not len(truth):
        raise SpineError(
            f"truth is {truth.shape} and probabilities {probabilities.shape}; give (N,) and (N, C), N > 0"
        )
    if probabilities.shape[1] < 2:
        raise SpineError(f"probabilities is {probabilities.shape}; give a column a class, at least two")
    if truth.dtype.kind not in "iu" or truth.min() < 0 or truth.max() >= probabilities.shape[1]:
        raise SpineError(
            f"truth holds {np.unique(truth)[:5]}; give integers in 0..{probabilities.shape[1] - 1}"
        )
    return truth.astype(np.int64), probabilities


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.true_divide(part, whole)


def _recalls(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    present = counts.sum(axis=1)
    return _ratio(np.diag(counts), present), present


def _f1s(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    present = counts.sum(axis=1)
    scores = _ratio(2 * np.diag(counts), present + counts.sum(axis=0))
    return np.where(present > 0, scores, np.nan), present


def _over_present(values: np.ndarray, present: np.ndarray) -> float:
    return float(values[present > 0].mean())


def _positive_or_macro(values: np.ndarray, present: np.ndarray) -> float:
    return float(values[-1]) if len(values) == 2 else _over_present(values, present)


def _auc(positive: np.ndarray, score: np.ndarray) -> float:
    """Mann-Whitney U over the number of pairs, from mid-ranks."""
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        return float("nan")
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    midranks = np.cumsum(counts) - (counts - 1) / 2
    return float(
        (midranks[inverse][positive].sum() - positives * (positives + 1) / 2) / (positives * negatives)
    )
