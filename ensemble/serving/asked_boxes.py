"""Boxes in pictures that members are asked about, each seeing of them what it learned from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import tensorflow as tf

from spine.member.run_model import sees_slices
from spine.training.expand_box import expand_boxes
from spine.training.network_input import NetworkInput
from spine.training.see_boxes import (
    Slices,
    levels_of_images,
    or_itself,
    prepare_boxes,
    require_boxes,
    slices_of_files,
)

__all__ = ["AskedBoxes"]

Tensor = Any


@dataclass(frozen=True)
class AskedBoxes:
    """Boxes (N, 4), y0 x0 y1 x1 in [0, 1], each in the picture that one row of the `elements` stands for.

    `files` gives those pictures as PNG or JPEG (N) string, for members that are no network of ours: one each, or that
    of the slice before, the picture and the slice after. Members that know no boxes are given what is cut out, grown by
    `cut`; without it there are none.
    """

    boxes: Tensor
    elements: tuple[Tensor, ...]
    slices_of: Callable[[Sequence[NetworkInput]], Callable[[Any], Slices]]
    files: Callable[[], tuple[Tensor, ...]]
    cut: float | None = None

    @classmethod
    def in_files(cls, files: Tensor, boxes: Tensor, cut: float | None) -> AskedBoxes:
        """Each in the PNG or JPEG file of its row; an error in the graph where it is no box."""
        return cls(require_boxes(boxes), (files,), lambda reads: slices_of_files, lambda: (files,), cut)

    @classmethod
    def in_slices(cls, files: Tensor, boxes: Tensor, before: Tensor, after: Tensor, cut: float | None) -> AskedBoxes:
        """Each in the file of its row, which has those of the slices next to it; "" where there is none."""
        rows = or_itself(before, files), files, or_itself(after, files)
        return cls(require_boxes(boxes), rows, lambda reads: slices_of_files, lambda: rows, cut)

    @classmethod
    def in_images(cls, images: Tensor, numbers: Sequence[Tensor], boxes: Tensor, cut: float) -> AskedBoxes:
        """Each in one of the images (N, H, W, 1), float32 in [0, 1], by its number; or in three, by those of the slice
        before, the picture and the slice after.
        """

        @cache
        def files() -> tuple[Tensor, ...]:
            sixteen = tf.cast(tf.round(images * 65535), tf.uint16)
            encoded = tf.map_fn(tf.io.encode_png, sixteen, fn_output_signature=tf.string)
            return tuple(tf.gather(encoded, one) for one in numbers)

        def slices_of(reads: Sequence[NetworkInput]) -> Callable[[Any], Slices]:
            levels_of = levels_of_images(images, reads)
            return lambda row: [levels_of(number) for number in row]

        return cls(boxes, tuple(numbers), slices_of, files, cut)

    def seen_by(self, read: NetworkInput) -> NetworkInput:
        """What a network reads of the boxes."""
        return read if read.sees_boxes else read._replace(view=read.view.of_cut(self.cut or 0.0))

    def prepare(self, reads: Sequence[NetworkInput]) -> tuple[list[Tensor], list[Tensor]]:
        """The network inputs of each, and the sizes of what they were made of."""
        return prepare_boxes(self.slices_of(reads), self.elements, self.boxes, reads)

    def ask(self, model: Any) -> dict[str, Tensor]:
        """What a model that sees boxes says of them, by `slices` where it sees the slices next to a picture."""
        files = self.files()
        picture = {"image_bytes": files[len(files) // 2], "boxes": self.boxes}
        if not sees_slices(model):
            return model.signatures["regions"](**picture)  # type: ignore[no-any-return]
        return model.signatures["slices"](**picture, before=files[0], after=files[-1])  # type: ignore[no-any-return]

    def measured_by(self, measuring: Any) -> Tensor:
        """What is measured of them, (N, F)."""
        files = self.files()
        return measuring.of_files(files[len(files) // 2], self.boxes)

    def picture_of(self, row: tuple[tuple[Tensor, ...], Tensor]) -> Tensor:
        """What is cut out (H, W, 1) for one of the `rows`."""
        slices = self.slices_of([])(row[0])
        picture = slices[len(slices) // 2]("none")
        y0, x0, y1, x1 = tf.unstack(expand_boxes(row[1][tf.newaxis], self.cut or 0.0, tf.shape(picture)[:2])[0])
        return picture[y0:y1, x0:x1]

    @property
    def rows(self) -> tuple[tuple[Tensor, ...], Tensor]:
        """A picture and a box each."""
        return self.elements, self.boxes
