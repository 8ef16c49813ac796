"""Detection metrics of fused boxes for many weight vectors and thresholds: those of `spine.metrics`, found faster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ensemble.engine.boxes.box_rows import BoxRows
from ensemble.engine.boxes.match_boxes import Matcher
from ensemble.engine.scoring.objective_by_threshold import FusionThresholds, ObjectiveByThreshold
from ensemble.engine.scoring.objectives import Objective, Scores
from ensemble.fusion.fuse_boxes import BoxFusion, fuse_boxes
from spine import metrics
from spine.core.cores import usable_cores
from spine.core.files import fingerprint
from spine.core.problems import SpineError
from spine.dataset.detections import Detections
from spine.dataset.truth import BoxTruth
from spine.metrics.matches import AREAS, IOUS, Matches, match_images
from spine.predictions.predictions import BoxPredictions, require_of

__all__ = ["Boxes", "box_objectives"]

AT_FEW_IOUS = ("map50", "map75", "f1")  # at 0.5 or 0.75 only


def box_objectives(
    boxes: Boxes, iou_thresholds: Sequence[float], score_thresholds: Sequence[float]
) -> ObjectiveByThreshold:
    """The objectives of members' detections; SpineError where the metric has no value for any of them."""
    if all(np.isnan(boxes.alone(number)) for number in range(len(boxes.members))):
        why = metrics.detection.METRICS.why_undefined(boxes.metric)
        raise SpineError(
            f"{boxes.metric} has no value for any member: {why}. Use map50, or a "
            "split or members for which it is defined"
        )
    values = {"iou_threshold": tuple(iou_thresholds), "score_threshold": tuple(score_thresholds)}
    return ObjectiveByThreshold(boxes.at, boxes.alone, values)


def _listed(name: str, given: Iterable[Detections]) -> tuple[Detections, ...]:
    listed = tuple(given) if isinstance(given, Iterable) else (given,)
    strangers = [type(one).__name__ for one in listed if not isinstance(one, Detections)]
    if strangers:
        raise SpineError(
            f"member {name!r} holds {strangers[0]}; for detection give stored predictions, or a "
            "spine.dataset.detections.Detections per image"
        )
    return listed


@dataclass(frozen=True)
class Boxes:
    """What members detect, as given and as one table of rows, beside the truth and the metric."""

    metric: str
    members: tuple[tuple[Detections, ...], ...]
    rows: BoxRows
    truth: BoxTruth
    matcher: Matcher

    @classmethod
    def of(cls, metric: str, members: Mapping[str, Iterable[Detections]], truth: BoxTruth) -> Boxes:
        """Read each member's detections once; SpineError names the member that does not belong to the truth."""
        metrics.detection.METRICS.of_search(metric)  # a name that does not hold is told before anything is read
        if not isinstance(truth, BoxTruth):
            raise SpineError(f"truth is a {type(truth).__name__}; for detection give a spine.dataset.truth.BoxTruth")
        for name, given in members.items():
            if isinstance(given, BoxPredictions):
                require_of(truth, name, given)
        listed = {name: _listed(name, detections) for name, detections in members.items()}
        rows = BoxRows.from_members(listed, len(truth))
        for name, images in listed.items():
            highest = max((int(image.classes.max(initial=0)) for image in images), default=0)
            if highest > len(truth.labels):
                raise SpineError(
                    f"member {name!r} detects class {highest}; the classes of the labels {list(truth.labels)} are 1 to "
                    f"{len(truth.labels)}"
                )
        return cls(metric, tuple(listed.values()), rows, truth, Matcher.of_truth(truth, *_ious_and_areas(metric)))

    def at(self, thresholds: FusionThresholds) -> Objective:
        """The objective of one fusion."""
        fusion = BoxFusion(**thresholds)
        rated = metrics.detection.METRICS.named(self.metric)
        return Objective(
            self.metric,
            rated.higher_is_better,
            self._scores(fusion),
            lambda row: self._reference(row, fusion),
            self.hash,
        )

    def alone(self, member: int) -> float:
        """The score of one member's own detections."""
        return self._score_of(self.members[member])

    def matches(self, weights: np.ndarray, thresholds: FusionThresholds) -> Iterator[Matches]:
        """What becomes of the boxes that each of the weights (V, M) makes, by one fusion."""
        fusion = BoxFusion(**thresholds)
        rows = self.rows.comparable(fusion)
        return (self.matcher.match(rows.fused(row, fusion.iou_threshold)) for row in weights)

    def _scores(self, fusion: BoxFusion) -> Scores:
        rows = self.rows.comparable(fusion)
        function = metrics.detection.METRICS.named(self.metric).function

        def score(weights: np.ndarray) -> float:
            value = float(function(self.matcher.match(rows.fused(weights, fusion.iou_threshold))))
            return 0.0 if np.isnan(value) else value  # of no true box, where nothing is detected: the worst

        def scores(weights: np.ndarray) -> np.ndarray:
            with ThreadPoolExecutor(usable_cores()) as pool:
                return np.fromiter(pool.map(score, weights), np.float64, len(weights))

        return scores

    def _reference(self, weights: np.ndarray, fusion: BoxFusion) -> float:
        images = zip(*self.members, strict=True)
        return self._score_of([fuse_boxes(image, weights.tolist(), fusion) for image in images])

    def _score_of(self, detections: Sequence[Detections]) -> float:
        ious, areas = _ious_and_areas(self.metric)
        matches = match_images(self.truth, detections, ious=ious, areas=areas)
        return float(metrics.detection.METRICS.named(self.metric).function(matches))

    @property
    def hash(self) -> str:
        """Fingerprint of what the members detect and of the truth."""
        return fingerprint([self.rows.hash, self.truth.hash])


def _ious_and_areas(metric: str) -> tuple[tuple[float, ...], tuple[str, ...]]:
    """The IoU thresholds and area ranges that a metric looks at: matching costs as much as there are."""
    ious = (0.5, 0.75) if metric in AT_FEW_IOUS else IOUS
    area = metric.rsplit("_", 1)[-1]
    return ious, (area,) if area in AREAS else ("all",)
