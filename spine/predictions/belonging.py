"""Do stored predictions belong to the truth, and to each other? Told by the first difference, never re-aligned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spine.core.problems import SpineError
from spine.predictions.stored_tables import LAYOUTS, PREDICT

if TYPE_CHECKING:
    from spine.dataset.truth import AnyTruth
    from spine.predictions.predictions import AnyPredictions

__all__ = ["index_of", "require_of", "require_same"]


def index_of(truth: AnyTruth, task: str) -> pd.DataFrame:
    """The index of stored predictions: sample, patient, height, width, offset."""
    heights, widths = np.transpose(truth.sizes)
    rows = LAYOUTS[task].rows(heights, widths)
    columns = {"sample": truth.samples, "patient": truth.patients, "height": heights, "width": widths}
    return pd.DataFrame({**columns, "offset": np.cumsum(rows) - rows})


def require_same(members: Mapping[str, AnyPredictions]) -> None:
    """Refuse predictions that disagree on task, labels, samples or truth, by name; nothing is re-aligned in silence."""
    (first_name, first), *others = members.items()
    for name, other in others:
        for what in ("task", "labels", "split", "truth_hash"):
            if getattr(first, what) != getattr(other, what):
                raise SpineError(
                    f"{first_name!r} and {name!r} disagree on {what}: {getattr(first, what)!r} and "
                    f"{getattr(other, what)!r}; predict both on the same dataset"
                )
        if difference := _difference(first.index, other.index):
            raise SpineError(
                f"{first_name!r} and {name!r} hold different samples or another order: {difference}; {PREDICT}"
            )


def require_of(truth: AnyTruth, name: str, stored: AnyPredictions) -> None:
    """Refuse a member's predictions that are of other samples than the truth, or in another order, by the first
    difference: of its samples, their patients, heights or widths.
    """
    if difference := _difference(index_of(truth, stored.task), stored.index):
        raise SpineError(
            f"{stored.path}/index.csv: the truth and {name!r} hold different samples or another order: {difference}; "
            f"nothing is re-aligned in silence: {PREDICT}"
        )


def _difference(one: pd.DataFrame, other: pd.DataFrame) -> str:
    """The first difference of two indices' samples, patients, heights or widths; empty where there is none."""
    if len(one) != len(other):
        return f"{len(one)} samples and {len(other)}"
    for column in ("sample", "patient", "height", "width"):
        values = one[column].astype(str).to_numpy(), other[column].astype(str).to_numpy()
        if (differing := np.flatnonzero(values[0] != values[1])).size:
            row = int(differing[0])
            where = "" if column == "sample" else f" of {one['sample'][row]}"
            return f"row {row + 1} has the {column}{where} {values[0][row]!r} and {values[1][row]!r}"
    return ""
