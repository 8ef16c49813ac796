"""Classification metrics of truth (N,) and probabilities (N, C) as pure functions: counts, then ratios.

The predicted class is the argmax, the lowest class on a tie. Rates of two classes are those of the positive
class, the last label; rates of more are macro averages over the classes that occur in the truth. A class that
does not occur there has the rate NaN, also where it is predicted: that is a miss of the true class already, and
scikit-learn's macro F1, which counts it as 0, differs. One that occurs and is never predicted has precision and F1 of
0, as in scikit-learn.

Metrics of grades (`ORDINAL`) take the classes for numbers 0 to C - 1 in their order; labels without an order have none.

Every function takes `weights`, how often each row counts: (R, N) multiplicities give (R,) values, one a resample of
a bootstrap, at the price of a matrix product. Without weights each row counts once and the value is a float.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from spine.core.problems import SpineError
from spine.metrics.rates import Score, Weights, mean_of_defined, ratio
from spine.metrics.table import Metric, MetricTable

__all__ = [
    "COMPARED_OF_GRADES",
    "METRICS",
    "ORDINAL",
    "accuracy",
    "balanced_accuracy",
    "brier",
    "concordance",
    "confusion",
    "f1",
    "log_loss",
    "macro_f1",
    "matthews",
    "mean_absolute_error",
    "precision",
    "predicted",
    "quadratic_kappa",
    "recall",
    "roc_auc",
    "sensitivity",
    "specificity",
]


BLOCK = 32_768  # numbers of weights at a time, whose intermediate arrays stay in the cache
CLIP = 1e-7  # log loss sees probabilities in [CLIP, 1 - CLIP], so one confident error costs at most 16.1


def predicted(probabilities: np.ndarray) -> np.ndarray:
    """Class indices (N,): the argmax of (N, C), the lowest class on a tie."""
    return np.argmax(probabilities, axis=1)


def confusion(truth: np.ndarray, probabilities: np.ndarray, weights: Weights = None) -> np.ndarray:
    """Counts (..., C, C): rows are true classes, columns predicted ones. SpineError on shapes that disagree."""
    truth, probabilities, weights = _checked(truth, probabilities, weights)
    classes = probabilities.shape[1]
    cell, rows = truth * classes + predicted(probabilities), len(truth)
    # Sparse: of many classes most cells are empty.
    of_cell = csr_array((np.ones(rows), cell, np.arange(rows + 1)), shape=(rows, classes * classes))
    return (weights.reshape(-1, rows) @ of_cell).reshape(*weights.shape[:-1], classes, classes)


def accuracy(truth: np.ndarray, probabilities: np.ndarray, weights: Weights = None) -> Score:
    """Share of rows whose predicted class is the true one."""
    counts = confusion(truth, probabilities, weights)
    return ratio(_diagonal(counts).sum(axis=-1), counts.sum(axis=(-2, -1)))


def balanced_accuracy(truth: np.ndarray, probabilities: np.ndarray, weights: Weights = None) -> Score:
    """Mean recall over the classes that occur in the truth."""
    return mean_of_defined(_recalls(confusion(truth, probabilities, weights)))


def macro_f1(truth: np.ndarray, probabilities: np.ndarray, weights: Weights = None) -> Score:
    """Mean F1 over the classes that occur in the truth, of two classes as well; a class only predicted is left out."""
    return mean_of_defined(_f1s(confusion(truth, probabilities, weights)))


def sensitivity(truth: np.ndarray, probabilities: np.ndarray, weights: Weights = None) -> Score:
    """TP / (TP + FN) of the positive class; the macro average of more than two classes."""
    return _positive_or_mean(_recalls(confusion(truth, probabilities, weights)))


def recall(truth: np.ndarray, probabilities: np.ndarray, weights: Weights = None) -> Score:
    """Sensitivity by its other name."""
    return sensitivity(truth, probabilities, weights)


def specificity(truth: np.ndarray, probabilities: np.ndarray, weights: Weights = None) -> Score:
    """TN / (TN + FP) of the positive class against the rest; the macro average of more than two classes."""
    counts = confusion(truth, probabilities, weights)
    negatives = counts.sum(axis=(-2, -1))[..., None] - counts.sum(axis=-1)
    false_positives = counts.sum(axis=-2) - _diagonal(counts)
    rates = ratio(negatives - false_positives, negatives)
    return _positive_or_mean(rates if counts.shape[-1] == 2 else _where_present(rates, counts))


def precision(truth: np.ndarray, probabilities: np.ndarray, weights: Weights = None) -> Score:
    """TP / (TP + FP) of the positive class, 0 where it is never predicted; the macro average of more."""
    counts = confusion(truth, probabilities, weights)
    found = np.nan_to_num(ratio(_diagonal(counts), counts.sum(axis=-2)))
    return _positive_or_mean(_where_present(found, counts))


def f1(truth: np.ndarray, probabilities: np.ndarray, weights: Weights = None) -> Score:
    """2 TP / (2 TP + FP + FN) of the positive class; the macro average of more than two classes."""
    return _positive_or_mean(_f1s(confusion(truth, probabilities, weights)))


def matthews(truth: np.ndarray, probabilities: np.ndarray, weights: Weights = None) -> Score:
    """Matthews correlation of C classes (Gorodkin 2004); 0 where truth or prediction is one class."""
    counts = confusion(truth, probabilities, weights)
    total, true, called = counts.sum(axis=(-2, -1)), counts.sum(axis=-1), counts.sum(axis=-2)
    covariance = _diagonal(counts).sum(axis=-1) * total - (true * called).sum(axis=-1)
    spread = (total**2 - (true**2).sum(axis=-1)) * (total**2 - (called**2).sum(axis=-1))
    return np.where(spread > 0, ratio(covariance, np.sqrt(spread)), 0.0)[()]


def roc_auc(truth: np.ndarray, probabilities: np.ndarray, weights: Weights = None) -> Score:
    """Area under the ROC curve, from probabilities: P(positive ranks above negative), ties counting half.

    Two classes: by the last class's probability. More: one class against the rest, averaged over the classes
    that occur. NaN where the truth holds one class.
    """
    truth, probabilities, weights = _checked(truth, probabilities, weights)
    classes = range(probabilities.shape[1])
    chosen = classes[-1:] if len(classes) == 2 else classes
    return mean_of_defined(np.stack([_auc(truth == c, probabilities[:, c], weights) for c in chosen], axis=-1))


def log_loss(truth: np.ndarray, probabilities: np.ndarray, weights: Weights = None) -> Score:
    """Mean of -ln(probability of the true class), probabilities clipped to [1e-7, 1 - 1e-7]."""
    truth, probabilities, weights = _checked(truth, probabilities, weights)
    right = np.clip(probabilities[np.arange(len(truth)), truth], CLIP, 1 - CLIP)
    return ratio(weights @ -np.log(right), weights.sum(axis=-1))


def brier(truth: np.ndarray, probabilities: np.ndarray, weights: Weights = None) -> Score:
    """Mean squared error of the positive class's probability (Brier 1950), of more classes their sum."""
    truth, probabilities, weights = _checked(truth, probabilities, weights)
    errors = np.square(probabilities - np.eye(probabilities.shape[1])[truth])
    error = errors[:, -1] if errors.shape[1] == 2 else errors.sum(axis=1)
    return ratio(weights @ error, weights.sum(axis=-1))


def quadratic_kappa(truth: np.ndarray, probabilities: np.ndarray, weights: Weights = None) -> Score:
    """Cohen's kappa of grades, errors weighed by their square (Cohen 1968); NaN where the truth holds one grade."""
    counts = confusion(truth, probabilities, weights)
    true, called = counts.sum(axis=-1), counts.sum(axis=-2)
    squares = np.square(np.subtract.outer(*2 * [np.arange(counts.shape[-1])]))
    wrong = (squares * counts).sum(axis=(-2, -1))
    by_chance = ratio(np.einsum("...i,ij,...j->...", true, squares, called), true.sum(axis=-1))
    return np.where(_has_several(true), 1 - ratio(wrong, by_chance), np.nan)[()]


def mean_absolute_error(truth: np.ndarray, probabilities: np.ndarray, weights: Weights = None) -> Score:
    """Mean distance, in grades, of the predicted grade from the true one."""
    counts = confusion(truth, probabilities, weights)
    distances = np.abs(np.subtract.outer(*2 * [np.arange(counts.shape[-1])]))
    return ratio((distances * counts).sum(axis=(-2, -1)), counts.sum(axis=(-2, -1)))


def concordance(truth: np.ndarray, probabilities: np.ndarray, weights: Weights = None) -> Score:
    """Lin's concordance correlation (1989) of the true and the expected grade, sum(k p_k).

    2 covariance / (variances + squared difference of the means), all of them sums over N; NaN where the truth holds
    one grade.
    """
    truth, probabilities, weights = _checked(truth, probabilities, weights)
    grades = np.arange(probabilities.shape[1])
    whole = weights.sum(axis=-1)
    # About one centre, so that moments lose no digits; none of them depends on which.
    true, expected = truth - truth.mean(), probabilities @ grades - truth.mean()
    mean_of_true, mean_of_expected = (ratio(weights @ one, whole) for one in (true, expected))
    squares = ratio(weights @ (np.square(true) + np.square(expected)), whole)
    covariance = ratio(weights @ (true * expected), whole) - mean_of_true * mean_of_expected
    spread = squares - 2 * mean_of_true * mean_of_expected  # variances and (difference of means)^2
    return np.where(_has_several(weights @ np.eye(len(grades))[truth]), ratio(2 * covariance, spread), np.nan)[()]


ORDINAL = ("quadratic_kappa", "mean_absolute_error", "concordance")
COMPARED_OF_GRADES = ("quadratic_kappa", "mean_absolute_error")  # what a verdict on them tells of, the headline first
METRICS = MetricTable(
    {
        "roc_auc": Metric(roc_auc, True, "AUC"),
        "accuracy": Metric(accuracy, True, "accuracy"),
        "balanced_accuracy": Metric(balanced_accuracy, True, "balanced accuracy"),
        "macro_f1": Metric(macro_f1, True, "macro F1"),
        "sensitivity": Metric(sensitivity, True, "sensitivity"),
        "specificity": Metric(specificity, True, "specificity"),
        "precision": Metric(precision, True, "precision"),
        "recall": Metric(recall, True, "recall"),
        "f1": Metric(f1, True, "F1"),
        "matthews": Metric(matthews, True, "Matthews correlation"),
        "log_loss": Metric(log_loss, False, "log loss"),
        "brier": Metric(brier, False, "Brier score"),
        "quadratic_kappa": Metric(quadratic_kappa, True, "quadratic kappa"),
        "mean_absolute_error": Metric(mean_absolute_error, False, "mean absolute error"),
        "concordance": Metric(concordance, True, "concordance"),
    },
    headline="roc_auc",
    searched="accuracy",
    undefined={
        **dict.fromkeys(("roc_auc", "quadratic_kappa", "concordance"), "the truth holds one class only"),
        **dict.fromkeys(("sensitivity", "recall", "precision", "f1"), "the truth holds nothing of the positive class"),
        "specificity": "the truth holds nothing but the positive class",
    },
)


def _checked(
    truth: np.ndarray, probabilities: np.ndarray, weights: Weights
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    truth, probabilities = np.asarray(truth), np.asarray(probabilities, dtype=np.float64)
    weights = np.ones(len(truth)) if weights is None else np.asarray(weights, dtype=np.float64)
    if truth.ndim != 1 or probabilities.ndim != 2 or not len(truth) == len(probabilities) == weights.shape[-1] > 0:
        raise SpineError(
            f"truth is {truth.shape}, probabilities {probabilities.shape} and weights {weights.shape}; "
            "give (N,), (N, C) and (..., N) with N > 0"
        )
    if probabilities.shape[1] < 2:
        raise SpineError(f"probabilities is {probabilities.shape}; give a column a class, at least two")
    if truth.dtype.kind not in "iu" or truth.min() < 0 or truth.max() >= probabilities.shape[1]:
        raise SpineError(f"truth holds {np.unique(truth)[:5]}; give integers in 0..{probabilities.shape[1] - 1}")
    return truth.astype(np.int64), probabilities, weights


def _diagonal(counts: np.ndarray) -> np.ndarray:
    return np.diagonal(counts, axis1=-2, axis2=-1)


def _has_several(true: np.ndarray) -> np.ndarray:
    """Whether the truth, counts (..., C) of its classes, holds more than one."""
    return (true > 0).sum(axis=-1) > 1


def _recalls(counts: np.ndarray) -> np.ndarray:
    return ratio(_diagonal(counts), counts.sum(axis=-1))


def _f1s(counts: np.ndarray) -> np.ndarray:
    return _where_present(ratio(2 * _diagonal(counts), counts.sum(axis=-1) + counts.sum(axis=-2)), counts)


def _where_present(rates: np.ndarray, counts: np.ndarray) -> np.ndarray:
    return np.where(counts.sum(axis=-1) > 0, rates, np.nan)


def _positive_or_mean(rates: np.ndarray) -> Score:
    return rates[..., -1][()] if rates.shape[-1] == 2 else mean_of_defined(rates)


def _auc(positive: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mann-Whitney U over the number of pairs: each positive counts the negatives below it and half of those beside."""
    order = np.argsort(score)
    runs = np.flatnonzero(np.diff(score[order], prepend=-np.inf))  # where each run of equal scores starts
    if weights.ndim != 2 or weights.size <= BLOCK:
        return _area(positive, weights, order, runs)
    rows = max(1, BLOCK // len(order))
    blocks = [weights[start : start + rows] for start in range(0, len(weights), rows)]
    return np.concatenate([_area(positive, block, order, runs) for block in blocks])


def _area(positive: np.ndarray, weights: np.ndarray, order: np.ndarray, runs: np.ndarray) -> np.ndarray:
    positives = np.add.reduceat((weights * positive)[..., order], runs, axis=-1)
    negatives = np.add.reduceat((weights * ~positive)[..., order], runs, axis=-1)
    below = np.cumsum(negatives, axis=-1) - negatives / 2
    return ratio((positives * below).sum(axis=-1), positives.sum(axis=-1) * negatives.sum(axis=-1))
