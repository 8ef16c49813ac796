"""Why a metric has no value: what it divides by is not there. Told in every file in place of a number."""

from __future__ import annotations

__all__ = ["why_undefined"]

_NO_TRUE_BOX = "there is no true box to find"
_NEVER = "there is nothing to measure"
# task -> how a metric's name begins -> why it has no value; the longest beginning counts
_REASONS: dict[str, dict[str, str]] = {
    "classification": {
        "roc_auc": "the truth holds one class only",
        **dict.fromkeys(("sensitivity", "recall", "precision", "f1"), "the truth holds nothing of the positive class"),
        "specificity": "the truth holds nothing but the positive class",
    },
    "segmentation": {
        **dict.fromkeys(("dice", "iou"), "no pixel is of it, in truth or prediction"),
        "precision": "no pixel is called so",
        "recall": "no pixel is truly so",
        "hausdorff_95_mm": "no image with a known spacing has both outlines",
        "surface_dice": "no image with a known spacing has an outline",
    },
    "detection": {
        **dict.fromkeys(("map", "ap", "ar", "recall", "sensitivity"), _NO_TRUE_BOX),
        "precision": "no box has the score from which boxes count",
        "f1": "there is neither a true box nor one that counts",
        "specificity": "every image holds a true box of it",
        "seconds_an_image": "no SavedModel of it was timed here",
    },
}


def why_undefined(metric: str, task: str) -> str:
    """Why a metric, by its name or that of one class (`dice.disc`), may have no value."""
    reasons = _REASONS.get(task, {})
    beginnings = [beginning for beginning in reasons if metric.startswith(beginning)]
    return reasons[max(beginnings, key=len)] if beginnings else _NEVER
