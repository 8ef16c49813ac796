"""Metrics by name, task by task: counts first, ratios after.

The names here are classification's, of truth (N,) and probabilities (N, C). `spine.metrics.segmentation` starts from
each image's counts, `spine.metrics.detection` from each image's matches (`spine.metrics.matches`),
`spine.metrics.surface` from masks with a spacing in mm.
"""

from spine.metrics import detection, segmentation
from spine.metrics.classification import (
    CLIP,
    METRICS,
    Metric,
    accuracy,
    balanced_accuracy,
    brier,
    confusion,
    f1,
    log_loss,
    macro_f1,
    matthews,
    precision,
    predicted,
    recall,
    roc_auc,
    sensitivity,
    specificity,
)
from spine.problems import SpineError

__all__ = [
    "CLIP",
    "HEADLINE",
    "METRICS",
    "SEARCHED",
    "TABLES",
    "Metric",
    "accuracy",
    "balanced_accuracy",
    "brier",
    "confusion",
    "detection",
    "f1",
    "log_loss",
    "macro_f1",
    "matthews",
    "metric",
    "precision",
    "predicted",
    "recall",
    "roc_auc",
    "segmentation",
    "sensitivity",
    "specificity",
]

# task -> its metrics by name
TABLES = {"classification": METRICS, "segmentation": segmentation.METRICS, "detection": detection.METRICS}
# task -> the metric its verdict is about
HEADLINE = {"classification": "roc_auc", "segmentation": "dice_foreground", "detection": "map50"}
# task -> the metric that weights are searched by where none is named
SEARCHED = {"classification": "accuracy", "segmentation": "dice_foreground", "detection": "map50"}


def metric(name: str, task: str = "classification") -> Metric:
    """The task's metric of that name; SpineError lists the known ones."""
    table = TABLES[task]
    if name not in table:
        raise SpineError(f"metric {name!r} is not known; it is one of {', '.join(table)}")
    return table[name]
