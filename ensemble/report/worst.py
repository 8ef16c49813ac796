"""The ensemble's most confident errors on the test split, as pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ensemble.evaluators.classification import ClassificationEvaluator
from ensemble.report.pixels import data_url, grey_picture

__all__ = ["Case", "worst_cases"]

LONGEST = 280  # pixels of a picture's longer side in the page


@dataclass(frozen=True)
class Case:
    """One unit: its picture (H, W), None where it cannot be read, what is true and what each row said."""

    sample: str
    slices: int
    picture: np.ndarray | None
    truth: str
    predicted: str
    probability: float  # of the called class
    probabilities: dict[str, float]  # row -> probability of the true class

    @property
    def url(self) -> str:
        """The picture as a data URL, "" where there is none."""
        return "" if self.picture is None else data_url(self.picture)


def worst_cases(evaluator: ClassificationEvaluator, count: int = 8) -> list[Case]:
    """The units that the ensemble has wrong, the most confident error first; at most `count`."""
    probabilities = evaluator.ensemble.probabilities
    predicted = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != evaluator.values)
    order = wrong[np.argsort(-probabilities[wrong, predicted[wrong]], kind="stable")]
    return [_case(evaluator, unit, int(predicted[unit])) for unit in order[:count]]


def _case(evaluator: ClassificationEvaluator, unit: int, predicted: int) -> Case:
    truth = evaluator.truth
    units = np.array(truth.units)
    rows = np.flatnonzero(units == np.unique(units)[unit])
    middle = rows[len(rows) // 2]
    right = int(evaluator.values[unit])
    return Case(
        sample=truth.samples[middle],
        slices=len(rows),
        picture=grey_picture(truth.paths[middle], LONGEST),
        truth=truth.labels[right],
        predicted=truth.labels[predicted],
        probability=float(evaluator.ensemble.probabilities[unit, predicted]),
        probabilities={row.name: float(row.probabilities[unit, right]) for row in evaluator.rows},
    )
