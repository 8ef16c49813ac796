"""The search's problem of segmentation: images reduced to the pixels that weights can change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ensemble.decisions.temperature import supported_temperature
from ensemble.engine.nested.nested_search_images import nested_search_images
from ensemble.engine.nested.resampled_gains import MOST_VECTORS, grid_weights
from ensemble.engine.nested.scorers import ImageScorer
from ensemble.engine.scoring.images import reduce_images, some_pixels
from ensemble.engine.scoring.objective_by_threshold import ObjectiveByThreshold
from ensemble.engine.scoring.objectives import Objective
from ensemble.engine.scoring.presolve import Presolved
from ensemble.search_problem.base import SearchProblem
from ensemble.search_problem.context import SearchContext
from spine import metrics
from spine.experiment.stages import SearchSettings

__all__ = ["SegmentationProblem"]

PIXELS = 200_000  # of all images together that temperatures are fitted on: a single number needs no more
NUMBERS_READ = 4e10  # free pixels' probabilities times weights: a limit by a count, so that any machine does the same


@dataclass(frozen=True)
class SegmentationProblem(SearchProblem):
    """Members give probabilities (H, W, C) of every image, the truth its mask; a few images are in memory at a time.

    Pixels are grouped by image where resampling draws images, or the metric is a mean over them; else by class alone.
    """

    TASK = "segmentation"

    def _fit_temperatures(self) -> tuple[float, ...]:
        values, classes = some_pixels(self.members, self.truth, PIXELS)
        return tuple(supported_temperature(member, classes) for member in values)

    def _objectives(self, settings: SearchSettings, vectors: int) -> ObjectiveByThreshold:
        metrics.segmentation.METRICS.named(self.metric)  # an unknown name is told before gigabytes are read
        return ObjectiveByThreshold.of_one(
            Objective.of_images(self.metric, self._as_counted, vectors), len(self.members)
        )

    @property
    def _counts_images(self) -> bool:
        return self.metric.endswith("_per_image")

    @cached_property
    def _as_counted(self) -> Presolved:
        """The pixels, grouped as the metric counts them."""
        if self.patients is None and not self._counts_images:
            return reduce_images(self.members, self.truth, False, self.temperatures)
        return self._by_image if self._counts_images else self._by_image.pooled()

    @cached_property
    def _by_image(self) -> Presolved:
        return reduce_images(self.members, self.truth, True, self.temperatures)

    @cached_property
    def _by_image_and_class(self) -> Presolved:
        """The pixels that class weights of all members can change."""
        return reduce_images(self.members, self.truth, True, self.temperatures, per_class=True)

    def class_objective(self, kept: Sequence[str]) -> tuple[Objective, int]:
        """Of the pixels that class weights of the kept members can change: another kind of reduction."""
        if len(kept) == len(self.members) and self.patients is not None:  # resampling asks for the same by image
            by_class = self._by_image_and_class if self._counts_images else self._by_image_and_class.pooled()
        else:
            members = {name: self.members[name] for name in kept}
            scales = self.temperatures_of(kept)
            by_class = reduce_images(members, self.truth, self._counts_images, scales, per_class=True)
        return Objective.of_images(self.metric, by_class), by_class.fixed.shape[1]

    def context(self, settings: SearchSettings, fusion: Mapping[str, float]) -> SearchContext:
        """Counted image by image, whatever the metric: what is drawn are images.

        Temperatures, a number a member from so many pixels, are not fitted again.
        """
        assert self.patients is not None
        classes = self._by_image.fixed.shape[1]
        confusions = np.zeros_like(self._by_image.fixed)
        confusions[:, 0] = self._by_image.group_sizes  # all of it background
        counts = metrics.segmentation.counts_of(confusions.reshape(-1, classes, classes))
        nothing = metrics.segmentation.METRICS.named(self.metric).function(counts)
        return SearchContext(
            Objective.of_images(self.metric, self._by_image, MOST_VECTORS),
            len(self.members),
            (ImageScorer(self._by_image, self.metric),),
            self.patients,
            nothing=float(np.nan_to_num(nothing)),
            most=int(NUMBERS_READ / (1 + sum(part.scores.size for part in self._by_image.free))),
            repeat=self._repeat if settings.per_class else None,
        )

    def _repeat(self, draws: np.ndarray, steps: int, allowed: Any) -> Iterator[float]:
        weights = grid_weights(len(self.members), steps, allowed)
        return nested_search_images(self._by_image, self._by_image_and_class, self.metric, draws, weights)
