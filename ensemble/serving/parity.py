"""How far the fused graph is from the ensemble that was searched, measured on what members say of pictures again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ensemble.decisions.decide import apart
from ensemble.fusion.fuse import Mean
from ensemble.fusion.fuse_boxes import BoxFusion, fuse_boxes
from ensemble.fusion.pieces import postprocess
from ensemble.results.decisions import Decisions
from spine.core.problems import SpineError
from spine.dataset.detections import Detections
from spine.dataset.truth import ClassTruth
from spine.experiment.postprocess import PieceRule
from spine.member.run_model import answer_files, detect_pictures, predict_pictures, predict_samples

__all__ = ["BOX_PARITY", "FROZEN_PARITY", "PARITY", "distance", "measure_parity", "require_decisions", "require_masks"]

PARITY = 1e-5  # the largest difference allowed between the fused graph and the NumPy ensemble, both from float32
BOX_PARITY = 1e-4  # the same of corners and scores of detections
FROZEN_PARITY = 1e-4  # the same of either where weights are constants: sums of a network then round in another order


def measure_parity(
    fused: Any,
    models: Sequence[Any],
    weights: Sequence[Any],
    pictures: Sequence[Path],
    fusion: BoxFusion | None = None,
    temperatures: Sequence[float] = (),
    decisions: Decisions | None = None,
    *,
    frozen: bool = False,
    pieces: Mapping[int, PieceRule] | None = None,
    crops: ClassTruth | None = None,
) -> float:
    """Largest absolute difference between a fused model, loaded, and the ensemble of float32 re-predictions.

    Of `crops` it is also measured on boxes in their whole pictures, which each model sees in its own way. With a
    `fusion`, of detections; `weights` and `temperatures` are those of `Mean`. Raises SpineError above `PARITY`, of
    detections `BOX_PARITY`, of a `frozen` model `FROZEN_PARITY`, where other than the `decisions` are made, and where
    masks are others than the rules of `pieces` make.
    """
    loaded = [fused, *models]
    if fusion is None:
        mean, allowed = Mean(tuple(weights), tuple(temperatures)), PARITY
        difference = _of_probabilities(mean, [predict_pictures(model, pictures) for model in loaded])
        if crops:
            in_pictures = _of_probabilities(mean, [predict_samples(model, crops) for model in loaded])
            difference = max(difference, in_pictures)
    else:
        difference, allowed = _of_boxes(loaded, weights, pictures, fusion), BOX_PARITY
    allowed = FROZEN_PARITY if frozen else allowed
    if pieces:
        require_masks((answer_files(fused, [picture]) for picture in pictures), pieces)
    if decisions:
        require_decisions(answer_files(fused, pictures), decisions)
    if difference > allowed:
        raise SpineError(
            f"the fused model differs from the members' weighted {'boxes' if fusion else 'mean'} by {difference:.2e}, "
            f"more than {allowed:.0e}; it was not published. "
            + ("Set export.frozen: false" if frozen else "Report this with the members' configs")
        )
    return difference


def require_masks(answers: Iterable[Mapping[str, np.ndarray]], pieces: Mapping[int, PieceRule]) -> None:
    """SpineError unless a model's masks are what the rules of `pieces` make of the `probabilities` that it gave."""
    for outputs in answers:
        for mask, probabilities in zip(outputs["mask"], outputs["probabilities"], strict=True):
            if not np.array_equal(mask, postprocess(probabilities, pieces)):
                raise SpineError(
                    "the exported model's mask is not what postprocess makes of its probabilities; it was not "
                    "published. Report this with the experiment's file"
                )


def require_decisions(outputs: Mapping[str, np.ndarray], decisions: Decisions) -> None:
    """SpineError unless what a model decided is what the `decisions` make of the `probabilities` that it gave."""
    for name, far in apart(outputs, decisions).items():
        if not far <= PARITY:
            raise SpineError(
                f"the exported model's output {name} differs from what weights.json decides by {far:.2e}; it was not "
                "published. Report this with weights.json"
            )


def _of_probabilities(fuse: Mean, answers: Sequence[Iterator[np.ndarray]]) -> float:
    return float(
        max(
            np.abs(fused - fuse([output.astype(np.float64) for output in outputs])).max()
            for fused, *outputs in zip(*answers, strict=True)
        )
    )


def _of_boxes(loaded: Sequence[Any], weights: Sequence[float], pictures: Sequence[Path], fusion: BoxFusion) -> float:
    answers = [detect_pictures(model, pictures) for model in loaded]
    return max(distance(fused, fuse_boxes(members, weights, fusion)) for fused, *members in zip(*answers, strict=True))


def distance(first: Detections, other: Detections) -> float:
    """The farthest that a detection of either is from the nearest of the other, in any corner or the score.

    Blind to the order, which the last digit of two scores may turn. Infinite where they are not as many, or one has a
    class that the other lacks.
    """
    if len(first) != len(other):
        return float("inf")
    rows, columns = (np.column_stack([side.boxes, side.scores]) for side in (first, other))
    apart = np.abs(rows[:, None] - columns[None]).max(axis=2)
    apart[first.classes[:, None] != other.classes] = np.inf
    return float(np.concatenate([apart.min(axis=0, initial=np.inf), apart.min(axis=1, initial=np.inf)]).max(initial=0))
