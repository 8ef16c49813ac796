"""The search's problem of detection: every box in one table, fused under thresholds that are searched too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from ensemble.engine.boxes.box_objectives import Boxes, box_objectives
from ensemble.engine.nested.scorers import BoxScorer
from ensemble.engine.scoring.objective_by_threshold import ObjectiveByThreshold
from ensemble.engine.scoring.objectives import Objective
from ensemble.search_problem.base import SearchProblem
from ensemble.search_problem.context import SearchContext
from spine.core.problems import SpineError
from spine.experiment.stages import SearchSettings

__all__ = ["DetectionProblem"]

NO_PROBABILITIES = "temperature scales class probabilities, which detection does not have; leave it out"
IMAGES_FUSED = 40_000  # in all resamples: a limit by a count, so that any machine does the same work


@dataclass(frozen=True)
class DetectionProblem(SearchProblem):
    """Members give `Detections` of every image, in the order of the truth."""

    TASK = "detection"

    @cached_property
    def boxes(self) -> Boxes:
        """What all members detect, read once."""
        return Boxes.of(self.metric, self.members, self.truth)

    def _fit_temperatures(self) -> tuple[float, ...]:
        raise SpineError(NO_PROBABILITIES)

    def _objectives(self, settings: SearchSettings, vectors: int) -> ObjectiveByThreshold:
        if settings.method == "line":
            raise SpineError("method 'line' does not support detection; use grid, greedy, tpe or cmaes")
        if self.temperature:
            raise SpineError(NO_PROBABILITIES)
        return box_objectives(self.boxes, settings.iou_thresholds, settings.score_thresholds)

    def class_objective(self, kept: Sequence[str]) -> tuple[Objective, int]:
        """None: SpineError."""
        raise SpineError("per_class weights class probabilities, which detection does not have; leave it out")

    def context(self, settings: SearchSettings, fusion: Mapping[str, float]) -> SearchContext:
        """Thresholds are chosen again too; knowing nothing scores 0."""
        assert self.patients is not None
        chosen = dict(fusion)
        others = [
            {"iou_threshold": iou, "score_threshold": score}
            for iou in settings.iou_thresholds
            for score in settings.score_thresholds
            if (iou, score) != (fusion["iou_threshold"], fusion["score_threshold"])
        ]
        scorers = tuple(BoxScorer(self.boxes, thresholds) for thresholds in (chosen, *others))
        most = IMAGES_FUSED // (len(self.patients) * len(scorers))
        return SearchContext(self.boxes.at(chosen), len(self.members), scorers, self.patients, nothing=0.0, most=most)
