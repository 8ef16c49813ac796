"""An ensemble as one SavedModel, with a member's own signatures and two of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from ensemble.serving.asked_boxes import AskedBoxes
from ensemble.serving.describe import describing
from ensemble.serving.ensemble import Ensemble
from ensemble.serving.side_by_side import answer_of
from spine.answers.description import Description
from spine.member.measuring import measured_signature
from spine.member.member import Member
from spine.member.serving import for_any_number
from spine.training.see_boxes import BOXES
from spine.training.served import FILES, IMAGES, NEIGHBOURS, told_of_boxes

__all__ = ["FusedModel", "told_input"]


def told_input(members: Sequence[Member], cut: float | None) -> dict[str, Any]:
    """What an ensemble's card says of its inputs: as its first member's, but for boxes, which others may not see."""
    told = {name: value for name, value in members[0].card.input.items() if name not in ("regions", "slices")}
    sees_boxes = cut is not None or all("regions" in member.card.input for member in members)
    sees_slices = any("slices" in member.card.input for member in members)
    return {**told, **told_of_boxes(sees_boxes, sees_slices)}


class FusedModel(tf.Module):
    """What an ensemble's members say, fused.

    `serving_default(image_bytes: string [N])` and `image(image: float32 [N, H, W, 1 or 3] in [0, 1])` give the outputs
    of the ensemble's `fuse`; `members(image_bytes)` those and each member's own. `prepared(inputs, sizes)` is there
    where all members' networks read the same, `describe(question: string [N])` where there is a description.
    `regions(image_bytes, boxes)` is there where all members see boxes, or others are to get what is cut out of the
    picture, the boxes grown by `cut`; so is `slices(image_bytes, boxes, before, after)` where a member sees the slices
    next to a picture.
    """

    def __init__(self, ensemble: Ensemble, description: Description | None = None, cut: float | None = None) -> None:
        super().__init__()
        self.ensemble, self._cut = ensemble, cut
        self.serving_default = tf.function(for_any_number(self._of_files), input_signature=[FILES])
        self.image = tf.function(for_any_number(ensemble.of_images), input_signature=[IMAGES])
        self.members = tf.function(for_any_number(self._with_members), input_signature=[FILES])
        if reads := ensemble.shared_input:
            self.prepared = tf.function(for_any_number(self._of_prepared), input_signature=reads.signature)
        if ensemble.sees_boxes or cut is not None:
            self.regions = tf.function(for_any_number(self._of_boxes), input_signature=[FILES, BOXES])
        if ensemble.sees_slices:
            self.slices = tf.function(for_any_number(self._of_slices), input_signature=[FILES, BOXES, *NEIGHBOURS])
        if ensemble.only_measures:
            self.measuring = ensemble.measuring
            self.decide = tf.function(self._of_measured, input_signature=[measured_signature(ensemble.measuring)])
        if description:
            self.describe = describing(description)

    def _of_files(self, files: tf.Tensor) -> dict[str, tf.Tensor]:
        return self.ensemble.fuse(self.ensemble.members_of_files(files))

    def _with_members(self, files: tf.Tensor) -> dict[str, tf.Tensor]:
        return answer_of(self.ensemble.fuse, self.ensemble.members_of_files(files), members=True)

    def _of_prepared(self, inputs: tf.Tensor, sizes: tf.Tensor) -> dict[str, tf.Tensor]:
        return self.ensemble.fuse(self.ensemble.members_of_prepared(inputs, sizes))

    def _of_measured(self, measured: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return self.ensemble.fuse(self.ensemble.members_of_measured(measured))

    def _of_boxes(self, files: tf.Tensor, boxes: tf.Tensor) -> dict[str, tf.Tensor]:
        return self.ensemble.fuse(self.ensemble.members_of_boxes(AskedBoxes.in_files(files, boxes, self._cut)))

    def _of_slices(
        self, files: tf.Tensor, boxes: tf.Tensor, before: tf.Tensor, after: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        asked = AskedBoxes.in_slices(files, boxes, before, after, self._cut)
        return self.ensemble.fuse(self.ensemble.members_of_boxes(asked))
