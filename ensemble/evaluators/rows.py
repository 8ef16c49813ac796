"""The rows of the leaderboard: members, equal weights and the searched ensemble; what every evaluator gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
import pandas as pd

from ensemble.evaluators.pairs import Pairs
from ensemble.evaluators.seconds import Timing
from ensemble.fusion.fuse import weighted_mean, without_zeros
from ensemble.names import free
from ensemble.results.evaluation import Counts, Estimate, Evaluation, PairedTestResult, RowKind
from ensemble.results.evaluation import Row as WrittenRow
from ensemble.results.found_weights import FoundWeights
from ensemble.split_predictions import SplitPredictions

__all__ = [
    *("ENSEMBLE", "EQUAL", "Column", "EvaluatedRow", "Evaluator", "PairedTest"),
    *("alternative_rows", "by_kind", "fused", "fusions", "named_rows", "names_of_classes", "reduced_rows"),
]

EQUAL = "equal weights"
ENSEMBLE = "ensemble"
FIELDS = {
    "reduced": "reduced",
    "alternative": "alternatives",
    "postprocessed": "postprocessed",
}  # of rows that are not the leaderboard's


@dataclass(frozen=True)
class EvaluatedRow:
    """One row; `weight` is a member's in the ensemble, else None. A task's own adds what it is measured by."""

    name: str
    kind: RowKind
    weight: float | None


@dataclass(frozen=True)
class PairedTest:
    """A test of the ensemble against another row: its name in metrics.json, the metric it is about, its result.

    The result is None where the test does not apply.
    """

    key: str
    metric: str
    label: str
    result: PairedTestResult | None

    @property
    def p(self) -> float:
        """Two-sided; NaN where it is undefined."""
        return np.nan if self.result is None or self.result.p is None else self.result.p


@dataclass(frozen=True)
class Column:
    """A column of the printed leaderboard: a metric, its short heading, and whether its interval is shown."""

    metric: str
    heading: str
    interval: bool = False


Row = TypeVar("Row", bound=EvaluatedRow)


@dataclass(frozen=True)
class Evaluator(ABC, Generic[Row]):
    """All rows of one split, the truth of its samples, and the patient (U,) of every unit that is scored once.

    `reduced` are the ensembles that are left when one member is taken out, under that member's name; `alternatives` are
    those of other weights, under the name of the rule that made them; `postprocessed` is the ensemble with its masks
    post-processed, where that is asked for.
    """

    rows: tuple[Row, ...]
    truth: Any
    patients: np.ndarray
    reduced: tuple[Row, ...] = field(default=(), kw_only=True)
    alternatives: tuple[Row, ...] = field(default=(), kw_only=True)
    postprocessed: tuple[Row, ...] = field(default=(), kw_only=True)

    TASK: ClassVar[str]
    EVALUATION: ClassVar[type[Evaluation]]  # what metrics.json holds of the task
    UNITS: ClassVar[str]  # what is scored once, in the plural
    TABLES: ClassVar[tuple[str, ...]] = ()  # names of the evaluation's further CSV files
    COMPARED: ClassVar[tuple[str, ...]]  # `compared`, unless the experiment asks for others

    @classmethod
    @abstractmethod
    def of(cls, split: SplitPredictions, weights: FoundWeights) -> Self:
        """The rows of a split: the members, equal weights, and the ensemble of the weights."""

    @property
    def compared(self) -> tuple[str, ...]:
        """The metrics whose differences are told, the headline first."""
        return self.COMPARED

    @property
    def members(self) -> tuple[Row, ...]:
        """The rows that are members, in the experiment's order."""
        return tuple(row for row in self.rows if row.kind == "member")

    @property
    def equal(self) -> Row:
        """The unweighted mean of all members."""
        return next(row for row in self.rows if row.kind == "equal")

    @property
    def ensemble(self) -> Row:
        """The searched ensemble."""
        return next(row for row in self.rows if row.kind == "ensemble")

    @property
    def given(self) -> tuple[Row, ...]:
        """The ensembles of weights that were given by hand to be judged beside the searched ones."""
        return tuple(row for row in self.rows if row.kind == "given")

    def completed(self, validation: Evaluator[Any], models: Mapping[str, Path], timing: Timing) -> Self:
        """The rows with what this split alone does not tell: settled on `validation`, or measured on their `models`.

        `models` are SavedModels by row, of those that have one, and `timing` tells the seconds that one takes.
        """
        return self

    @property
    @abstractmethod
    def pairs(self) -> Pairs:
        """How often two members differ, and err together."""

    @staticmethod
    @abstractmethod
    def columns(labels: Sequence[str]) -> list[Column]:
        """The columns of the printed leaderboard."""

    @property
    @abstractmethod
    def names(self) -> Mapping[str, str]:
        """Metric -> how people call it, of all metrics that may be told."""

    @property
    @abstractmethod
    def reported(self) -> tuple[str, ...]:
        """The metrics of every row, in order."""

    @property
    @abstractmethod
    def counts(self) -> Counts:
        """Patients, units and rows (images) of the split, and what else is counted."""

    @abstractmethod
    def score(self, row: Row, metric: str, weights: np.ndarray | None = None) -> Any:
        """A metric of a row; with `weights` (R, U), how often each unit counts, R values."""

    @abstractmethod
    def identical(self, other: Row) -> bool:
        """Whether the ensemble says the same as `other` of every unit."""

    @abstractmethod
    def tests(self, other: Row) -> tuple[PairedTest, ...]:
        """Paired tests of the ensemble against `other`."""

    @property
    def notes(self) -> list[str]:
        """What a reader must know of how this split was measured."""
        return []

    @abstractmethod
    def written(self, row: Row, estimates: dict[str, Estimate]) -> WrittenRow:
        """What metrics.json holds of a row: its metrics, and what the task adds to them."""

    def further(self, draws: np.ndarray, confidence: float) -> Mapping[str, Any]:
        """What metrics.json holds of this task alone, measured on the `draws` (R, U) of its units."""
        return {}

    def tables(self) -> list[pd.DataFrame]:
        """The content of `TABLES`."""
        return []


def named_rows(found: FoundWeights) -> list[tuple[str, RowKind, float | None]]:
    """Name, kind and weight of every row of members with these weights, in the leaderboard's order; no name twice."""
    weights, taken = found.weights, [*found.weights, *found.given]
    members: list[tuple[str, RowKind, float | None]] = [(name, "member", float(weights[name])) for name in weights]
    given: list[tuple[str, RowKind, float | None]] = [(name, "given", None) for name in found.given]
    return [*members, (free(EQUAL, taken), "equal", None), *given, (free(ENSEMBLE, taken), "ensemble", None)]


def reduced_rows(weights: Mapping[str, float]) -> list[tuple[str, RowKind, float | None]]:
    """Name, kind and weight of the rows of `FoundWeights.without_each`."""
    kept = without_zeros(weights)
    return [(name, "reduced", weight) for name, weight in kept.items()] if len(kept) > 1 else []


def alternative_rows(alternatives: Iterable[str]) -> list[tuple[str, RowKind, float | None]]:
    """Name, kind and weight of the rows of `FoundWeights.alternatives`."""
    return [(name, "alternative", None) for name in alternatives]


def by_kind(rows: Sequence[Row]) -> dict[str, tuple[Row, ...]]:
    """The fields of an `Evaluator` that these rows fill: `rows`, `reduced`, `alternatives` and `postprocessed`."""
    found: dict[str, tuple[Row, ...]] = {"rows": (), "reduced": (), "alternatives": (), "postprocessed": ()}
    for row in rows:
        found[FIELDS.get(row.kind, "rows")] += (row,)
    return found


def names_of_classes(names: Mapping[str, str], labels: Iterable[str]) -> dict[str, str]:
    """How people call each rate of each class, from what they call the rate: `dice.disc` -> "Dice of disc"."""
    return {f"{rate}.{label}": f"{name} of {label}" for rate, name in names.items() for label in labels}


def fused(members: Mapping[str, np.ndarray], weights: FoundWeights) -> np.ndarray:
    """What the weights make of the members of weight above 0, from float64 (..., C)."""
    kept = [name for name in members if weights.weights[name] > 0]
    return weights.mean(kept)([members[name] for name in kept])


def fusions(members: Mapping[str, np.ndarray], weights: FoundWeights) -> tuple[np.ndarray, ...]:
    """The mean of all members, what each of the given weights makes of them, and what the weights make of those of
    weight above 0, from float64 (..., C).
    """
    equal = weighted_mean(list(members.values()), [1 / len(members)] * len(members))
    return equal, *(fused(members, given) for given in weights.of_given()), fused(members, weights)
