"""Leakage and quality audit of a dataset.

Each check is a generator of problems, and `audit` runs them all. Leaks between splits are errors, and so is whatever
cannot be read; what a person has to judge is a warning.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from spine.core.problems import Problem, printable
from spine.dataset.audit.parts import with_split
from spine.dataset.manifest import Manifest

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["audit", "check", "count", "count_table"]


def check(root: Path | str) -> tuple[Table, list[Problem]]:
    """The table of counts of the dataset at `root`, and everything that is wrong with it."""
    manifest = Manifest.read(root)
    return count_table(count(manifest), str(manifest.root)), audit(manifest)


def count_table(counts: pd.DataFrame, title: str) -> Table:
    """What `count` gives, to be printed."""
    from rich.markup import escape
    from rich.table import Table

    table = Table("", *map(str, counts.columns), title=escape(printable(title)))
    for name, row in counts.iterrows():  # escaped: a label called [red] is no style
        table.add_row(escape(printable(str(name))), *map(str, row))
    return table


def count(manifest: Manifest) -> pd.DataFrame:
    """Patients, samples, boxes by label and labels by value (rows) in each split (columns)."""
    images = with_split(manifest, manifest.images)
    boxes = with_split(manifest, manifest.boxes)
    labels = with_split(manifest, manifest.labels)
    rows = {"patients": images.groupby("split")["patient"].nunique(), "samples": images.groupby("split").size()}
    for label, group in boxes.groupby("label"):
        rows[f"boxes {label}"] = group.groupby("split").size()
    for (target, value), group in labels.groupby(["target", "value"]):
        rows[f"{target} = {value}"] = group.groupby("split").size()
    order = [name for name in ("train", "validation", "test", "none") if name in set(images["split"])]
    return pd.DataFrame(rows).T.reindex(columns=order).fillna(0).astype(int)


def audit(manifest: Manifest) -> list[Problem]:
    """Everything that is wrong with a dataset, errors first; reads every picture and mask once."""
    from spine.dataset.audit import leakage, privacy, quality
    from spine.dataset.audit.pictures import read_pictures

    pictures = read_pictures(manifest)
    checks = [
        pictures.problems,
        leakage.shared_patients(manifest),
        leakage.alike_patients(manifest),
        leakage.equal_images(manifest),
        leakage.near_equal_images(manifest, pictures),
        leakage.labels_follow_source(manifest),
        quality.wrong_masks(manifest),
        quality.wrong_parents(manifest),
        quality.wrong_neighbours(manifest),
        quality.boxes_outside(manifest),
        quality.missing_classes(manifest),
        quality.missing_boxes(manifest),
        quality.missing_pixels(manifest),
        quality.inconsistent_levels(manifest),
        privacy.burned_in_text(manifest),
    ]
    return sorted((problem for found in checks for problem in found), key=lambda problem: problem.severity)
