"""How far what is measured on the ensemble's masks lies from what is measured on the true ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ensemble.engine.scoring.images import Images
from ensemble.evaluators.segmentation import predict_image
from ensemble.report.style import GREY, INK, new_figure
from ensemble.results.found_weights import FoundWeights
from ensemble.split_predictions import SplitPredictions
from spine.core.progress import track
from spine.experiment.postprocess import PieceRule
from spine.measurements import LENGTHS, RATIOS, Canal, Disc, Measurements, Vertebra, measure, roles_of

__all__ = ["Agreement", "Measured", "draw_differences"]

TITLES = LENGTHS | RATIOS
DRAWN = (("disc", "middle_height"), ("vertebra", "middle_height"), ("canal", "least_width"))
MOST_DRAWN = 400  # points of a panel


@dataclass(frozen=True)
class Agreement:
    """One measurement of all structures that both masks tell it of: `true` and `predicted` (n,) in `unit`."""

    structure: str
    name: str
    unit: str  # mm, px or ratio
    true: np.ndarray
    predicted: np.ndarray

    @property
    def title(self) -> str:
        """What people read."""
        return f"{self.structure}: {TITLES[self.name]}"

    @property
    def bias(self) -> float:
        """Median of predicted less true."""
        return float(np.median(self.predicted - self.true))

    @property
    def median_error(self) -> float:
        """Median of the absolute difference."""
        return float(np.median(np.abs(self.predicted - self.true)))

    @property
    def error_95(self) -> float:
        """What 95 % of the absolute differences do not exceed."""
        return float(np.quantile(np.abs(self.predicted - self.true), 0.95))


@dataclass(frozen=True)
class Found:
    """Of the structures of one kind that are measured on the true masks: how many were found, measured, levelled."""

    structure: str
    true: int
    measured: int
    same_level: int  # of those that were measured


@dataclass(frozen=True)
class Measured:
    """The test split's agreements, and how many structures they are about; empty where the labels have no roles."""

    agreements: tuple[Agreement, ...] = ()
    found: tuple[Found, ...] = ()
    images: int = 0

    @classmethod
    def of(cls, split: SplitPredictions, weights: FoundWeights, pieces: Mapping[int, PieceRule]) -> Measured:
        """Measure every image's two masks; a true structure is compared with the predicted one that lies on it.

        The predicted mask is the one that is served: post-processed by the rules of `pieces`, if there are any.
        """
        truth: Any = split.truth
        roles = roles_of(truth.labels)
        if not roles.keys() & {"vertebra", "disc"}:
            return cls()
        names: dict[str, Any] = {role: roles.get(role) for role in ("vertebra", "disc", "canal")}
        sources = {name: Images.of(name, one) for name, one in split.stored.items()}
        both = []
        for number, mask in enumerate(track(truth, "measuring masks", len(truth))):
            served = predict_image(sources, weights, number, pieces=pieces)[-1]
            own, other = (measure(one, truth.labels, truth.spacings[number], **names) for one in (mask, served))
            both.append((own, other))
        return cls.between(both)

    @classmethod
    def between(cls, images: Sequence[tuple[Measurements, Measurements]]) -> Measured:
        """Compare what is measured on the true and on the predicted mask of each image."""
        pairs = [pair for true, predicted in images for pair in _pairs(true, predicted)]
        return cls(tuple(_agreements(pairs)), tuple(_found(pairs)), len(images))

    def drawn(self) -> list[Agreement]:
        """Those that are drawn, of which there are differences; lengths in mm before those in pixels."""
        return [
            next(one for one in self.agreements if (one.structure, one.name) == wanted)
            for wanted in DRAWN
            if any((one.structure, one.name) == wanted for one in self.agreements)
        ]


Structure = Disc | Vertebra | Canal


@dataclass(frozen=True)
class Pair:
    """A structure that is measured on the true mask, and the same on the predicted one, None where there is none."""

    kind: str
    unit: str
    true: Structure
    predicted: Structure | None


def _pairs(true: Measurements, predicted: Measurements) -> Iterator[Pair]:
    canals = tuple({one.level: one for one in whole.canal} for whole in (true, predicted))
    for own, other in _nearest(true.discs, predicted.discs):
        yield Pair("disc", true.unit, own, other)
        canal = canals[0][own.level]
        if canal.status == "measured":
            yield Pair("canal", true.unit, canal, canals[1][other.level] if other else None)
    for body, found in _nearest(true.vertebrae, predicted.vertebrae):
        yield Pair("vertebra", true.unit, body, found)


def _nearest(true: Sequence[Any], predicted: Sequence[Any]) -> Iterator[tuple[Any, Any | None]]:
    """Each measured true structure with the predicted one that is nearest to it, and to which it is the nearest."""
    if not true or not predicted:
        yield from ((own, None) for own in true if own.status == "measured")
        return
    ways = np.array([one.centre for one in true])[:, None] - np.array([one.centre for one in predicted])
    distances = np.hypot(*ways.transpose(2, 0, 1))
    for number, own in enumerate(true):
        if own.status == "measured":
            other = int(distances[number].argmin())
            yield own, predicted[other] if distances[:, other].argmin() == number else None


def _found(pairs: Sequence[Pair]) -> Iterator[Found]:
    for kind in ("disc", "vertebra", "canal"):
        own = [pair for pair in pairs if pair.kind == kind]
        both = [pair for pair in own if pair.predicted and pair.predicted.status == "measured"]
        if own:
            same = sum(pair.predicted is not None and pair.true.level == pair.predicted.level for pair in both)
            yield Found(kind, len(own), len(both), same)


def _agreements(pairs: Sequence[Pair]) -> Iterator[Agreement]:
    values: dict[tuple[str, str, str], list[tuple[float, float]]] = defaultdict(list)
    for pair in pairs:
        predicted: Mapping[str, float | None] = pair.predicted.values() if pair.predicted else {}
        for name, value in pair.true.values().items():
            other = predicted.get(name)
            if value is not None and other is not None:
                values[pair.kind, name, "ratio" if name in RATIOS else pair.unit].append((value, other))
    for kind in ("disc", "vertebra", "canal"):
        for (own, name, unit), both in sorted(values.items(), key=lambda item: item[0][2] == "ratio"):
            if own == kind:
                yield Agreement(kind, name, unit, *np.array(both).T)


def draw_differences(agreements: Sequence[Agreement]) -> Any:
    """Predicted less true against the true value, a panel a measurement: the median, and where 95 % of them lie."""
    with new_figure(3.1 * len(agreements), 2.5, columns=len(agreements), squeeze=False) as (figure, axes):
        for axis, one in zip(axes.flat, agreements, strict=True):
            every = -(-len(one.true) // MOST_DRAWN)
            difference = one.predicted - one.true
            axis.plot(one.true[::every], difference[::every], "o", color="#4477aa", markersize=3, alpha=0.45, mew=0)
            low, middle, high = np.quantile(difference, [0.025, 0.5, 0.975])
            axis.axhline(middle, color=INK, linewidth=1.2)
            for edge in (low, high):
                axis.axhline(edge, color=GREY, linewidth=0.9, linestyle=(0, (4, 2)))
            axis.set(title=one.title, xlabel=f"on the true mask, {one.unit}", ylabel=f"predicted less true, {one.unit}")
            axis.locator_params(nbins=5)
    return figure
