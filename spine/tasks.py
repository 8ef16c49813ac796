"""The table of tasks: what code that serves all of them asks of each.

A task's own packages train and judge it; here is what its truth is, how predictions of it are stored, what it is
measured by, and what splits hold alike. `ensemble/tasks.py` adds what the ensemble asks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from spine import metrics
from spine.core.near_names import unknown_name
from spine.core.problems import SpineError
from spine.dataset.detections import OUTPUTS, Detections
from spine.dataset.manifest import Manifest
from spine.dataset.truth import AnyTruth, BoxTruth, ClassTruth, MaskTruth
from spine.metrics.table import MetricTable
from spine.predictions.external_arrays import checked_boxes, checked_maps, checked_rows
from spine.predictions.predictions import AnyPredictions, BoxPredictions, Predictions
from spine.predictions.stored_tables import PREDICT

__all__ = ["CASE", "TASKS", "Task", "outputs_of"]

CASE = "case"  # tasks that are chained into one model: what it gives is its detector's, and more


@dataclass(frozen=True)
class Task:
    """A row of the table.

    - `truth` reads what is true of a split, of a target and labels; `strata` gives for each sample what is to be alike
      in all folds.
    - `predictions` store what a member predicts; `checked` is what an external member gives, held against the truth.
    - `metrics` has the metrics by name; `is_defined` tells whether one of them has a value for any prediction at all.
    - `outputs` are those that a SavedModel must have.
    - `fewest_labels` an experiment has; with `has_probabilities`, members give a probability for each class, and with
      `classifies` one row of them a picture, of which decisions can be made.
    - `package` has the task's `config`, `train` and `model`; it is called as the task where it is not named.
    """

    name: str
    truth: Callable[[Manifest, str, str, tuple[str, ...]], AnyTruth]
    strata: Callable[[Manifest, str, tuple[str, ...]], Mapping[str, Iterable[str]]]
    predictions: type[Predictions] | type[BoxPredictions]
    checked: Callable[[Any, AnyTruth], Any]
    metrics: MetricTable
    is_defined: Callable[[str, Any], bool]
    outputs: tuple[str, ...] = ("probabilities",)
    fewest_labels: int = 2
    has_probabilities: bool = True
    classifies: bool = False
    package: str = ""

    def open_predictions(self, path: Any) -> AnyPredictions:
        """A stored directory as this task stores it; SpineError where it is of another task."""
        stored = self.predictions.open(path)
        if stored.task != self.name:
            raise SpineError(f"{path} holds predictions of {stored.task}, not of {self.name}; {PREDICT}")
        return stored


def _read_classes(manifest: Manifest, split: str, target: str, labels: tuple[str, ...]) -> ClassTruth:
    return ClassTruth.of_classification(manifest, split, target, labels)


def _read_masks(manifest: Manifest, split: str, target: str, labels: tuple[str, ...]) -> MaskTruth:
    return MaskTruth.of_segmentation(manifest, split, labels)


def _read_boxes(manifest: Manifest, split: str, target: str, labels: tuple[str, ...]) -> BoxTruth:
    return BoxTruth.of_detection(manifest, split, labels)


def _value_of_sample(manifest: Manifest, target: str, labels: tuple[str, ...]) -> Mapping[str, Iterable[str]]:
    return {sample: (value,) for sample, value in manifest.values(target).items()}


def _has_mask(manifest: Manifest, target: str, labels: tuple[str, ...]) -> Mapping[str, Iterable[str]]:
    return dict.fromkeys(manifest.images.loc[manifest.images["mask_sha256"] != "", "sample"], ("mask",))


def _labels_of_boxes(manifest: Manifest, target: str, labels: tuple[str, ...]) -> Mapping[str, Iterable[str]]:
    boxes = manifest.boxes[manifest.boxes["label"].isin(labels)]
    return dict(boxes.groupby("sample")["label"].agg(tuple))


# Whether a metric is defined: where it has no value for a prediction that is all right, it has none for any.


def _is_defined_of_classes(name: str, truth: ClassTruth) -> bool:
    probabilities, values, _ = truth.by_unit(np.eye(len(truth.labels))[truth.values])
    return math.isfinite(float(metrics.classification.METRICS[name].function(values, probabilities)))


def _is_defined_of_masks(name: str, truth: MaskTruth) -> bool:
    """Without a pixel of the foreground there is nothing to divide by; masks are read until one is met."""
    return "foreground" not in name or any(classes - {0} for classes in truth.classes_met())


def _is_defined_of_boxes(name: str, truth: BoxTruth) -> bool:
    from spine.metrics.matches import match_images

    found = []
    for boxes, classes, (height, width) in zip(truth.boxes, truth.classes, truth.sizes, strict=True):
        relative = boxes[:, [1, 0, 3, 2]] / np.array([height, width, height, width], np.float32)
        found.append(Detections.from_arrays(relative, np.ones(len(boxes), np.float32), classes))
    return math.isfinite(float(metrics.detection.METRICS[name].function(match_images(truth, found))))


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task(
            "classification",
            truth=_read_classes,
            strata=_value_of_sample,
            predictions=Predictions,
            checked=checked_rows,
            metrics=metrics.classification.METRICS,
            is_defined=_is_defined_of_classes,
            classifies=True,
        ),
        Task(
            "segmentation",
            truth=_read_masks,
            strata=_has_mask,
            predictions=Predictions,
            checked=checked_maps,
            metrics=metrics.segmentation.METRICS,
            is_defined=_is_defined_of_masks,
        ),
        Task(
            "detection",
            truth=_read_boxes,
            strata=_labels_of_boxes,
            predictions=BoxPredictions,
            checked=checked_boxes,
            metrics=metrics.detection.METRICS,
            is_defined=_is_defined_of_boxes,
            outputs=OUTPUTS,
            fewest_labels=1,
            has_probabilities=False,
        ),
    )
}


def outputs_of(task: str) -> tuple[str, ...]:
    """The outputs that a SavedModel of a task, or of a case, must have; SpineError where it is neither."""
    if task == CASE:
        return OUTPUTS
    if task not in TASKS:
        raise SpineError(unknown_name("task", task, (*TASKS, CASE)))
    return TASKS[task].outputs
