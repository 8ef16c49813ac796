"""What the report shows of segmentation: classes one by one, surfaces in mm, overlays, the images that went worst."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from ensemble.judge.segmentation import NAMES_OF_A_CLASS, SURFACES
from ensemble.predictions import SplitPredictions, read_split
from ensemble.report.overlays import SeenImage, choose, see_image, worst
from ensemble.report.page import Page
from ensemble.report.pixels import class_colour, data_url
from ensemble.report.plots import WIDE, Drawing, intervals
from ensemble.report.style import GREY, Style, new_figure

__all__ = ["SegmentationEvidence"]

COLUMNS = (
    *("dice_foreground", "iou_foreground", "iou_all", "dice_foreground_per_image"),
    *("pixel_accuracy", "precision_foreground", "recall_foreground"),
)
WORST_CASES = 6


@dataclass(frozen=True)
class SegmentationEvidence:
    """The test split's images: images.csv of the evaluation, and the predictions that a few are drawn from."""

    page: Page
    images: pd.DataFrame
    split: SplitPredictions

    TEMPLATE = "segmentation.html"

    @classmethod
    def of(cls, page: Page) -> SegmentationEvidence:
        """Read images.csv, and open the predictions."""
        path = page.experiment.evaluation_directory / "images.csv"
        images = pd.read_csv(path, dtype={"sample": str, "patient": str, "name": str}, keep_default_na=False)
        numbers = images.columns.drop(["sample", "patient", "name"])
        images[numbers] = images[numbers].apply(pd.to_numeric)
        return cls(page, images, read_split(page.experiment, "test"))

    def drawings(self, styles: dict[str, Style]) -> dict[str, Drawing]:
        """The task's figures by name."""
        found = self.page.found
        return {
            "interval_dice": partial(intervals, found, styles, "dice_foreground"),
            "interval_iou": partial(intervals, found, styles, "iou_foreground"),
            "dice_of_classes": partial(_bars_of_classes, found, styles, "dice"),
            "iou_of_classes": partial(_bars_of_classes, found, styles, "iou"),
        }

    def context(self) -> dict[str, Any]:
        """What the template shows besides the page and its figures."""
        chosen = choose(self.images)
        labels = self.page.found["labels"]
        return {
            "columns": COLUMNS,
            "surfaces": SURFACES if self.page.found["counts"]["with_spacing"] else (),
            "names_of_a_class": NAMES_OF_A_CLASS,
            "missing": any(any(row["missing_outlines"].values()) for row in self.page.found["rows"]),
            "legend": {label: class_colour(index) for index, label in enumerate(labels) if index},
            "shown": [(why, _inlined(self._see(sample))) for why, samples in chosen.items() for sample in samples],
            "cases": [_inlined(self._see(sample)) for sample in worst(self.images, WORST_CASES)],
            "splits": self._splits(),
        }

    def _see(self, sample: str) -> SeenImage:
        names = [row["name"] for row in self.page.found["rows"]]
        return see_image(self.split, self.page.weights["weights"], names, self.images, sample)

    def _splits(self) -> list[dict[str, Any]]:
        """A row a split: patients and samples, of those that have a mask."""
        images = self.page.manifest.images
        masked = set(images.loc[images["mask_sha256"] != "", "sample"])
        return [self.page.split_row(name, samples) for name, samples in self.page.samples_of_splits(masked)]


def _inlined(seen: SeenImage) -> dict[str, Any]:
    """The image with its pictures as data URLs."""
    pictures = {heading: data_url(picture) for heading, picture in seen.columns.items()}
    return {**vars(seen), "columns": pictures, "errors": data_url(seen.errors)}


def _bars_of_classes(found: dict[str, Any], styles: dict[str, Style], rate: str) -> Any:
    """Bars with intervals, a group a foreground class, its rows side by side in the leaderboard's order."""
    rows, labels = found["rows"], found["labels"][1:]
    width = 0.8 / len(rows)
    with new_figure(WIDE, 2.4 + 0.17 * -(-len(rows) // 3)) as (figure, axis):
        for place, row in enumerate(rows):
            ones = [row["metrics"][f"{rate}.{label}"] for label in labels]
            x = np.arange(len(labels)) + (place - (len(rows) - 1) / 2) * width
            colour = styles[row["name"]]["color"]
            axis.bar(x, [one["value"] or 0 for one in ones], 0.86 * width, color=colour, label=row["name"])
            for at, one in zip(x, ones, strict=True):
                if one["low"] is not None:
                    axis.plot([at, at], [one["low"], one["high"]], color=GREY, linewidth=1.1)
        axis.set_xticks(range(len(labels)), labels)
        axis.set(title=f"{NAMES_OF_A_CLASS[rate]} of each class", ylim=(0, 1))
        axis.grid(axis="y", color=GREY, alpha=0.25, linewidth=0.6)
        axis.tick_params(axis="x", length=0)
        figure.legend(loc="outside lower center", ncols=3)
    return figure
