"""Members' named outputs -> those of their ensemble: the fusion rule of each task, in the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import tensorflow as tf

from ensemble.fusion.disagreement import disagreement
from ensemble.fusion.fuse import Mean
from ensemble.fusion.fuse_boxes import BoxFusion
from ensemble.fusion.fuse_boxes_graph import fuse_boxes_in_graph
from ensemble.fusion.pieces_graph import postprocess_in_graph
from ensemble.tasks import ENSEMBLE_TASKS
from spine.dataset.detections import OUTPUTS
from spine.experiment.postprocess import PieceRule

__all__ = ["Fuse", "FuseBoxes", "FuseProbabilities", "Outputs", "TakeTheOne", "fuse_for"]

Tensor = Any
Outputs = Mapping[str, Tensor]  # of a signature, by name


class Fuse(Protocol):
    """Makes one answer of members' outputs, in their order."""

    def __call__(self, outputs: Sequence[Outputs]) -> dict[str, Tensor]:
        """The ensemble's outputs."""
        ...

    def members(self, outputs: Sequence[Outputs]) -> dict[str, Tensor]:
        """What each of K members says, stacked along the axis after the pictures', as outputs of other names."""
        ...


def fuse_for(
    task: str, mean: Mean, boxes: BoxFusion | None = None, pieces: Mapping[int, PieceRule] | None = None
) -> Fuse:
    """The task's: of probabilities by the `mean`; of `boxes` by their thresholds and the weights of the `mean`.

    Masks are post-processed by the rules of `pieces`, where there are any.
    """
    if boxes:
        return FuseBoxes(tuple(float(weight) for weight in mean.weights if not isinstance(weight, tuple)), boxes)
    return FuseProbabilities(mean, "mask" in ENSEMBLE_TASKS[task].outputs, pieces or {})


@dataclass(frozen=True)
class FuseProbabilities:
    """`probabilities` (N, C) or (N, H, W, C) by the `mean`, with `gives_mask` their argmax `mask` (N, H, W) int32.

    By the rules of `pieces` the mask is post-processed; the probabilities stay as they are.

    Of members `probabilities_members` (N, K, ...), as each says them, and their `disagreement` in bits, (N) or
    (N, H, W).
    """

    mean: Mean
    gives_mask: bool = False
    pieces: Mapping[int, PieceRule] = field(default_factory=dict)

    def __call__(self, outputs: Sequence[Outputs]) -> dict[str, Tensor]:
        """Fused."""
        probabilities = self.mean([output["probabilities"] for output in outputs])
        if not self.gives_mask:
            return {"probabilities": probabilities}
        if self.pieces:
            return {"probabilities": probabilities, "mask": postprocess_in_graph(probabilities, self.pieces)}
        return {"probabilities": probabilities, "mask": tf.argmax(probabilities, axis=-1, output_type=tf.int32)}

    def members(self, outputs: Sequence[Outputs]) -> dict[str, Tensor]:
        """Stacked, and how far apart."""
        said = [output["probabilities"] for output in outputs]
        return {"probabilities_members": tf.stack(said, axis=1), "disagreement": disagreement(said, self.mean)}


@dataclass(frozen=True)
class FuseBoxes:
    """A detector's outputs by weighted boxes fusion; of members (N, K, M, ...), padded with zeros to the most rows."""

    weights: tuple[float, ...]
    fusion: BoxFusion

    def __call__(self, outputs: Sequence[Outputs]) -> dict[str, Tensor]:
        """Fused."""
        return fuse_boxes_in_graph(outputs, self.weights, self.fusion)

    def members(self, outputs: Sequence[Outputs]) -> dict[str, Tensor]:
        """Stacked."""
        return _stacked_boxes(outputs)


class TakeTheOne:
    """The outputs of a detector that is alone, as they are."""

    def __call__(self, outputs: Sequence[Outputs]) -> dict[str, Tensor]:
        """Its own."""
        (only,) = outputs
        return dict(only)

    def members(self, outputs: Sequence[Outputs]) -> dict[str, Tensor]:
        """Stacked."""
        return _stacked_boxes(outputs)


def _stacked_boxes(outputs: Sequence[Outputs]) -> dict[str, Tensor]:
    return {f"{name}_members": _stacked([output[name] for output in outputs]) for name in OUTPUTS}


def _stacked(values: Sequence[Tensor]) -> Tensor:
    """(N, K, ...) of K values (N) or (N, M, ...), which may have different M."""
    if values[0].shape.rank == 1:
        return tf.stack(values, axis=1)
    most = tf.reduce_max([tf.shape(value)[1] for value in values])
    rest = [[0, 0]] * (values[0].shape.rank - 2)
    return tf.stack([tf.pad(value, [[0, 0], [0, most - tf.shape(value)[1]], *rest]) for value in values], axis=1)
