"""Segmentation's rows: pixel counts of every image, found in one pass over the stored predictions, and surfaces in mm.

Pixels are pooled over the split unless a name says `per_image`; `foreground` is the mean over all classes but the
background, `all` over all; `dice.disc` is that of one class. A Hausdorff distance is the mean over the images in
which both outlines are there; where one is missing, the surface distance score is 0 and the image is counted. A
surface's `foreground` is the mean over the classes of each class's mean over images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from ensemble.engine.scoring.images import Images
from ensemble.evaluators.pairs import Pairs, count_pairs
from ensemble.evaluators.rows import (
    Column,
    EvaluatedRow,
    Evaluator,
    PairedTest,
    alternative_rows,
    by_kind,
    fused,
    fusions,
    named_rows,
    names_of_classes,
    reduced_rows,
)
from ensemble.fusion.pieces import postprocess
from ensemble.names import POSTPROCESSED
from ensemble.results.evaluation import (
    Estimate,
    Postprocessed,
    RowKind,
    SegmentationCounts,
    SegmentationEvaluation,
    SegmentationRow,
    WilcoxonTest,
)
from ensemble.results.found_weights import FoundWeights
from ensemble.split_predictions import SplitPredictions
from spine.core.progress import track
from spine.dataset.truth import MaskTruth
from spine.experiment.postprocess import PieceRule
from spine.metrics import segmentation as metrics
from spine.metrics.rates import mean_of_defined
from spine.metrics.statistics import interval, wilcoxon
from spine.metrics.surface import TOLERANCE, surface_scores

__all__ = ["SegmentationEvaluator", "SegmentedRow", "disagreement", "predict_image"]

RATES: dict[str, Callable[..., Any]] = {
    "dice": metrics.dice,
    "iou": metrics.iou,
    "precision": metrics.precision,
    "recall": metrics.recall,
}
SURFACES = ("hausdorff_95_mm", "surface_dice")  # in the order of `surface_scores`
NAMES_HERE = {"precision_foreground": "foreground precision", "recall_foreground": "foreground recall"}
OF_SURFACES = "_foreground"  # after a surface's name: the mean over the foreground classes of each class's own
NAMES_OF_A_CLASS = {
    "dice": "Dice",
    "iou": "IoU",
    "precision": "precision",
    "recall": "recall",
    "hausdorff_95_mm": "Hausdorff 95 %, mm",
    "surface_dice": f"surface distance score at {TOLERANCE:g} mm",
}
NAMES_OF_SURFACES = {f"{name}{OF_SURFACES}": f"foreground {NAMES_OF_A_CLASS[name]}" for name in SURFACES}
CHUNK = 2**18  # pixels that are fused at a time: memory stays bounded however large an image is


@dataclass(frozen=True)
class SegmentedRow(EvaluatedRow):
    """How one row did: counts (N, C, 3) as `spine.metrics.segmentation` has them, and surface scores (N, C - 1, 2).

    Surface scores are NaN for images without a spacing.
    """

    counts: np.ndarray
    surfaces: np.ndarray


@dataclass(frozen=True)
class SegmentationEvaluator(Evaluator[SegmentedRow]):
    """All rows of one split; `disagreements` (N,) are the shares of pixels that members call differently.

    `counted_pairs` are of the pixels that are not background to all: of the others there is nothing to tell.
    """

    truth: MaskTruth
    disagreements: np.ndarray
    counted_pairs: Pairs

    TASK = "segmentation"
    EVALUATION = SegmentationEvaluation
    UNITS = "images"
    TABLES = ("images.csv",)
    COMPARED = ("dice_foreground", "iou_foreground")

    @classmethod
    def of(
        cls, split: SplitPredictions, weights: FoundWeights, pieces: Mapping[int, PieceRule] | None = None
    ) -> SegmentationEvaluator:
        """Count every image once; one image is in memory at a time. The rules of `pieces` post-process masks."""
        truth = split.truth
        assert isinstance(truth, MaskTruth)
        sources = {name: Images.of(name, stored) for name, stored in split.stored.items()}
        weights = weights.of_members(split.stored)
        alternatives, measured_rows = weights.alternatives(), len(named_rows(weights)) + bool(pieces)
        others = [*weights.without_each(), *alternatives.values()]
        measured = [
            _measure(
                mask,
                predict_image(sources, weights, number, others, pieces),
                truth.spacings[number],
                truth.labels,
                len(split.stored),
                measured_rows,
            )
            for number, mask in enumerate(track(truth, "judging images", len(truth)))
        ]
        counts, surfaces, disagreements, *pairs = (np.stack(found) for found in zip(*measured, strict=True))
        cleaned: list[tuple[str, RowKind, float | None]] = [(POSTPROCESSED, "postprocessed", None)] if pieces else []
        named = [
            *named_rows(weights),
            *cleaned,
            *reduced_rows(weights.weights),
            *alternative_rows(alternatives),
        ]
        rows = [SegmentedRow(*row, counts[:, number], surfaces[:, number]) for number, row in enumerate(named)]
        return cls(
            truth=truth,
            patients=np.array(truth.patients),
            disagreements=disagreements,
            counted_pairs=Pairs("pixels that are not background to all", *pairs),
            **by_kind(rows),
        )

    @property
    def pairs(self) -> Pairs:
        """Of the pixels of the images."""
        return self.counted_pairs

    @staticmethod
    def columns(labels: Sequence[str]) -> list[Column]:
        """Foreground Dice with its interval, IoU, every class's Dice, and the surfaces where they are known."""
        return [
            Column("dice_foreground", "foreground Dice", interval=True),
            Column("iou_foreground", "IoU"),
            *(Column(f"dice.{label}", label) for label in labels[1:]),
            Column(f"hausdorff_95_mm{OF_SURFACES}", "HD95"),
            Column(f"surface_dice{OF_SURFACES}", "surface"),
        ]

    @property
    def names(self) -> Mapping[str, str]:
        """Metric -> how people call it, those of single classes included."""
        of_classes = names_of_classes(NAMES_OF_A_CLASS, self.truth.labels)
        return {**metrics.METRICS.titles, **NAMES_HERE, **NAMES_OF_SURFACES, **of_classes}

    @property
    def reported(self) -> tuple[str, ...]:
        """The metrics of the foreground, then of every class, then of its surface where a spacing is known."""
        labels = self.truth.labels
        of_classes = [f"{rate}.{label}" for rate in RATES for label in labels]
        of_surfaces = [f"{name}.{label}" for name in SURFACES for label in labels[1:]]
        of_surfaces = [*NAMES_OF_SURFACES, *of_surfaces] if any(self._spaced) else []
        return (*metrics.METRICS.titles, *NAMES_HERE, *of_classes, *of_surfaces)

    @property
    def counts(self) -> SegmentationCounts:
        """Patients and images, and those with a spacing."""
        return SegmentationCounts(
            patients=len(set(self.patients)),
            units=len(self.truth),
            rows=len(self.truth),
            with_spacing=sum(self._spaced),
        )

    @property
    def notes(self) -> list[str]:
        """Which images have no spacing, so that no distances in mm are known; what post-processing changes."""
        return [*self._of_surfaces, *self._of_pieces]

    @property
    def _of_pieces(self) -> list[str]:
        """With and without post-processing, where it is asked for."""
        headline = self.COMPARED[0]
        scores = [float(self.score(row, headline)) for row in (self.ensemble, *self.postprocessed)]
        if len(scores) == 1:
            return []
        return [
            f"Masks are served post-processed: {self.names[headline]} {scores[1]:.4f}, and {scores[0]:.4f} without. "
            "The ensemble's row is without, as its weights were searched."
        ]

    @property
    def _of_surfaces(self) -> list[str]:
        known, images = sum(self._spaced), len(self.truth)
        if known == images:
            return []
        if not known:
            return ["Surface distances were left out: the dataset's images.csv knows no pixel spacing."]
        return [f"Surface distances are those of {known} of {images} images: the others' pixel spacing is unknown."]

    def score(self, row: SegmentedRow, metric: str, weights: np.ndarray | None = None) -> Any:
        """A metric by one of `names`."""
        name, _, label = metric.partition(".")
        if name in NAMES_OF_SURFACES:
            surfaces = row.surfaces[..., SURFACES.index(name.removesuffix(OF_SURFACES))]
            return mean_of_defined(np.stack([_mean_of(of_class, weights) for of_class in surfaces.T], axis=-1))
        if label and name in SURFACES:
            return _mean_of(row.surfaces[:, self.truth.labels.index(label) - 1, SURFACES.index(name)], weights)
        if label:
            return RATES[name](row.counts, weights)[..., self.truth.labels.index(label)]
        function = FUNCTIONS.get(name) or metrics.METRICS[name].function
        return function(row.counts, weights)

    def identical(self, other: SegmentedRow) -> bool:
        """Whether every image has the same counts."""
        return bool(np.array_equal(self.ensemble.counts, other.counts))

    def tests(self, other: SegmentedRow) -> tuple[PairedTest, ...]:
        """Wilcoxon's signed ranks of the patients' mean Dice."""
        found = wilcoxon(self.dice_of_patients(self.ensemble), self.dice_of_patients(other))
        return (PairedTest("wilcoxon", "dice_foreground", "Wilcoxon over patients", WilcoxonTest.of(found)),)

    def dice_of_patients(self, row: SegmentedRow) -> np.ndarray:
        """Mean over each patient's images of the foreground's Dice, patients in sorted order.

        An image of background alone that is answered so has 1, since an answer that finds something there has 0.
        """
        return pd.Series(np.nan_to_num(_dice_of_images(row), nan=1.0)).groupby(self.patients).mean().to_numpy()

    def written(self, row: SegmentedRow, estimates: dict[str, Estimate]) -> SegmentationRow:
        """With the images on which exactly one of truth and prediction holds a class, so that an outline is missing:
        of those whose distances are measured, where any are.
        """
        measured = np.array(self._spaced, bool) | (not any(self._spaced))
        there = row.counts[measured][:, 1:, 1:] > 0  # predicted, true
        missing = (there[..., 0] != there[..., 1]).sum(axis=0).tolist()
        outlines = dict(zip(self.truth.labels[1:], missing, strict=True))
        return SegmentationRow(
            name=row.name, kind=row.kind, weight=row.weight, metrics=estimates, missing_outlines=outlines
        )

    def further(self, draws: np.ndarray, confidence: float) -> dict[str, Postprocessed]:
        """With post-processing, where it is asked for."""
        if not self.postprocessed:
            return {}
        (cleaned,), patients = self.postprocessed, self.counts.patients

        def estimate(name: str, ahead: bool) -> Estimate:
            def measure(weights: np.ndarray) -> Any:
                own = self.score(cleaned, name, weights)
                return own - self.score(self.ensemble, name, weights) if ahead else own

            return Estimate.of(interval(measure, draws, confidence), name, self.TASK, patients)

        metrics, differences = ({name: estimate(name, ahead) for name in self.reported} for ahead in (False, True))
        missing = self.written(cleaned, {}).missing_outlines
        return {"postprocessed": Postprocessed(metrics=metrics, differences=differences, missing_outlines=missing)}

    def tables(self) -> list[pd.DataFrame]:
        """images.csv: a line a row and image, where masks are post-processed of what is served too."""
        return [pd.concat([self._table(row) for row in (*self.rows, *self.postprocessed)], ignore_index=True)]

    def _table(self, row: SegmentedRow) -> pd.DataFrame:
        labels, rates = self.truth.labels, metrics.RATES["dice"](row.counts)
        table = pd.DataFrame({"sample": self.truth.samples, "patient": self.patients, "name": row.name})
        table["disagreement"] = self.disagreements
        table["dice_foreground"] = _dice_of_images(row)
        table[[f"dice.{label}" for label in labels]] = rates
        for index, name in enumerate(SURFACES):
            table[[f"{name}.{label}" for label in labels[1:]]] = row.surfaces[..., index]
        return table

    @property
    def _spaced(self) -> list[bool]:
        return [spacing is not None for spacing in self.truth.spacings]


def predict_image(
    sources: Mapping[str, Images],
    weights: FoundWeights,
    number: int,
    others: Sequence[FoundWeights] = (),
    pieces: Mapping[int, PieceRule] | None = None,
) -> np.ndarray:
    """The class (R, H, W) uint8 that every row gives to each pixel of one image.

    Rows are as `named_rows` has them: members, equal weights, given ones, ensemble; with `pieces` then the ensemble's
    mask as their rules post-process it; then ensembles with the weights of `others`.
    """
    outputs = {name: source.image(number) for name, source in sources.items()}
    height, width = next(iter(sources.values())).sizes[number]
    place = len(named_rows(weights)) - 1  # of the ensemble
    predicted, probabilities = [], []
    for start in range(0, height * width, CHUNK):
        rows = _fused({name: rows[start : start + CHUNK] for name, rows in outputs.items()}, weights, others)
        predicted.append(np.stack([one.argmax(axis=1) for one in rows]).astype(np.uint8))
        if pieces:
            probabilities.append(rows[place])
    classes = np.concatenate(predicted, axis=1).reshape(-1, height, width)
    if not pieces:
        return classes
    cleaned = postprocess(np.concatenate(probabilities).reshape(height, width, -1), pieces)
    return np.insert(classes, place + 1, cleaned.astype(np.uint8), axis=0)


def disagreement(predicted: np.ndarray) -> np.ndarray:
    """Share (H, W) of members that call a pixel otherwise than most of them, of their classes (M, H, W)."""
    votes = np.stack([(predicted == label).sum(axis=0) for label in range(int(predicted.max()) + 1)])
    return 1 - votes.max(axis=0) / len(predicted)


def _fused(
    outputs: Mapping[str, np.ndarray], weights: FoundWeights, others: Sequence[FoundWeights]
) -> list[np.ndarray]:
    """Probabilities (pixels, C) of every row, in float64."""
    members = {name: np.asarray(rows, dtype=np.float64) for name, rows in outputs.items()}
    return [*members.values(), *fusions(members, weights), *(fused(members, other) for other in others)]


def _measure(
    mask: np.ndarray,
    predicted: np.ndarray,
    spacing: tuple[float, float] | None,
    labels: Sequence[str],
    members: int,
    shown: int,
) -> tuple[Any, ...]:
    """Counts (R, C, 3), surface scores (R, C - 1, 2), the share of pixels on which members differ, and the counts of
    `Pairs`, of one image. Surfaces of rows after the `shown` ones, which are not of the leaderboard, are not measured:
    they cost the most, and nothing tells them.
    """
    classes = len(labels)
    counts = np.stack([metrics.count(mask, one, classes) for one in predicted])
    surfaces = np.full((len(predicted), classes - 1, len(SURFACES)), np.nan)
    if spacing is not None:
        for place, one in enumerate(predicted[:shown]):
            surfaces[place] = surface_scores(mask, one, spacing, classes)
    own = predicted[:members]
    foreground = (mask > 0) | (own > 0).any(axis=0)
    differ, both_wrong = count_pairs(own[:, foreground], mask[foreground])
    return counts, surfaces, (own != own[0]).any(axis=0).mean(), differ, both_wrong, np.count_nonzero(foreground)


def _mean_of(values: np.ndarray, weights: np.ndarray | None) -> Any:
    """Mean over images (N,) of what is finite; NaN where nothing is."""
    known = np.isfinite(values)
    weights = np.ones(len(values)) if weights is None else weights
    with np.errstate(invalid="ignore"):
        return (weights @ np.where(known, values, 0)) / (weights @ known)


def _mean_over_classes(counts: np.ndarray, weights: np.ndarray | None = None, *, rate: str) -> Any:
    """Mean of a pooled rate over the foreground classes of which it is defined."""
    rates = RATES[rate](counts, weights)[..., 1:]
    defined = ~np.isnan(rates)
    with np.errstate(invalid="ignore"):
        return np.where(defined, rates, 0).sum(axis=-1) / defined.sum(axis=-1)


def _dice_of_images(row: SegmentedRow) -> np.ndarray:
    """The foreground's Dice (N,) of each image; NaN where truth and prediction hold background alone."""
    return metrics.mean_over_pixels(row.counts[:, None], rate="dice", first=1)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    f"{rate}_foreground": partial(_mean_over_classes, rate=rate) for rate in ("precision", "recall")
}
