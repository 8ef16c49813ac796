"""What the report shows of detection: precision and recall, scores, sizes, and boxes in the pictures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from ensemble.evaluators.detection import NAMES_OF_A_CLASS, DetectionEvaluator
from ensemble.report.boxes import choose, see_boxes, see_errors, worst
from ensemble.report.page import Page, SplitCounts
from ensemble.report.picture_grid import Line, draw_cases, draw_grid
from ensemble.report.pixels import data_url
from ensemble.report.plots import SQUARE, WIDE, Drawing, bars_of_classes, intervals
from ensemble.report.style import GREY, Style, new_figure
from ensemble.results.evaluation import DetectionEvaluation
from spine.core.files import with_nulls
from spine.images.tint import class_colour
from spine.metrics import detection as metrics
from spine.metrics.rates import mean_of_defined

__all__ = ["DetectionEvidence"]

COLUMNS = ("map50", "map50_95", "ar", "precision", "recall", "f1", "sensitivity", "specificity", "seconds_an_image")
WORST_CASES = 6
SIDE = 1.8  # inches of a picture, whose boxes have text beside them
RIGHT, WRONG = "#4477aa", "#cc6677"


@dataclass(frozen=True)
class DetectionEvidence:
    """The test split's images as all rows see them, each row with the confidence that metrics.json tells."""

    page: Page[DetectionEvaluation]
    evaluator: DetectionEvaluator

    TEMPLATE = "detection.html"

    @classmethod
    def of(cls, page: Page[DetectionEvaluation]) -> DetectionEvidence:
        """Read what the members said of the test split, and fuse and match it again."""
        confidences = {row.name: row.confidence for row in page.evaluation.rows}
        return cls(page, page.run.evaluator_of(page.split).at(confidences))

    def drawings(self, styles: dict[str, Style]) -> dict[str, Drawing]:
        """The task's figures by name."""
        evaluation, labels = self.page.evaluation, self.page.evaluation.labels
        drawings: dict[str, Drawing] = {
            "interval_map50": partial(intervals, evaluation, styles, "map50"),
            "interval_map50_95": partial(intervals, evaluation, styles, "map50_95"),
            "precision_recall": partial(_precision_recall, self.evaluator, styles),
            "f1_at_confidence": partial(_f1_at_confidence, self.evaluator, styles),
            "scores": partial(_scores, self.evaluator),
        }
        if len(labels) == 1:  # its bars would be those of the mean
            return drawings
        for rate in ("ap50", "f1"):
            drawings[f"{rate}_of_classes"] = partial(
                bars_of_classes, evaluation, styles, labels, rate, NAMES_OF_A_CLASS[rate]
            )
        return drawings

    def pictures(self) -> dict[str, Drawing]:
        """The figures that are PNG alone: every row's boxes, and the worst cases over the true ones."""
        cases = [
            (see_errors(self.evaluator, number), line.captions[self.evaluator.ensemble.name])
            for number, line in self.cases
        ]
        grids: dict[str, Drawing] = {}
        if self.shown:
            grids["overlays"] = partial(draw_grid, self.shown, SIDE)
        if cases:
            grids["worst_cases"] = partial(draw_cases, cases)
        return grids

    @cached_property
    def shown(self) -> list[Line]:
        """Typical and worst images as all rows see them."""
        return [see_boxes(self.evaluator, number, why) for why, number in choose(self.evaluator)]

    @cached_property
    def cases(self) -> list[tuple[int, Line]]:
        """The images that went worst: their number, and how all rows see them."""
        return [(number, see_boxes(self.evaluator, number, "")) for number in worst(self.evaluator, WORST_CASES)]

    def context(self) -> dict[str, Any]:
        """What the template shows besides the page and its figures."""
        labels = self.page.evaluation.labels
        return {
            "columns": COLUMNS,
            "names_of_a_class": NAMES_OF_A_CLASS,
            "legend": {label: class_colour(number) for number, label in enumerate(labels, start=1)},
            "shown": self.shown,
            "cases": [self._case(number, line) for number, line in self.cases],
            "splits": self._splits(),
        }

    def _case(self, number: int, line: Line) -> dict[str, Any]:
        f1 = with_nulls({row.name: self.evaluator.f1_of_images(row)[number] for row in self.evaluator.rows})
        picture = data_url(see_errors(self.evaluator, number))
        return {
            "sample": line.sample,
            "picture": picture,
            "f1": f1,
            "told": line.captions[self.evaluator.ensemble.name],
        }

    def _splits(self) -> list[SplitCounts]:
        """A row a split: patients, samples, and boxes of each class."""
        manifest, labels = self.page.manifest, self.page.evaluation.labels
        rows = []
        for name, samples in self.page.samples_of_splits(set(manifest.images["sample"])):
            boxes = manifest.boxes[manifest.boxes["sample"].isin(samples)]
            classes = [int((boxes["label"] == label).sum()) for label in labels]
            rows.append(self.page.count_split(name, samples, classes))
        return rows


def _precision_recall(evaluator: DetectionEvaluator, styles: dict[str, Style]) -> Any:
    """A curve a row, a panel a class; the dot is where the row's confidence lies."""
    labels = evaluator.truth.labels
    columns = min(len(labels), 3)
    lines, width = -(-len(labels) // columns), SQUARE if len(labels) == 1 else 2 * WIDE
    height = lines * width / columns + 0.17 * -(-len(evaluator.rows) // (2 * columns))
    with new_figure(width, height, columns, lines, squeeze=False) as (figure, axes):
        for number, (axis, label) in enumerate(zip(axes.flat, labels, strict=False)):
            for row in evaluator.rows:
                curve = metrics.precision_recall(row.matches, number)
                name = row.name if number == 0 else None
                axis.plot(curve.recall, curve.precision, label=name, clip_on=False, **styles[row.name])
                counted = np.flatnonzero(curve.confidence >= row.confidence)[-1:]
                axis.plot(curve.recall[counted], curve.precision[counted], "o", color=styles[row.name]["color"])
            axis.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", ylabel="precision", aspect="equal")
            axis.set_title(label if len(labels) > 1 else "")
        for axis in axes.flat[len(labels) :]:
            axis.set_visible(False)
        figure.legend(loc="outside lower center", ncols=2 * columns)
    return figure


def _panel(evaluator: DetectionEvaluator) -> tuple[float, float]:
    """Width and height of a figure: the third beside a single class's curve, or a half below the curves of several."""
    width = SQUARE if len(evaluator.truth.labels) == 1 else WIDE
    return width, SQUARE + 0.17 * -(-len(evaluator.rows) // 2)


def _f1_at_confidence(evaluator: DetectionEvaluator, styles: dict[str, Style]) -> Any:
    """Test F1 of every row at every confidence; the dot is at the one chosen on validation."""
    with new_figure(*_panel(evaluator)) as (figure, axis):
        for row in evaluator.rows:
            f1 = [mean_of_defined(metrics.f1(row.matches, confidence=at)) for at in metrics.CONFIDENCES]
            axis.plot(metrics.CONFIDENCES, f1, label=row.name, **styles[row.name])
            axis.plot(row.confidence, evaluator.score(row, "f1"), "o", color=styles[row.name]["color"])
        axis.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="confidence", ylabel="F1")
        figure.legend(loc="outside lower center", ncols=2)
    return figure


def _scores(evaluator: DetectionEvaluator) -> Any:
    """The ensemble's detections by score, those that are right at IoU 0.5 and those that are wrong."""
    row = evaluator.ensemble
    matches = row.matches
    right = matches.right[matches.area("all"), matches.iou(0.5)]
    edges = np.linspace(0, 1, 21)
    with new_figure(*_panel(evaluator)) as (figure, axis):
        for scores, colour, label in (
            (matches.scores[right], RIGHT, "right"),
            (matches.scores[~right], WRONG, "wrong"),
        ):
            axis.hist(scores, edges, histtype="stepfilled", color=colour, alpha=0.6, label=label)
        axis.axvline(row.confidence, color=GREY, linewidth=1, linestyle=(0, (3, 2)))
        axis.set(xlim=(0, 1), xlabel="score", ylabel="boxes of the ensemble")
        if len(matches.scores):  # of nothing there is no logarithm
            axis.set_yscale("log")
        figure.legend(loc="outside lower center", ncols=2)
    return figure
