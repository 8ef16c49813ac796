"""Classification's rows: probabilities a unit; repeated slices of one disc are averaged before anything is scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ensemble.evaluators.decisions import DecidedUnits
from ensemble.evaluators.pairs import Pairs
from ensemble.evaluators.rows import (
    Column,
    EvaluatedRow,
    Evaluator,
    PairedTest,
    alternative_rows,
    by_kind,
    fused,
    fusions,
    named_rows,
    reduced_rows,
)
from ensemble.results.decisions import Decisions
from ensemble.results.decisions_on_test import DecisionsOnTest
from ensemble.results.evaluation import (
    ClassificationCounts,
    ClassificationEvaluation,
    ClassificationRow,
    DeLongTest,
    Estimate,
    McNemarTest,
)
from ensemble.results.found_weights import FoundWeights
from ensemble.split_predictions import SplitPredictions
from spine.core.words import enumerated
from spine.dataset.truth import ClassTruth
from spine.metrics import classification as metrics
from spine.metrics.statistics import delong, mcnemar

__all__ = ["ClassificationEvaluator", "ClassifiedRow"]

FIRST = (  # in the order of the table; then what else has a title
    *("roc_auc", "accuracy", "sensitivity", "specificity", "precision", "recall", "f1"),
    *("log_loss", "balanced_accuracy", "matthews", "brier"),
)
NOT_REPORTED = ("macro_f1",)  # of more than two classes F1 is just that


@dataclass(frozen=True)
class ClassifiedRow(EvaluatedRow):
    """What one row said of each unit, (U, C) float64."""

    probabilities: np.ndarray


@dataclass(frozen=True)
class ClassificationEvaluator(Evaluator[ClassifiedRow]):
    """All rows of one split, with the class (U,) of every unit, and what is decided by the ensemble's probabilities."""

    truth: ClassTruth
    values: np.ndarray
    decisions: Decisions | None = None
    ordinal: bool = False  # the labels are grades in order

    TASK = "classification"
    EVALUATION = ClassificationEvaluation
    UNITS = "units"
    COMPARED = ("roc_auc", "accuracy")

    @classmethod
    def of(cls, split: SplitPredictions, weights: FoundWeights) -> ClassificationEvaluator:
        """Average the slices of each unit, and fuse the members equally and by the `weights`."""
        members, values, patients = split.to_resample()
        assert isinstance(split.truth, ClassTruth)
        weights = weights.of_members(members)
        outputs = [*members.values(), *fusions(members, weights)]
        reduced, others = weights.without_each(), weights.alternatives()
        named = [*named_rows(weights), *reduced_rows(weights.weights), *alternative_rows(others)]
        outputs += [fused(members, other) for other in (*reduced, *others.values())]
        rows = [ClassifiedRow(*row, probabilities) for row, probabilities in zip(named, outputs, strict=True)]
        kinds: Any = by_kind(rows)
        return cls(truth=split.truth, patients=patients, values=values, decisions=weights.decisions, **kinds)

    @property
    def compared(self) -> tuple[str, ...]:
        """Of grades, what tells how far off they are: to accuracy and AUC all errors are alike."""
        return metrics.COMPARED_OF_GRADES if self.ordinal else self.COMPARED

    @property
    def pairs(self) -> Pairs:
        """Of the predicted classes."""
        predicted = np.stack([metrics.predicted(row.probabilities) for row in self.members])
        wrong = (predicted != self.values).T
        differ = (predicted[:, None] != predicted[None]).transpose(2, 0, 1)
        return Pairs("units", differ, wrong[:, :, None] & wrong[:, None], np.ones(len(self.values)))

    @staticmethod
    def columns(labels: Sequence[str]) -> list[Column]:
        """AUC and accuracy with intervals, and the rates; what tells of grades is shown where they are in order."""
        rates = {"sensitivity": "sens.", "specificity": "spec.", "f1": "F1"}
        of_grades = {"quadratic_kappa": "kappa", "mean_absolute_error": "MAE"}
        return [
            Column("roc_auc", "AUC", interval=True),
            Column("accuracy", "accuracy", interval=True),
            *(Column(metric, heading) for metric, heading in {**rates, **of_grades}.items()),
        ]

    @property
    def names(self) -> Mapping[str, str]:
        """Metric -> how people call it."""
        return metrics.METRICS.titles

    @property
    def reported(self) -> tuple[str, ...]:
        """The metrics of every row, in order."""
        others = (*FIRST, *NOT_REPORTED, *(() if self.ordinal else metrics.ORDINAL))
        return (*FIRST, *(name for name in self.names if name not in others))

    @property
    def counts(self) -> ClassificationCounts:
        """Patients, units, images, and units of each class."""
        classes = np.bincount(self.values, minlength=len(self.truth.labels)).tolist()
        return ClassificationCounts(
            patients=len(set(self.patients)),
            units=len(self.values),
            rows=len(self.truth.samples),
            units_per_class=dict(zip(self.truth.labels, classes, strict=True)),
        )

    @property
    def notes(self) -> list[str]:
        """Which rows call every unit the same class, where the truth holds several."""
        if len(np.unique(self.values)) < 2:
            return []
        predicted = {row.name: metrics.predicted(row.probabilities) for row in self.rows}
        sentences = []
        for number, label in enumerate(self.truth.labels):
            if names := [name for name, classes in predicted.items() if (classes == number).all()]:
                sentences.append(
                    f"{enumerated(names)} call{'s' if len(names) == 1 else ''} all {len(self.values)} units {label}, "
                    f"the class of highest probability: accuracy is then the share of units that are {label}, and only "
                    "AUC tells how well units are ranked."
                )
        return sentences

    def score(self, row: ClassifiedRow, metric: str, weights: np.ndarray | None = None) -> Any:
        """A metric of `spine.metrics` over the units."""
        return metrics.METRICS.named(metric).function(self.values, row.probabilities, weights)

    def identical(self, other: ClassifiedRow) -> bool:
        """Whether all probabilities are equal."""
        return bool(np.array_equal(self.ensemble.probabilities, other.probabilities))

    def tests(self, other: ClassifiedRow) -> tuple[PairedTest, ...]:
        """McNemar of the predicted classes, DeLong of the areas."""
        first, second = self.ensemble.probabilities, other.probabilities
        discordant = mcnemar(self.values, metrics.predicted(first), metrics.predicted(second))
        return (
            PairedTest("mcnemar", "accuracy", "exact McNemar", McNemarTest.of(discordant)),
            PairedTest("delong", "roc_auc", "DeLong", _delong(self.values, first, second)),
        )

    def written(self, row: ClassifiedRow, estimates: dict[str, Estimate]) -> ClassificationRow:
        """With the confusion matrix."""
        confusion = metrics.confusion(self.values, row.probabilities).astype(int).tolist()
        return ClassificationRow(
            name=row.name, kind=row.kind, weight=row.weight, metrics=estimates, confusion=confusion
        )

    def further(self, draws: np.ndarray, confidence: float) -> dict[str, DecisionsOnTest]:
        """What the decisions are worth, where there are any."""
        if self.decisions is None:
            return {}
        units = DecidedUnits(self.ensemble.probabilities, self.values, self.patients, draws, confidence)
        return {"decisions": units.judge(self.decisions, self.truth.labels)}


def _delong(truth: np.ndarray, first: np.ndarray, second: np.ndarray) -> DeLongTest | None:
    """None where it does not apply: more than two classes, or fewer than two units of either."""
    if first.shape[1] != 2 or np.bincount(truth, minlength=2).min() < 2:
        return None
    return DeLongTest.of(delong(truth, first[:, 1], second[:, 1]))
