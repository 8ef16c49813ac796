"""The vocabulary of RSNA ATLAS cards, of which a run knows this much.

Source: https://github.com/RSNA/ATLAS, model.json and dataset.json of version 2025-11 (RSNA, Annotated Library of AI
Systems), whose terms come from the ontology ROADMAP. The cards hold names and values of that version.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = [
    *("BLANK", "CONTENT", "DATASET_SCHEMA", "MODALITIES", "MODEL_SCHEMA", "NO_LINK", "PARTITIONS", "SEXES"),
    *("license_of", "metric_names"),
]

MODEL_SCHEMA = "https://atlas.rsna.org/schemas/2025-11/model.json"
DATASET_SCHEMA = "https://atlas.rsna.org/schema/2025-11/dataset.json"  # without the s, as its schema has it

BLANK = "To be written by the authors."
NO_LINK = "about:blank"  # a card must have a link; where nobody has given one, it leads nowhere

MODALITIES = {  # DICOM code -> RadLex's name, as an ATLAS card has it
    "MR": "Magnetic resonance imaging (RID10312)",
    "CT": "Computed tomography (RID10321)",
    "CR": "Computed radiography (RID10349)",
    "DX": "Digital radiography (RID10351)",
    "RF": "Radiofluoroscopy (RID45709)",
    "XA": "Fluoroscopy (RID10361)",
    "PT": "Positron emission tomography (RID10337)",
    "US": "Ultrasound (RID10326)",
}
CONTENT = {"MR": "MR", "CT": "CT", "US": "US"}  # RSNA's content codes of modalities; MK is musculoskeletal
PARTITIONS = {"train": "Training", "validation": "Validation", "test": "Internal testing"}
SEXES = {"Female": "Female", "Male": "Male", "Other": "Not specified", "not told": "Unknown"}

_METRICS = {  # how a metric's name begins -> the term of ATLAS; the first that fits holds
    "roc_auc": "area under the receiver operating characteristic curve",
    "balanced_accuracy": "balanced accuracy",
    "accuracy": "accuracy",
    "pixel_accuracy": "accuracy",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "precision": "precision",
    "recall": "recall",
    "macro_f1": "macro-F1",
    "f1": "F1 score",
    "matthews": "Matthews correlation coefficient",
    "log_loss": "cross-entropy",
    "brier": "Brier score",
    "quadratic_kappa": "weighted Cohen's kappa",
    "mean_absolute_error": "mean absolute error",
    "concordance": "concordance correlation coefficient",
    "dice": "Dice similarity coefficient",
    "iou": "intersection over union",
    "hausdorff_95": "95th percentile Hausdorff distance",
    "surface_dice": "normalized surface distance",
    "map": "mean average precision",
    "ap50": "average precision",
}


def metric_names(metrics: Iterable[str]) -> list[str]:
    """The terms of ATLAS for these metrics, each once; "other" where it has none."""
    found = (next((term for start, term in _METRICS.items() if name.startswith(start)), "other") for name in metrics)
    return list(dict.fromkeys(found))


def license_of(text: str) -> dict[str, str]:
    """A license by its address or its name."""
    return {"URL": text} if text.startswith(("https://", "http://")) else {"Text": text or BLANK}
