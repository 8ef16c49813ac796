"""What the report shows of segmentation: classes one by one, surfaces in mm, overlays, the images that went worst."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import pandas as pd

from ensemble.evaluators.segmentation import NAMES_OF_A_CLASS, NAMES_OF_SURFACES, SURFACES
from ensemble.report.measured import Measured, draw_differences
from ensemble.report.overlays import SeenImage, choose, see_image, worst
from ensemble.report.page import Page, SplitCounts
from ensemble.report.picture_grid import Line, draw_cases, draw_grid
from ensemble.report.pixels import data_url
from ensemble.report.plots import Drawing, bars_of_classes, intervals
from ensemble.report.style import Style
from ensemble.results.evaluation import SegmentationEvaluation, SegmentationRow
from ensemble.split_predictions import SplitPredictions
from spine.core.problems import SpineError, one_file
from spine.experiment.postprocess import PieceRule
from spine.images.tint import class_colour

__all__ = ["SegmentationEvidence"]

FIRST = ("dice_foreground", "iou_foreground")  # of the leaderboard's columns
LAST = ("iou_all", "dice_foreground_per_image", "pixel_accuracy", "precision_foreground", "recall_foreground")
WORST_CASES = 6
AGAIN = "remove it, and run `spine evaluate EXPERIMENT` again"


@dataclass(frozen=True)
class SegmentationEvidence:
    """The test split's images: images.csv of the evaluation, and the predictions that a few are drawn from."""

    page: Page[SegmentationEvaluation]
    images: pd.DataFrame
    split: SplitPredictions

    TEMPLATE = "segmentation.html"

    @classmethod
    def of(cls, page: Page[SegmentationEvaluation]) -> SegmentationEvidence:
        """Read images.csv, and open the predictions."""
        path = page.directory / "images.csv"
        with one_file(path, AGAIN):
            images = pd.read_csv(path, dtype={"sample": str, "patient": str, "name": str}, keep_default_na=False)
            numbers = images.columns.drop(["sample", "patient", "name"])
            images[numbers] = images[numbers].apply(pd.to_numeric)
        images["sample"] = images["sample"].str.removeprefix("'")  # what keeps a spreadsheet from running a name
        if (served := page.evaluation.table_rows[-1].name) not in set(images["name"]):
            raise SpineError(f"{path} has no rows of the {served}, as older versions wrote it; {AGAIN}")
        return cls(page, images, page.split)

    @property
    def _served(self) -> SegmentationRow:
        """The ensemble's row with its masks as they are served."""
        return self.page.evaluation.table_rows[-1]

    @property
    def _pieces(self) -> Mapping[int, PieceRule]:
        """The rules that served masks are post-processed by."""
        asked = self.page.evaluation.postprocessed is not None
        return self.page.experiment.postprocess.rules(self.page.evaluation.labels) if asked else {}

    def drawings(self, styles: dict[str, Style]) -> dict[str, Drawing]:
        """The task's figures by name."""
        evaluation = self.page.evaluation
        labels = evaluation.labels[1:]
        return {
            "interval_dice": partial(intervals, evaluation, styles, "dice_foreground"),
            "interval_iou": partial(intervals, evaluation, styles, "iou_foreground"),
            "dice_of_classes": partial(bars_of_classes, evaluation, styles, labels, "dice", NAMES_OF_A_CLASS["dice"]),
            "iou_of_classes": partial(bars_of_classes, evaluation, styles, labels, "iou", NAMES_OF_A_CLASS["iou"]),
            **({"measured": partial(draw_differences, drawn)} if (drawn := self.measured.drawn()) else {}),
        }

    def context(self) -> dict[str, Any]:
        """What the template shows besides the page and its figures."""
        labels, spaced = self.page.evaluation.labels, self.page.evaluation.counts.with_spacing
        return {
            "columns": (*FIRST, *(NAMES_OF_SURFACES if spaced else ()), *LAST),
            "surfaces": SURFACES if spaced else (),
            "served": self._served,
            "names_of_a_class": NAMES_OF_A_CLASS,
            "missing": any(any(row.missing_outlines.values()) for row in self.page.evaluation.table_rows),
            "legend": {label: class_colour(index) for index, label in enumerate(labels) if index},
            "shown": self.shown,
            "cases": [{**vars(case), "errors": data_url(case.errors)} for case in self.cases],
            "splits": self._splits(),
            "measured": self.measured,
        }

    def pictures(self) -> dict[str, Drawing]:
        """The figures that are PNG alone: overlays, and the worst cases under the outlines of the truth."""
        worst_cases = [(case.errors, f"Dice {case.dice[self._served.name]:.3f}") for case in self.cases]
        if not self.shown:  # nothing but background anywhere
            return {}
        return {"overlays": partial(draw_grid, self.shown), "worst_cases": partial(draw_cases, worst_cases)}

    @cached_property
    def measured(self) -> Measured:
        """What is measured on the masks that are served beside the true ones."""
        return Measured.of(self.split, self.page.weights, self._pieces)

    @cached_property
    def shown(self) -> list[Line]:
        """Typical and worst images as all rows see them."""
        return [
            self._see(sample).line(why)
            for why, samples in choose(self.images, self._served.name).items()
            for sample in samples
        ]

    @cached_property
    def cases(self) -> list[SeenImage]:
        """The images that went worst."""
        return [self._see(sample) for sample in worst(self.images, WORST_CASES, self._served.name)]

    def _see(self, sample: str) -> SeenImage:
        names = [row.name for row in self.page.evaluation.table_rows]
        return see_image(self.split, self.page.weights, names, self.images, sample, self._pieces)

    def _splits(self) -> list[SplitCounts]:
        """A row a split: patients and samples, of those that have a mask."""
        images = self.page.manifest.images
        masked = set(images.loc[images["mask_sha256"] != "", "sample"])
        return [self.page.count_split(name, samples) for name, samples in self.page.samples_of_splits(masked)]
