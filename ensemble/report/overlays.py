"""Test images as all rows see them: which are shown, and each as input, truth, rows and disagreement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ensemble.engine.scoring.images import Images
from ensemble.evaluators.rows import ENSEMBLE
from ensemble.evaluators.segmentation import disagreement, predict_image
from ensemble.names import free
from ensemble.report.picture_grid import Line
from ensemble.report.pixels import grey_picture, heat, outlined, overlay
from ensemble.results.found_weights import FoundWeights
from ensemble.split_predictions import SplitPredictions
from spine.experiment.postprocess import PieceRule

__all__ = ["SeenImage", "choose", "see_image", "worst"]

LONGEST = 300  # pixels of a picture's longer side in the page
TYPICAL, WORST = 2, 3  # rows of the grid
DISAGREEMENT = "disagreement"


@dataclass(frozen=True)
class SeenImage:
    """One test image: `columns` are pictures (RGB, or grey) by heading; `dice` is every row's over its foreground."""

    sample: str
    columns: dict[str, np.ndarray]
    dice: dict[str, float | None]  # None where truth and prediction hold background alone
    disagreement: float
    errors: np.ndarray  # the last row's classes, which are served, under the outlines of the truth, RGB

    def line(self, why: str) -> Line:
        """As a line of the grid; below each row's picture its Dice."""
        captions = {name: "–" if dice is None else f"{dice:.3f}" for name, dice in self.dice.items()}
        differing = f"{100 * self.disagreement:.1f} % of pixels"
        return Line(why, self.sample, self.columns, {**captions, free(DISAGREEMENT, self.dice): differing})


def worst(images: pd.DataFrame, count: int, name: str = ENSEMBLE) -> list[str]:
    """The samples on which the Dice of a row of images.csv, the ensemble's, is lowest; lowest first."""
    ensemble = images[images["name"] == name].dropna(subset="dice_foreground")
    return ensemble.sort_values("dice_foreground", kind="stable")["sample"].head(count).tolist()


def choose(images: pd.DataFrame, name: str = ENSEMBLE) -> dict[str, list[str]]:
    """`typical` samples, nearest the ensemble's median Dice, and its `worst`; one a patient, none twice."""
    ensemble = images[images["name"] == name].dropna(subset="dice_foreground")
    lowest = ensemble.sort_values("dice_foreground", kind="stable").drop_duplicates("patient")
    bad = lowest.head(WORST)
    others = ensemble[~ensemble["patient"].isin(bad["patient"])]
    if others.empty:
        others = ensemble[~ensemble["sample"].isin(bad["sample"])]
    distance = (others["dice_foreground"] - ensemble["dice_foreground"].median()).abs()
    near = others.loc[distance.sort_values(kind="stable").index].drop_duplicates("patient").head(TYPICAL)
    return {"typical": near["sample"].tolist(), "worst": bad["sample"].tolist()}


def see_image(
    split: SplitPredictions,
    weights: FoundWeights,
    names: Sequence[str],
    images: pd.DataFrame,
    sample: str,
    pieces: Mapping[int, PieceRule],
) -> SeenImage:
    """Read one image again, fuse it by the weights, and draw what every row made of it.

    With rules of `pieces` the last of the `names` is the ensemble's with its mask post-processed by them. An unreadable
    picture is left black.
    """
    truth: Any = split.truth
    number, classes = truth.samples.index(sample), len(truth.labels)
    mask = truth.mask(number)
    sources = {name: Images.of(name, one) for name, one in split.stored.items()}
    predicted = predict_image(sources, weights, number, pieces=pieces)
    grey = grey_picture(truth.paths[number], LONGEST)
    grey = np.zeros(_fitting(mask.shape), np.uint8) if grey is None else grey
    drawn = {name: overlay(grey, one, classes) for name, one in zip(names, predicted, strict=True)}
    rows = images[images["sample"] == sample].set_index("name")
    return SeenImage(
        sample=sample,
        columns={
            free("input", names): grey,
            free("truth", names): overlay(grey, mask, classes),
            **drawn,
            free(DISAGREEMENT, names): heat(grey, disagreement(predicted[: len(sources)])),
        },
        dice={str(name): None if np.isnan(dice) else dice for name, dice in rows["dice_foreground"].items()},
        disagreement=float(rows["disagreement"].iloc[0]),
        errors=outlined(drawn[names[-1]], mask, classes),
    )


def _fitting(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(max(1, round(side * LONGEST / max(shape))) for side in shape)
