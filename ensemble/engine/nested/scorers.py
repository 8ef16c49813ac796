"""Scores of weight vectors on any draws of the patients: what a vector says of the units is found once, then counted.

A unit is what draws count: a disc (classification), or an image (segmentation and detection).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ensemble.engine.boxes.box_objectives import Boxes
from ensemble.engine.nested.area_by_patient import areas_on_draws, pays
from ensemble.engine.scoring.objective_by_threshold import FusionThresholds
from ensemble.engine.scoring.presolve import Presolved
from ensemble.engine.scoring.stack import Stack
from spine import metrics
from spine.metrics.matches import Matches

__all__ = ["BoxScorer", "ImageScorer", "SampleScorer", "Scorer"]

BLOCK = 64  # weight vectors whose counts are held at a time


@dataclass(frozen=True)
class Scorer(ABC):
    """Called with weights (V, M) and draws (R, U), how often each unit counts, it gives V rows of scores (R,).

    `said` is what each of the vectors says of all units, `join` what several say that speak for some units each, and
    `score` the metric (R,) of either.
    """

    @property
    def fusion(self) -> FusionThresholds:
        """The thresholds of the fusion; nothing where it has none."""
        return {}

    def __call__(self, weights: np.ndarray, draws: np.ndarray) -> Iterator[np.ndarray]:
        """A row a weight vector."""
        return (self.score(one, draws) for one in self.said(weights))

    @abstractmethod
    def said(self, weights: np.ndarray) -> Iterator[Any]:
        """One a weight vector."""

    @abstractmethod
    def join(self, said: Sequence[Any], units: np.ndarray) -> Any:
        """Of K answers, each for its own units: `units` (K, U) bool, every unit in one row."""

    @abstractmethod
    def score(self, said: Any, draws: np.ndarray) -> np.ndarray:
        """The metric on each draw, NaN where it is undefined."""


@dataclass(frozen=True)
class SampleScorer(Scorer):
    """Of classification: the units are the rows of the stack, and what is said are probabilities (U, C).

    With the `patients` (U,) of units, draws count all units of a patient alike, which makes areas faster.
    """

    stack: Stack
    metric: str
    patients: np.ndarray | None = None

    def __call__(self, weights: np.ndarray, draws: np.ndarray) -> Iterator[np.ndarray]:
        """A row a weight vector."""
        if self.metric == "roc_auc" and self.patients is not None and pays(self.patients):
            return areas_on_draws(self.stack, self.patients, weights, draws)
        return super().__call__(weights, draws)

    def said(self, weights: np.ndarray) -> Iterator[np.ndarray]:
        """Fused probabilities."""
        return (self.stack.fused(row) for row in weights)

    def join(self, said: Sequence[np.ndarray], units: np.ndarray) -> np.ndarray:
        """Row by row."""
        return _joined(said, units)

    def score(self, said: np.ndarray, draws: np.ndarray) -> np.ndarray:
        """By `spine.metrics`."""
        return np.asarray(metrics.classification.METRICS.named(self.metric).function(self.stack.truth, said, draws))


@dataclass(frozen=True)
class ImageScorer(Scorer):
    """Of segmentation, from pixels grouped by image and true class; what is said are counts (U, C, 3) of the images."""

    presolved: Presolved
    metric: str

    def said(self, weights: np.ndarray) -> Iterator[np.ndarray]:
        """Counts of each image."""
        classes = self.presolved.fixed.shape[1]
        for start in range(0, len(weights), BLOCK):
            confusions = self.presolved.confusions(weights[start : start + BLOCK], len(weights))
            yield from metrics.segmentation.counts_of(confusions.reshape(len(confusions), -1, classes, classes))

    def join(self, said: Sequence[np.ndarray], units: np.ndarray) -> np.ndarray:
        """Image by image."""
        return _joined(said, units)

    def score(self, said: np.ndarray, draws: np.ndarray) -> np.ndarray:
        """By `spine.metrics`."""
        return np.asarray(metrics.segmentation.METRICS.named(self.metric).function(said, draws))


@dataclass(frozen=True)
class BoxScorer(Scorer):
    """Of detection, fused with those thresholds; what is said are the matches of all images."""

    boxes: Boxes
    thresholds: FusionThresholds

    @property
    def fusion(self) -> FusionThresholds:
        """As it was made."""
        return self.thresholds

    def said(self, weights: np.ndarray) -> Iterator[Matches]:
        """Matches of the fused boxes."""
        return self.boxes.matches(weights, self.thresholds)

    def join(self, said: Sequence[Matches], units: np.ndarray) -> Matches:
        """Image by image, whatever the thresholds that each was fused with."""
        return Matches.of_images(said, units)

    def score(self, said: Matches, draws: np.ndarray) -> np.ndarray:
        """By `spine.metrics`."""
        return np.asarray(metrics.detection.METRICS.named(self.boxes.metric).function(said, draws))


def _joined(said: Sequence[np.ndarray], units: np.ndarray) -> np.ndarray:
    joined = said[0].copy()
    for one, own in zip(said[1:], units[1:], strict=True):
        joined[own] = one[own]
    return joined
