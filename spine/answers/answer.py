"""The answer to one picture, whatever model gave it: classification, segmentation, detection or a whole case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spine.answers.decision_rules import DecisionRules
from spine.answers.description import NOT_FOR_DIAGNOSIS
from spine.answers.doubts import doubts_of_levels
from spine.measurements import Measurements

__all__ = ["UNDECIDED", "Answer", "Finding", "Grade"]

UNDECIDED = "undecided"

Box = tuple[float, float, float, float]  # x0 y0 x1 y1, 0-based half-open pixels of the picture


@dataclass(frozen=True)
class Grade:
    """Probabilities (C,) of the `labels` of one target; `members` has those of each member, where they were asked for.

    `disagreement` of the members is in bits, from 0. Of a model that decides, `calibrated` has probabilities (C,) too,
    `decided` the label that the operating point decides, and `prediction_set` the labels that may be true.
    """

    target: str
    labels: tuple[str, ...]
    probabilities: np.ndarray
    members: Mapping[str, np.ndarray] = field(default_factory=dict)
    disagreement: float | None = None
    calibrated: np.ndarray | None = None
    decided: str | None = None
    prediction_set: tuple[str, ...] | None = None

    @property
    def best(self) -> str:
        """The likeliest label; the first of those that are."""
        return self.labels[int(np.argmax(self.probabilities))]

    @property
    def probability(self) -> float:
        """Of the likeliest label."""
        return float(np.max(self.probabilities))

    @property
    def is_undecided(self) -> bool:
        """Whether there is a prediction set, of more than one label or of none."""
        return self.prediction_set is not None and len(self.prediction_set) != 1

    @property
    def verdict(self) -> str:
        """In one word: undecided, else the label decided, else the only one of the set; "" of a model without these."""
        if self.is_undecided:
            return UNDECIDED
        return self.decided or "".join(self.prediction_set or ())

    def to_json(self) -> dict[str, Any]:
        """Plain values, probabilities by label."""
        told: dict[str, Any] = {
            "target": self.target,
            "label": self.best,
            "probabilities": _by_name(self.labels, self.probabilities),
        }
        if self.members:
            told["members"] = {name: _by_name(self.labels, values) for name, values in self.members.items()}
        if self.disagreement is not None:
            told["disagreement_bits"] = _plain(self.disagreement)
        return told | self._decisions()

    def _decisions(self) -> dict[str, Any]:
        """What was decided, where it was."""
        told: dict[str, Any] = {}
        if self.calibrated is not None:
            told["calibrated"] = _by_name(self.labels, self.calibrated)
        if self.decided is not None:
            told["decision"] = self.decided
        if self.prediction_set is not None:
            told |= {"prediction_set": list(self.prediction_set), UNDECIDED: self.is_undecided}
        return told


@dataclass(frozen=True)
class Finding:
    """One box with its grades; of the whole picture where `box` is None, with label "".

    `level` counts boxes of that label from below, 1 the lowest; 0 where they are not counted.
    """

    label: str
    box: Box | None = None
    score: float | None = None
    level: int = 0
    grades: tuple[Grade, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values; the box as x0 y0 x1 y1 in pixels."""
        told: dict[str, Any] = {"label": self.label} if self.label else {}
        if self.box is not None:
            told["box"] = [_plain(corner) for corner in self.box]
        if self.score is not None:
            told["score"] = _plain(self.score)
        if self.level:
            told["level"] = self.level
        return told | {"grades": [grade.to_json() for grade in self.grades]}


@dataclass(frozen=True)
class Answer:
    """What version `version` of `model` says of one picture of (height, width) pixels.

    `spacing` (row, column) in mm, None where it is not known. `mask` (H, W) holds indices into `mask_labels`,
    `probabilities` (H, W, C) and the members' `disagreement` (H, W) in bits belong to it; None where the model has no
    such part, or was not asked for it. `rules` has how the grades of a target were decided, where they were.
    """

    model: str
    version: str
    height: int
    width: int
    spacing: tuple[float, float] | None = None
    findings: tuple[Finding, ...] = ()
    mask: np.ndarray | None = None
    mask_labels: tuple[str, ...] = ()
    probabilities: np.ndarray | None = None
    disagreement: np.ndarray | None = None
    measurements: Measurements | None = None
    rules: Mapping[str, DecisionRules] = field(default_factory=dict)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader must know of it: which levels are in doubt, and why."""
        return doubts_of_levels(self.findings, self.spacing, self.measurements)

    @property
    def said_of_decisions(self) -> tuple[str, ...]:
        """How the grades were decided, in sentences; nothing where none was."""
        labels = {grade.target: grade.labels for finding in self.findings for grade in finding.grades}
        told = [rule.sentences(target, labels[target]) for target, rule in self.rules.items() if target in labels]
        return tuple(sentence for of_target in told for sentence in of_target)

    def to_json(self) -> dict[str, Any]:
        """Plain values without maps of pixels; how many pixels each class of the mask has."""
        told: dict[str, Any] = {
            "model": self.model,
            "version": self.version,
            "note": NOT_FOR_DIAGNOSIS,
            "height": self.height,
            "width": self.width,
            "spacing_mm": list(self.spacing) if self.spacing else None,
            "findings": [finding.to_json() for finding in self.findings],
            "remarks": list(self.remarks),
        }
        if self.rules:
            told["decided_by"] = {name: rule.model_dump(exclude_defaults=True) for name, rule in self.rules.items()}
        if self.mask is not None:
            counts = np.bincount(self.mask.ravel(), minlength=len(self.mask_labels))
            told["mask_pixels"] = dict(zip(self.mask_labels, counts.tolist(), strict=True))
        if self.measurements is not None:
            told["measurements"] = self.measurements.to_json()
        return told


def _by_name(names: tuple[str, ...], values: np.ndarray) -> dict[str, float]:
    return {name: _plain(value) for name, value in zip(names, values, strict=True)}


def _plain(value: Any) -> float:
    return round(float(value), 6)  # float32 reaches no further
