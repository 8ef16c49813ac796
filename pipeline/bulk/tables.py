"""Answers -> rows of Parquet: of findings, of measurements, of pictures, without a name, a date or a UID in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from pipeline.bulk.reading import Found
from pipeline.bulk.studies import Study
from spine.answers.answer import Answer, Finding, Grade
from spine.answers.description import Description
from spine.core.privacy import pseudonym

__all__ = ["Rows", "Tables", "rows_of"]

Row = Mapping[str, Any]
_PLACE = {"study": pa.string(), "series": pa.string(), "picture": pa.int32(), "frame": pa.int32()}
_FINDING = {
    "label": pa.string(),
    "level": pa.int32(),
    "score": pa.float32(),
    **{corner: pa.float32() for corner in ("x0", "y0", "x1", "y1")},
}
_MEASUREMENT = {
    "structure": pa.string(),
    "level": pa.int32(),
    "name": pa.string(),
    "value": pa.float64(),
    "unit": pa.string(),
    "status": pa.string(),
}
_PICTURE = {
    "height": pa.int32(),
    "width": pa.int32(),
    "spacing_y": pa.float64(),
    "spacing_x": pa.float64(),
    "findings": pa.int32(),
    "remarks": pa.list_(pa.string()),
    "mask": pa.string(),
}


@dataclass
class Rows:
    """Rows of the three tables, by their names."""

    findings: list[Row] = field(default_factory=list)
    measurements: list[Row] = field(default_factory=list)
    pictures: list[Row] = field(default_factory=list)

    def __iadd__(self, other: Rows) -> Rows:
        self.findings += other.findings
        self.measurements += other.measurements
        self.pictures += other.pictures
        return self


class Tables:
    """The columns that answers of one model have, whatever is found, and how rows of them are written."""

    def __init__(self, description: Description, version: str) -> None:
        self.about = {"model": description.name, "version": version, "note": description.note}
        grades = [column for target in description.targets for column in _columns_of(target, description)]
        pixels = [(f"pixels_{label}", pa.int64()) for label in description.mask_labels]
        self._schemas = {
            "findings": self._schema({**_PLACE, **_FINDING, **dict(grades)}),
            "pictures": self._schema({**_PLACE, **_PICTURE, **dict(pixels)}),
        }
        if description.roles:
            self._schemas["measurements"] = self._schema({**_PLACE, **_MEASUREMENT})

    def _schema(self, columns: Mapping[str, pa.DataType]) -> pa.Schema:
        return pa.schema(columns.items(), metadata=self.about)

    def write(self, rows: Rows, folder: Path) -> None:
        """Write `findings.parquet`, `pictures.parquet` and, of a model that measures, `measurements.parquet`."""
        for name, schema in self._schemas.items():
            table = pa.Table.from_pylist(getattr(rows, name), schema=schema)
            parquet.write_table(table, folder / f"{name}.parquet", compression="zstd")


def _columns_of(target: str, description: Description) -> Iterator[tuple[str, pa.DataType]]:
    """Of one target: its likeliest label, a probability a label; and what is decided, where it is."""
    labels, rule = description.targets[target], description.decided.get(target)
    yield target, pa.string()
    yield from ((f"{target}_probability_{label}", pa.float32()) for label in labels)
    if rule is None:
        return
    if rule.calibration:
        yield from ((f"{target}_calibrated_{label}", pa.float32()) for label in labels)
    if rule.threshold is not None:
        yield f"{target}_decision", pa.string()
    if rule.coverage is not None:
        yield f"{target}_set", pa.list_(pa.string())
        yield f"{target}_undecided", pa.bool_()


def rows_of(study: Study, number: int, found: Found, answer: Answer, mask: str = "") -> Rows:
    """The rows of one picture, the `number`-th of its study from 0 on, whose mask is written as the file `mask`."""
    picture = found.picture
    place = {
        "study": study.name,
        "series": pseudonym(picture.series, "E") if picture.series else None,  # as in `images.csv`
        "picture": number,
        "frame": picture.frame,
    }
    measured = answer.measurements.rows() if answer.measurements else []
    return Rows(
        [{**place, **_finding(one)} for one in answer.findings],
        [{**place, **{name: getattr(row, name) for name in _MEASUREMENT}} for row in measured],
        [{**place, **_picture(answer), "mask": mask or None}],
    )


def _picture(answer: Answer) -> Row:
    spacing = answer.spacing or (None, None)
    told = {
        "height": answer.height,
        "width": answer.width,
        "spacing_y": spacing[0],
        "spacing_x": spacing[1],
        "findings": len(answer.findings),
        "remarks": list(answer.remarks),
    }
    if answer.mask is not None:
        counts = np.bincount(answer.mask.ravel(), minlength=len(answer.mask_labels)).tolist()
        told |= {f"pixels_{label}": count for label, count in zip(answer.mask_labels, counts, strict=True)}
    return told


def _finding(finding: Finding) -> Row:
    corners = dict(zip(("x0", "y0", "x1", "y1"), finding.box or (), strict=False))
    told = {"label": finding.label or None, "level": finding.level or None, "score": finding.score, **corners}
    for grade in finding.grades:
        told |= _grade(grade)
    return told


def _grade(grade: Grade) -> Row:
    told: dict[str, Any] = {grade.target: grade.best, **_by_label(grade, "probability", grade.probabilities)}
    if grade.calibrated is not None:
        told |= _by_label(grade, "calibrated", grade.calibrated)
    if grade.decided is not None:
        told[f"{grade.target}_decision"] = grade.decided
    if grade.prediction_set is not None:
        told |= {f"{grade.target}_set": list(grade.prediction_set), f"{grade.target}_undecided": grade.is_undecided}
    return told


def _by_label(grade: Grade, what: str, values: np.ndarray) -> Row:
    return {f"{grade.target}_{what}_{label}": float(value) for label, value in zip(grade.labels, values, strict=True)}
