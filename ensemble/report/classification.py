"""What the report shows of classification: curves, confusion matrices, calibration, the most confident errors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from ensemble.decisions.reliability import Reliability
from ensemble.evaluators.classification import ClassificationEvaluator
from ensemble.report.confusion import confusion
from ensemble.report.decisions import decision_drawings
from ensemble.report.page import Page, SplitCounts
from ensemble.report.picture_grid import draw_cases
from ensemble.report.plots import SQUARE, Drawing, intervals
from ensemble.report.style import GREY, Style, new_figure
from ensemble.report.worst import Case, worst_cases
from ensemble.results.evaluation import ClassificationEvaluation
from spine.metrics.classification import ORDINAL

__all__ = ["ClassificationEvidence"]

COLUMNS = ("roc_auc", "accuracy", "sensitivity", "specificity", "precision", "f1", "log_loss")
SHORT = {"roc_auc": "auc"}  # metric -> what figures call it


@dataclass(frozen=True)
class ClassificationEvidence:
    """The test split's units as all rows see them."""

    page: Page[ClassificationEvaluation]
    evaluator: ClassificationEvaluator

    TEMPLATE = "classification.html"

    @classmethod
    def of(cls, page: Page[ClassificationEvaluation]) -> ClassificationEvidence:
        """Read what the members said of the test split."""
        return cls(page, page.run.evaluator_of(page.split))

    def drawings(self, styles: dict[str, Style]) -> dict[str, Drawing]:
        """The task's figures by name."""
        evaluator, evaluation, compared = self.evaluator, self.page.evaluation, self.page.evaluation.compared
        return {
            **{f"interval_{SHORT.get(name, name)}": partial(intervals, evaluation, styles, name) for name in compared},
            "roc": partial(_curves, evaluator, styles, _roc, "false positive rate", "true positive rate"),
            "precision_recall": partial(_curves, evaluator, styles, _precision_recall, "recall", "precision"),
            "calibration": partial(_calibration, evaluator, styles),
            "confusion": partial(confusion, evaluation, "ensemble"),
            "confusion_members": partial(confusion, evaluation, "member"),
            **decision_drawings(evaluation),
        }

    def pictures(self) -> dict[str, Drawing]:
        """The figures that are PNG alone: the most confident errors that have a picture."""
        cases = [
            (case.picture, f"{case.truth}, called {case.predicted} with {case.probability:.2f}")
            for case in self.cases
            if case.picture is not None
        ]
        return {"worst_cases": partial(draw_cases, cases)} if cases else {}

    @cached_property
    def cases(self) -> list[Case]:
        """The most confident errors."""
        return worst_cases(self.evaluator)

    def context(self) -> dict[str, Any]:
        """What the template shows besides the page and its figures."""
        predicted = self.evaluator.ensemble.probabilities.argmax(axis=1)
        return {
            "columns": (*COLUMNS, *ORDINAL) if self.evaluator.ordinal else COLUMNS,
            "intervals": [f"interval_{SHORT.get(name, name)}" for name in self.page.evaluation.compared],
            "cases": self.cases,
            "errors": int(np.sum(predicted != self.evaluator.values)),
            "splits": self._splits(),
        }

    def _splits(self) -> list[SplitCounts]:
        """A row a split: patients, samples, and samples of each class, of those that have the target."""
        experiment, manifest = self.page.experiment, self.page.manifest
        values = manifest.values(experiment.target)
        rows = []
        for name, samples in self.page.samples_of_splits(set(values)):
            classes = [sum(values[sample] == label for sample in samples) for label in experiment.labels]
            rows.append(self.page.count_split(name, samples, classes))
        return rows


def _curves(
    evaluator: ClassificationEvaluator, styles: dict[str, Style], curve: Any, horizontal: str, vertical: str
) -> Any:
    with new_figure(SQUARE, SQUARE + 0.17 * -(-len(evaluator.rows) // 2)) as (figure, axis):
        for row in evaluator.rows:
            x, y = curve(evaluator.values, row.probabilities)
            axis.plot(x, y, label=row.name, clip_on=False, **styles[row.name])
        axis.set(xlim=(0, 1), ylim=(0, 1), xlabel=horizontal, ylabel=vertical, aspect="equal")
        if curve is _roc:
            axis.plot([0, 1], [0, 1], color=GREY, linewidth=0.7, alpha=0.6)
        figure.legend(loc="outside lower center", ncols=2)
    return figure


def _one_against_rest(truth: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The positive class, or every class against the rest pooled (micro average)."""
    if probabilities.shape[1] == 2:
        return truth == 1, probabilities[:, 1]
    return np.eye(probabilities.shape[1], dtype=bool)[truth].ravel(), probabilities.ravel()


def _roc(truth: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.metrics import roc_curve

    positive, score = _one_against_rest(truth, probabilities)
    if positive.all() or not positive.any():
        return np.array([]), np.array([])
    return roc_curve(positive, score)[:2]


def _precision_recall(truth: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.metrics import precision_recall_curve

    positive, score = _one_against_rest(truth, probabilities)
    if not positive.any():
        return np.array([]), np.array([])
    precision, recall, _ = precision_recall_curve(positive, score)
    return recall, precision


def _calibration(evaluator: ClassificationEvaluator, styles: dict[str, Style]) -> Any:
    binary = len(evaluator.truth.labels) == 2
    with new_figure(SQUARE, SQUARE + 0.17) as (figure, axis):
        axis.plot([0, 1], [0, 1], color=GREY, linewidth=0.7, alpha=0.6)
        for row in (evaluator.equal, evaluator.ensemble):
            said = Reliability.of(row.probabilities, evaluator.values)
            look = {"marker": "o", "markersize": 4, **styles[row.name]}
            axis.plot(said.mean_said(), said.shares_right(), label=row.name, **look)
        what = f"probability of {evaluator.truth.labels[-1]}" if binary else "probability of the predicted class"
        axis.set(xlim=(0, 1), ylim=(-0.02, 1.02), xlabel=what, ylabel="share that is true", aspect="equal")
        figure.legend(loc="outside lower center", ncols=2)
    return figure
