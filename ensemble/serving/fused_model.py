"""The members' SavedModels and their fusion as one module, with a member's own signatures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import tensorflow as tf

from ensemble.fusion.fuse import Mean, Share
from ensemble.fusion.fuse_boxes import BoxFusion
from ensemble.fusion.fuse_boxes_graph import fuse_boxes_in_graph
from ensemble.tasks import ENSEMBLE_TASKS
from spine.member.serving import for_any_number

__all__ = ["Fuse", "FusedModel", "fuse_for"]

Outputs = Mapping[str, Any]  # of a signature, tensors by name
Fuse = Callable[[Sequence[Outputs], Sequence[Any]], dict[str, Any]]  # members' outputs and their weights


def fuse_for(task: str, temperatures: tuple[float, ...] = (), boxes: BoxFusion | None = None) -> Fuse:
    """The task's fusion in the graph: of `boxes` with their thresholds, else of probabilities with `temperatures`."""
    if boxes:
        return partial(fuse_boxes_in_graph, fusion=boxes)
    return partial(_mean_and_mask if "mask" in ENSEMBLE_TASKS[task].outputs else _mean, temperatures=temperatures)


def _mean(outputs: Sequence[Outputs], weights: Sequence[Share], temperatures: tuple[float, ...] = ()) -> dict[str, Any]:
    fuse = Mean(tuple(weights), temperatures)
    return {"probabilities": fuse([output["probabilities"] for output in outputs])}


def _mean_and_mask(
    outputs: Sequence[Outputs], weights: Sequence[Share], temperatures: tuple[float, ...] = ()
) -> dict[str, Any]:
    answer = _mean(outputs, weights, temperatures)
    return {**answer, "mask": tf.argmax(answer["probabilities"], axis=-1, output_type=tf.int32)}


class FusedModel(tf.Module):
    """Members' SavedModels, each with its own preprocessing inside, and what they say, fused.

    `serving_default(image_bytes: string [N])` and `image(image: float32 [N, H, W, 1 or 3] in [0, 1])` give
    `probabilities` (N, C), of segmentation (N, H, W, C) and their argmax `mask` (N, H, W) int32; of detection the
    outputs of `fuse_boxes_in_graph`.
    """

    def __init__(self, models: Sequence[Any], weights: Sequence[Share], fuse: Fuse = _mean) -> None:
        super().__init__()
        self.models = list(models)
        self.weights = tuple(weights)
        self.fuse = fuse

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    def serving_default(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """What is fused of PNG or JPEG files."""
        return for_any_number(lambda files: self._answer("serving_default", image_bytes=files))(image_bytes)

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, None], tf.float32, name="image")])
    def image(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """What is fused of decoded images."""
        return for_any_number(lambda images: self._answer("image", image=images))(image)

    def _answer(self, signature: str, **inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return self.fuse([model.signatures[signature](**inputs) for model in self.models], self.weights)
