"""Schemas of RSNA ATLAS cards, as strict as theirs for all that our cards use.

Names, kinds, bounds and values are facts of https://github.com/RSNA/ATLAS, model.json and dataset.json of version
2025-11 (copyright RSNA); the text is ours, and what our cards never use is left out. So what is valid here is valid
there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from spine.core.files import read_json

TEXT = {"type": "string"}
COUNT = {"type": "integer", "minimum": 0}


def of(properties: dict[str, Any], required: tuple[str, ...] = (), least: int = 0) -> dict[str, Any]:
    """An object that has no other keys."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
        "minProperties": least,
    }


def texts(low: int = 0, high: int = 10**6, **more: Any) -> dict[str, Any]:
    """A list of texts."""
    return {"type": "array", "minItems": 1, "items": {**TEXT, "minLength": low, "maxLength": high}, **more}


def bounded(low: int, high: int) -> dict[str, Any]:
    return {**TEXT, "minLength": low, "maxLength": high}


def link(high: int) -> dict[str, Any]:
    return {**bounded(4, high), "pattern": r"^[a-z][a-z0-9+.-]*:\S+$"}  # RFC 3986: a scheme, and no space


def one_of(*values: str) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "uniqueItems": True, "items": {"enum": list(values)}}


CONTENT = [
    *("BR", "BQ", "CA", "CH", "CT", "ED", "ER", "GI", "GU", "HN", "HP", "IN", "IR", "LM", "MI", "MK", "MR", "NM", "NR"),
    *("OB", "OI", "OT", "PD", "PH", "PR", "SQ", "RO", "RS", "US", "VA"),
]
INDEXING = of({"Content": one_of(*CONTENT), "Keywords": texts(2, 64, uniqueItems=True)})
NAMED = {"type": "array", "items": of({"Name": TEXT}, ("Name",))}
DESCRIPTORS = of(
    {
        **{"Authors": NAMED, "Organizations": NAMED, "License": of({"Text": TEXT, "URL": link(10**6)}, least=1)},
        **dict.fromkeys(("Comments", "Contact", "Ethical review", "Funding", "Version"), TEXT),
    }
)
MODALITIES = one_of(
    "Computed radiography (RID10349)",
    "Computed tomography (RID10321)",
    "Digital radiography (RID10351)",
    "Fluoroscopy (RID10361)",
    "Magnetic resonance imaging (RID10312)",
    "Positron emission tomography (RID10337)",
    "Radiofluoroscopy (RID45709)",
    "Ultrasound (RID10326)",
)
FORMATS = one_of("DICOM", "JPEG", "NiFTI", "PNG", "Other")
METRICS = one_of(
    *("95th percentile Hausdorff distance", "Brier score", "Dice similarity coefficient", "F1 score"),
    *("Matthews correlation coefficient", "accuracy", "area under the receiver operating characteristic curve"),
    *("average precision", "balanced accuracy", "concordance correlation coefficient", "cross-entropy"),
    *("intersection over union", "macro-F1", "mean absolute error", "mean average precision"),
    *("normalized surface distance", "other", "precision", "recall", "sensitivity", "specificity"),
    "weighted Cohen's kappa",
)
USES = texts(4, 64, uniqueItems=True)
PROPERTIES = of(
    {
        **dict.fromkeys(
            (
                *("Architecture", "Availability", "Clinical benefit", "Decision threshold", "Degree of automation"),
                *("Indications for use", "Input", "Instructions", "Limitations", "Recommendation", "Reproducibility"),
                "Sustainability",
            ),
            TEXT,
        ),
        "Output": of({"Description": TEXT}, least=1),
        "Use": of({"Intended": USES, "Out-of-scope": USES}),
        "User": of({"Intended": USES}),
    }
)
MODEL_CARD = of(
    {
        "$schema": {"const": "https://atlas.rsna.org/schemas/2025-11/model.json"},
        "Model": of(
            {
                **{"Name": bounded(4, 256), "Link": link(256), "Indexing": INDEXING, "Descriptors": DESCRIPTORS},
                "Model properties": PROPERTIES,
                "Imaging": of({"Modalities": MODALITIES, "File format": FORMATS, "Resolution": TEXT, "Comments": TEXT}),
                "Model performance": of({"Metrics": METRICS, "Comments": TEXT}),
            },
            ("Name", "Link"),
        ),
    },
    ("$schema", "Model"),
)
BOUND = {
    "type": "array",
    "minItems": 2,
    "maxItems": 2,
    "prefixItems": [{"type": "integer", "minimum": 0, "maximum": 240}],
    "items": {"enum": ["days", "months", "years"]},
}
SUBSET = of(
    {
        **dict.fromkeys(("Patient count", "Exam count", "Series count", "Image count"), COUNT),
        "Age range": {"type": "array", "minItems": 2, "maxItems": 2, "items": BOUND},
        "Sex": {"enum": ["Female", "Male", "Unknown", "Not specified"]},
        "Criterion": TEXT,
        "Comments": TEXT,
    }
)
PARTITION_NAMES = ["Training", "Optimization", "Validation", "Internal testing", "External testing", "Test", "Other"]
PARTITION = of(
    {
        "Partition": {"enum": PARTITION_NAMES},
        "Total": SUBSET,
        "Subsets": {"type": "array", "items": SUBSET},
        "Comments": TEXT,
    },
    ("Partition",),
)
OF_DATASETS = (
    *("Confidentiality", "External data", "Missing information", "Motivation", "Noise", "Partitioning scheme"),
    *("Re-identification", "Relationships between instances", "Sampling", "Sensitive data"),
)
DATASET_CARD = of(
    {
        "$schema": {"const": "https://atlas.rsna.org/schema/2025-11/dataset.json"},
        "Dataset": of(
            {
                **{"Name": bounded(4, 128), "Link": link(128), "Indexing": INDEXING, "Descriptors": DESCRIPTORS},
                "Dataset properties": of(dict.fromkeys(OF_DATASETS, TEXT)),
                "Imaging": of(
                    {
                        **{
                            "Modalities": MODALITIES,
                            "File format": FORMATS,
                            "Burned-in PHI": {"enum": ["Yes", "No", "Unknown"]},
                        },
                        **dict.fromkeys(("Resolution", "Pre-processing", "Comments"), TEXT),
                    }
                ),
                "Partitions": {"type": "array", "minItems": 1, "items": PARTITION},
            },
            ("Name", "Link"),
        ),
    },
    ("$schema", "Dataset"),
)


def assert_valid(directory: Path, datasets: tuple[str, ...] = ("dataset_card",)) -> None:
    """The cards of a run."""
    for name, schema in (("model_card", MODEL_CARD), *((name, DATASET_CARD) for name in datasets)):
        Draft202012Validator.check_schema(schema)
        Draft202012Validator(schema).validate(read_json(directory / f"{name}.json"))
