"""Maps of a picture's pixels in a case's graph: laid out from a region into the picture, background elsewhere.

Maps are outputs by name: `probabilities` (N, H, W, C), with members `probabilities_members` (N, K, H, W, C) and
`disagreement` (N, H, W). Background is class 0, on which members agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from ensemble.fusion.pieces_graph import postprocess_in_graph
from ensemble.serving.ensemble import Ensemble
from ensemble.serving.side_by_side import answer_of
from spine.experiment.postprocess import PieceRule

__all__ = ["in_regions", "only_where", "with_mask"]

Tensor = Any
Maps = dict[str, Tensor]


def with_mask(maps: Maps, pieces: Mapping[int, PieceRule]) -> Maps:
    """The same and `mask` (N, H, W) int32, each pixel's likeliest class, post-processed by the rules of `pieces`."""
    if pieces:
        return {**maps, "mask": postprocess_in_graph(maps["probabilities"], pieces)}
    return {**maps, "mask": tf.argmax(maps["probabilities"], axis=-1, output_type=tf.int32)}


def only_where(there: Tensor, maps: Maps) -> Maps:
    """The maps of the pictures that are `there` (N,) bool; all background of the others."""

    def only(name: str, values: Tensor) -> Tensor:
        rest = [1] * (values.shape.rank - 1)
        return tf.where(tf.reshape(there, [-1, *rest]), values, _background(name, values))

    return {name: only(name, values) for name, values in maps.items() if name != "mask"}


def in_regions(part: Ensemble, images: Tensor, regions: Tensor, members: bool = False) -> Maps:
    """The maps of one region y0 x0 y1 x1 (N, 4) int32 of each image (N, H, W, 1), laid out in the image."""
    height, width = tf.unstack(tf.shape(images)[1:3])

    def of_one(row: tuple[Tensor, Tensor]) -> Maps:
        y0, x0, y1, x1 = tf.unstack(row[1])
        crop = row[0][tf.newaxis, y0:y1, x0:x1]
        inner = answer_of(part.fuse, part.members_of_images(crop), members)
        sides = ((y0, height - y1), (x0, width - x1))
        return {name: _laid_out(name, values, sides)[0] for name, values in inner.items() if name != "mask"}

    maps: Maps = tf.map_fn(of_one, (images, regions), fn_output_signature=_specs(part, members))
    return maps


def _specs(part: Ensemble, members: bool) -> dict[str, tf.TensorSpec]:
    """Of the maps of one image."""
    classes = part.models[0].signatures["image"].structured_outputs["probabilities"].shape[-1]
    shapes = {"probabilities": [None, None, classes]}
    if members:
        shapes |= {"probabilities_members": [len(part.models), None, None, classes], "disagreement": [None, None]}
    return {name: tf.TensorSpec(shape, tf.float32) for name, shape in shapes.items()}


def _laid_out(name: str, values: Tensor, sides: tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]) -> Tensor:
    """Maps of a region with so many rows and columns of background around them."""
    background = _background(name, values)
    before = [(0, 0)] * (2 if name.endswith("_members") else 1)
    after = [(0, 0)] * name.startswith("probabilities")
    return tf.pad(values - background, [*before, *sides, *after]) + background


def _background(name: str, values: Tensor) -> Tensor:
    return tf.one_hot(0, values.shape[-1]) if name.startswith("probabilities") else tf.constant(0.0)
