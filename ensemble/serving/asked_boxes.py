"""Boxes in pictures that members are asked about, each seeing of them what it learned from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from spine.training.expand_box import expand_boxes
from spine.training.network_input import NetworkInput
from spine.training.see_boxes import LevelsOf, levels_of_files, levels_of_images, prepare_boxes, require_boxes

__all__ = ["AskedBoxes"]

Tensor = Any


@dataclass(frozen=True)
class AskedBoxes:
    """Boxes (N, 4), y0 x0 y1 x1 in [0, 1], each in the picture that one of the `elements` (N, ...) stands for.

    `files` gives those pictures as PNG or JPEG (N) string, for members that are no network of ours. Members that know
    no boxes are given what is cut out, grown by `cut`; without it there are none.
    """

    boxes: Tensor
    elements: Tensor
    levels_of: Callable[[Sequence[NetworkInput]], Callable[[Any], LevelsOf]]
    files: Callable[[], Tensor]
    cut: float | None = None

    @classmethod
    def in_files(cls, files: Tensor, boxes: Tensor, cut: float | None) -> AskedBoxes:
        """Each in the PNG or JPEG file of its row; an error in the graph where it is no box."""
        return cls(require_boxes(boxes), files, lambda reads: levels_of_files, lambda: files, cut)

    @classmethod
    def in_images(cls, images: Tensor, numbers: Tensor, boxes: Tensor, cut: float) -> AskedBoxes:
        """Each in one of the images (N, H, W, 1), float32 in [0, 1], by its number."""

        def files() -> Tensor:
            sixteen = tf.cast(tf.round(images * 65535), tf.uint16)
            return tf.gather(tf.map_fn(tf.io.encode_png, sixteen, fn_output_signature=tf.string), numbers)

        return cls(boxes, numbers, lambda reads: levels_of_images(images, reads), files, cut)

    def seen_by(self, read: NetworkInput) -> NetworkInput:
        """What a network reads of the boxes."""
        return read if read.sees_boxes else read._replace(view=read.view.of_cut(self.cut or 0.0))

    def prepare(self, reads: Sequence[NetworkInput]) -> tuple[list[Tensor], list[Tensor]]:
        """The network inputs of each, and the sizes of what they were made of."""
        return prepare_boxes(self.levels_of(reads), self.elements, self.boxes, reads)

    def picture_of(self, row: tuple[Tensor, Tensor]) -> Tensor:
        """What is cut out (H, W, 1) for one of the `rows`."""
        picture = self.levels_of([])(row[0])("none")
        y0, x0, y1, x1 = tf.unstack(expand_boxes(row[1][tf.newaxis], self.cut or 0.0, tf.shape(picture)[:2])[0])
        return picture[y0:y1, x0:x1]

    @property
    def rows(self) -> tuple[Tensor, Tensor]:
        """A picture and a box each."""
        return self.elements, self.boxes
