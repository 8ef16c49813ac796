"""Whether a server answers as was predicted and stored: the same pictures, the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.client.remote import RemoteModel
from spine.core.problems import SpineError
from spine.core.progress import track
from spine.dataset.detections import OUTPUTS, Detections
from spine.dataset.truth import AnyTruth, ClassTruth, Region

if TYPE_CHECKING:
    from ensemble.experiment_run import ExperimentRun
    from spine.experiment.config import Experiment

__all__ = ["TOLERANCES", "Checked", "check_served"]

TOLERANCES = {"classification": 1e-4, "detection": 1e-4, "segmentation": 1e-3}
"""The largest difference allowed of probabilities, scores and corners (in parts of the picture).

Probabilities of segmentation are stored in float16, which is off by up to 2.5e-4.
"""
Served = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Checked:
    """How far answers were from what was stored: the farthest, and each sample beyond the tolerance."""

    samples: int
    farthest: float
    tolerance: float
    differing: Mapping[str, float]


@dataclass(frozen=True)
class _Stored:
    """What was predicted of a split: its `samples` with their pictures, the `outputs` that are compared, and how far
    those of one sample are from what is stored of it. Of crops `regions` are the boxes in whole pictures, and of
    slices of a series what is next to them.
    """

    samples: list[str]
    pictures: list[Path]
    outputs: tuple[str, ...]
    distance: Callable[[int, Served], float]
    regions: Sequence[Region] = ()


def check_served(model: RemoteModel, experiment: Experiment, split: str = "test", most: int | None = None) -> Checked:
    """Ask a server about the pictures of a split, `most` of them evenly chosen, and compare with the ensemble of the
    members' stored predictions.

    SpineError where the experiment has none that are whole and current, or the server cannot be asked.
    """
    from ensemble.experiment_run import ExperimentRun

    if split == "validation" and experiment.folds:
        raise SpineError(
            "with folds, what is stored beside test was predicted by the folds' models, which are not those that are "
            "served; check the split test"
        )
    stored = _stored(ExperimentRun(experiment), split)
    numbers = _chosen(len(stored.samples), most)
    distances = {stored.samples[number]: distance for number, distance in _distances(model, stored, numbers)}
    tolerance = TOLERANCES[experiment.task]
    differing = {sample: distance for sample, distance in distances.items() if not distance <= tolerance}  # nor NaN
    return Checked(len(distances), max(distances.values(), default=0.0), tolerance, differing)


def _chosen(count: int, most: int | None) -> list[int]:
    return sorted({round(number) for number in np.linspace(0, count - 1, min(count, most or count))})


def _distances(model: RemoteModel, stored: _Stored, numbers: list[int]) -> Iterator[tuple[int, float]]:
    for number in track(numbers, "asking", len(numbers)):
        yield number, stored.distance(number, _asked(model, stored, number))


def _asked(model: RemoteModel, stored: _Stored, number: int) -> Served:
    """The server's answer to a sample: of a crop as the models see it in its whole picture, and in the slices next to
    that, where they do.
    """
    if not stored.regions or not (model.sees_boxes or model.sees_slices):
        return model.outputs([stored.pictures[number].read_bytes()], only=stored.outputs)
    region = stored.regions[number]
    boxes, picture = np.array([region.box], np.float32), region.picture.read_bytes()
    if not model.sees_slices:
        return model.outputs([picture], only=stored.outputs, boxes=boxes)
    before, after = ([file.read_bytes() if file else b""] for file in (region.before, region.after))
    return model.outputs([picture], only=stored.outputs, slices={"boxes": boxes, "before": before, "after": after})


def _stored(run: ExperimentRun, split: str) -> _Stored:
    from ensemble.tasks import ENSEMBLE_TASKS

    found, weights = run.predictions(split), run.weights
    truth = found.truth
    members = [found.stored[name] for name in weights.kept]
    samples, pictures = list(truth.samples), list(truth.paths)
    if ENSEMBLE_TASKS[run.experiment.task].fuses_boxes:
        from ensemble.fusion.fuse_boxes import fuse_boxes
        from ensemble.serving.parity import distance

        shares, fusion = list(weights.kept.values()), weights.box_fusion

        def of_boxes(number: int, served: Served) -> float:
            fused = fuse_boxes([member.of_sample(number) for member in members], shares, fusion)
            return distance(Detections.from_outputs(served, 0), fused)

        return _Stored(samples, pictures, OUTPUTS, of_boxes)

    from ensemble.decisions.decide import apart, names_of

    mean, decisions = weights.mean(), weights.decisions

    def far(number: int, served: Served) -> float:
        fused = mean([member.of_sample(number).astype(np.float64) for member in members])
        answer = served["probabilities"][0]
        if answer.size != fused.size:
            raise SpineError(
                f"the server answers {samples[number]} with {answer.shape} probabilities, and {fused.shape} are "
                "stored; see that it serves the ensemble of this experiment"
            )
        decided = apart(served, decisions) if decisions else {}
        return float(np.max([np.abs(answer.reshape(fused.shape) - fused).max(), *decided.values()]))

    return _Stored(samples, pictures, ("probabilities", *names_of(decisions)), far, _regions(truth))


def _regions(truth: AnyTruth) -> Sequence[Region]:
    """Of crops, and of pictures that have slices next to them."""
    if isinstance(truth, ClassTruth) and (truth.grow is not None or truth.has_neighbours):
        return truth.regions
    return ()
