"""Detection's rows: every row's boxes matched to the true ones image by image, after the members were fused.

A rate at a confidence counts the boxes with at least that score. Scores mean something else to every row (fusion lowers
those that few members share), so each row has a confidence of its own: where its F1 is highest on validation. Seconds
are those of one picture at a time through the row's SavedModel, the median over some of the split's pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ensemble.evaluators.pairs import Pairs, count_pairs
from ensemble.evaluators.rows import (
    Column,
    EvaluatedRow,
    Evaluator,
    PairedTest,
    alternative_rows,
    by_kind,
    named_rows,
    names_of_classes,
    reduced_rows,
)
from ensemble.evaluators.seconds import Timing
from ensemble.fusion.fuse_boxes import fuse_boxes
from ensemble.results.evaluation import DetectionCounts, DetectionEvaluation, DetectionRow, Estimate, WilcoxonTest
from ensemble.results.found_weights import FoundWeights
from ensemble.split_predictions import SplitPredictions
from spine.core.progress import track
from spine.dataset.detections import Detections, ious
from spine.dataset.truth import BoxTruth
from spine.metrics import detection as metrics
from spine.metrics.matches import Matches, match_images
from spine.metrics.rates import mean_of_defined, ratio
from spine.metrics.statistics import wilcoxon

__all__ = ["AT_CONFIDENCE", "SIZES", "DetectedRow", "DetectionEvaluator"]

NAMES_HERE = {"seconds_an_image": "seconds an image"}
SIZES = ("small", "medium", "large")  # of boxes, as `spine.metrics.detection` has them
NAMES_OF_A_SIZE = {"map50_95": "mAP at IoU 0.5 to 0.95, {} boxes", "ar": "average recall, {} boxes"}
NAMES_OF_A_CLASS = {"ap50": "AP at IoU 0.5", "precision": "precision", "recall": "recall", "f1": "F1"}
AT_IOU = 0.5  # from which a true box is found

Rates = Callable[..., np.ndarray]
AT_CONFIDENCE: dict[str, Rates] = {
    "precision": metrics.precision,
    "recall": metrics.recall,
    "f1": metrics.f1,
    "sensitivity": lambda *args, **options: metrics.image_rates(*args, **options)[0],
    "specificity": lambda *args, **options: metrics.image_rates(*args, **options)[1],
}


@dataclass(frozen=True)
class DetectedRow(EvaluatedRow):
    """What one row detected in each of N images, and how that matches the truth.

    `seconds` (N,) are what its SavedModel took, NaN for pictures that were not timed.
    """

    detections: tuple[Detections, ...]
    matches: Matches
    seconds: np.ndarray
    confidence: float = metrics.CONFIDENCE


@dataclass(frozen=True)
class DetectionEvaluator(Evaluator[DetectedRow]):
    """All rows of one split."""

    truth: BoxTruth

    TASK = "detection"
    EVALUATION = DetectionEvaluation
    UNITS = "images"
    TABLES = ("images.csv",)
    COMPARED = ("map50", "map50_95")

    @classmethod
    def of(cls, split: SplitPredictions, weights: FoundWeights) -> DetectionEvaluator:
        """Fuse the members' boxes equally and by the `weights`, both with the thresholds that were found with them.

        Alternatives have thresholds of their own.
        """
        truth, members = split.truth, {name: tuple(stored) for name, stored in split.stored.items()}
        assert isinstance(truth, BoxTruth)
        weights = weights.of_members(members)
        others = weights.alternatives()
        equal = weights.model_copy(update={"weights": dict.fromkeys(members, 1 / len(members))})
        fusions = [equal, *weights.of_given(), weights, *weights.without_each(), *others.values()]
        predictions = [*members.values(), *(_fuse(list(members.values()), one) for one in fusions)]
        named = [*named_rows(weights), *reduced_rows(weights.weights), *alternative_rows(others)]
        unknown = np.full(len(truth), np.nan)
        rows = [
            DetectedRow(*row, detections, match_images(truth, detections), unknown)
            for row, detections in zip(named, track(predictions, "matching boxes", len(predictions)), strict=True)
        ]
        return cls(truth=truth, patients=np.array(truth.patients), **by_kind(rows))

    @property
    def pairs(self) -> Pairs:
        """Of the true boxes, found or missed at each member's confidence: a wrong box has no other to compare with."""
        images = [self._found(number).astype(int) for number in range(len(self.truth))]
        differ, both_missed = np.stack([count_pairs(found, np.ones(found.shape[1])) for found in images], axis=1)
        return Pairs("true boxes", differ, both_missed, np.array([found.shape[1] for found in images]))

    def _found(self, number: int) -> np.ndarray:
        """Which true boxes (M, G) of one image each member has found, at IoU 0.5 and of the right class."""
        boxes, classes = self.truth.boxes[number], self.truth.classes[number]
        found = [one.detections[number].above(one.confidence) for one in self.members]
        return np.stack(
            [
                (
                    (ious(boxes, one.in_pixels(*self.truth.sizes[number])) >= AT_IOU)
                    & (classes[:, None] == one.classes[None])
                ).any(axis=1)
                for one in found
            ]
        )

    def completed(self, validation: Evaluator[Any], models: Mapping[str, Path], timing: Timing) -> DetectionEvaluator:
        """The rows with the confidence of their F1 on `validation`, and the seconds that their models take."""
        confidences = {row.name: metrics.best_confidence(row.matches) for row in validation.rows}
        seconds = {name: timing(model) for name, model in models.items()}
        timed = (replace(row, seconds=seconds.get(row.name, row.seconds)) for row in self.rows)
        return replace(self, rows=tuple(timed)).at(confidences)

    def at(self, confidences: Mapping[str, float]) -> DetectionEvaluator:
        """The same with those confidences, by row."""
        return replace(self, rows=tuple(replace(row, confidence=confidences[row.name]) for row in self.rows))

    @staticmethod
    def columns(labels: Sequence[str]) -> list[Column]:
        """Both mean average precisions with intervals, recall and the rates."""
        return [
            Column("map50", "mAP50", interval=True),
            Column("map50_95", "mAP50-95", interval=True),
            *(Column(metric, heading) for metric, heading in {"ar": "AR", "f1": "F1", "seconds_an_image": "s"}.items()),
        ]

    @property
    def names(self) -> Mapping[str, str]:
        """Metric -> how people call it, those of sizes and of single classes included."""
        sizes = {f"{rate}_{size}": name.format(size) for rate, name in NAMES_OF_A_SIZE.items() for size in SIZES}
        classes = names_of_classes(NAMES_OF_A_CLASS, self.truth.labels)
        return {**metrics.METRICS.titles, **NAMES_HERE, **sizes, **classes}

    @property
    def reported(self) -> tuple[str, ...]:
        """The metrics over all boxes, of the sizes that occur, and of each class where there are several."""
        of_sizes = [f"{rate}_{size}" for rate in NAMES_OF_A_SIZE for size in self.sizes]
        labels = self.truth.labels if len(self.truth.labels) > 1 else ()
        of_classes = [f"{rate}.{label}" for rate in NAMES_OF_A_CLASS for label in labels]
        return (*metrics.METRICS.titles, *NAMES_HERE, *of_sizes, *of_classes)

    @property
    def sizes(self) -> dict[str, int]:
        """How many true boxes are small, medium, large: those sizes that occur."""
        matches = self.rows[0].matches
        boxes = {size: int(matches.truths[:, matches.area(size)].sum()) for size in SIZES}
        return {size: count for size, count in boxes.items() if count}

    @property
    def counts(self) -> DetectionCounts:
        """Patients, images, those without a box, and true boxes of each class and size."""
        classes = np.bincount(np.concatenate(self.truth.classes) - 1, minlength=len(self.truth.labels)).tolist()
        return DetectionCounts(
            patients=len(set(self.patients)),
            units=len(self.truth),
            rows=len(self.truth),
            without_boxes=sum(not len(boxes) for boxes in self.truth.boxes),
            boxes=sum(classes),
            boxes_per_class=dict(zip(self.truth.labels, classes, strict=True)),
            boxes_per_size=self.sizes,
        )

    @property
    def notes(self) -> list[str]:
        """Rows that detect nothing, or nothing with the confidence at which they are judged."""
        silent = [
            row.name for row in self.rows if not any((one.scores >= row.confidence).any() for one in row.detections)
        ]
        return (
            [f"Finds no box in any image with the confidence it is judged at: {', '.join(silent)}."] if silent else []
        )

    def score(self, row: DetectedRow, metric: str, weights: np.ndarray | None = None) -> Any:
        """A metric by one of `names`."""
        rate, _, label = metric.partition(".")
        if rate == "seconds_an_image":
            return _median(row.seconds, np.ones(len(row.seconds)) if weights is None else weights)
        if rate in AT_CONFIDENCE:
            rates = AT_CONFIDENCE[rate](row.matches, weights, confidence=row.confidence)
            return rates[..., self.truth.labels.index(label)] if label else mean_of_defined(rates)
        if label:
            return metrics.average_precision(row.matches, weights, iou=0.5)[..., self.truth.labels.index(label)]
        return metrics.METRICS[rate].function(row.matches, weights)

    def identical(self, other: DetectedRow) -> bool:
        """Whether all boxes, scores and classes are equal."""
        pairs = zip(self.ensemble.detections, other.detections, strict=True)
        return all(
            np.array_equal(getattr(first, name), getattr(second, name))
            for first, second in pairs
            for name in ("boxes", "scores", "classes")
        )

    def tests(self, other: DetectedRow) -> tuple[PairedTest, ...]:
        """Wilcoxon's signed ranks of the patients' own mAP50: patients are independent, their images are not."""
        found = wilcoxon(self.map50_of_patients(self.ensemble), self.map50_of_patients(other))
        return (PairedTest("wilcoxon", "map50", "Wilcoxon over patients", WilcoxonTest.of(found)),)

    def map50_of_patients(self, row: DetectedRow) -> np.ndarray:
        """mAP50 over the images of each patient alone, patients in sorted order; NaN for one without a true box."""
        alone = np.unique(self.patients)[:, None] == self.patients
        return self.score(row, "map50", alone.astype(np.float64))

    def written(self, row: DetectedRow, estimates: dict[str, Estimate]) -> DetectionRow:
        """With the confidence of this row, and the boxes that are right, wrong and missed with it."""
        right, predicted, true = (int(count) for count in self.boxes_of_images(row).sum(axis=0))
        return DetectionRow(
            name=row.name,
            kind=row.kind,
            weight=row.weight,
            metrics=estimates,
            confidence=row.confidence,
            right=right,
            wrong=predicted - right,
            missed=true - right,
        )

    def tables(self) -> list[pd.DataFrame]:
        """images.csv: a line a row and image."""
        return [pd.concat([self._table(row) for row in self.rows], ignore_index=True)]

    def _table(self, row: DetectedRow) -> pd.DataFrame:
        right, predicted, true = self.boxes_of_images(row).T
        table = pd.DataFrame({"sample": self.truth.samples, "patient": self.patients, "name": row.name})
        table[["right", "wrong", "missed"]] = np.stack([right, predicted - right, true - right], axis=1)
        table["f1"] = self.f1_of_images(row)
        table["seconds"] = row.seconds
        return table

    def f1_of_images(self, row: DetectedRow) -> np.ndarray:
        """F1 (N,) of each image alone, over all classes; NaN where neither truth nor row has a box."""
        right, predicted, true = self.boxes_of_images(row).T
        return ratio(2 * right, predicted + true)

    def boxes_of_images(self, row: DetectedRow) -> np.ndarray:
        """(N, 3) of each image: right detections, all detections, true boxes, of all classes."""
        return metrics.count_boxes(row.matches, row.confidence).sum(axis=1).astype(int)


def _fuse(members: list[tuple[Detections, ...]], weights: FoundWeights) -> tuple[Detections, ...]:
    shares, fusion = list(weights.weights.values()), weights.box_fusion
    return tuple(fuse_boxes(of_members, shares, fusion) for of_members in zip(*members, strict=True))


def _median(values: np.ndarray, weights: np.ndarray) -> Any:
    """Median of the known values (N,), each counted as often as its weight (..., N); the lower of two. NaN of none."""
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.argsort(values[known])]
    counted = np.cumsum(weights[..., order], axis=-1)
    if not len(order):
        return np.full(weights.shape[:-1], np.nan)
    place = (counted < counted[..., -1:] / 2).sum(axis=-1)
    return np.where(counted[..., -1] > 0, values[order][place], np.nan)
