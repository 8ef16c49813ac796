"""A dataset whose samples have values of two targets, some of one alone, and an experiment file that learns both.

file = write_targets(tmp_path)             # degeneration: healthy, degenerated; grade: 1, 2, 3, in order
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from tests.experiment_on_disk import write_dataset

LABELS = {"degeneration": ("healthy", "degenerated"), "grade": ("1", "2", "3")}
SMALL = {"network": "plain_cnn", "weights": "none", "height": 16, "width": 16, "filters": [4], "epochs": 2, "batch": 8}


def write_targets(folder: Path, **settings: Any) -> Path:
    """Write the dataset and the file of an experiment `both`; `settings` replace what it says."""
    whole = write_dataset(folder / "data", LABELS["degeneration"], 1, {"train": 6, "validation": 4, "test": 4})
    samples = list(whole.images["sample"])
    graded = {sample: str(1 + number % 3) for number, sample in enumerate(samples) if number % 4 != 1}
    grades = [{"sample": sample, "box": "", "target": "grade", "value": value} for sample, value in graded.items()]
    degenerated = whole.labels[~whole.labels["sample"].isin(samples[::5])]
    replace(whole, labels=pd.concat([degenerated, pd.DataFrame(grades, dtype=object)])).write()
    raw = {
        "name": "both",
        "task": "classification",
        "data": str(folder / "data"),
        "runs": str(folder / "runs"),
        "targets": {
            "degeneration": {"labels": list(LABELS["degeneration"])},
            "grade": {"labels": list(LABELS["grade"]), "ordinal": True},
        },
        "members": {"one": {**SMALL, "head": {"dense": [4]}, "class_weights": "balanced"}},
        "search": {"resamples": 20},
        "evaluate": {"resamples": 100},
    }
    (folder / "experiment.yaml").write_text(yaml.safe_dump({**raw, **settings}, sort_keys=False))
    return folder / "experiment.yaml"
