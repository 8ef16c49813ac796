"""An ensemble as one SavedModel, with a member's own signatures and two of its own."""

from __future__ import annotations

import tensorflow as tf

from ensemble.serving.describe import describing
from ensemble.serving.ensemble import Ensemble
from ensemble.serving.side_by_side import answer_of
from spine.answers.description import Description
from spine.member.serving import for_any_number

__all__ = ["FILES", "IMAGES", "FusedModel"]

FILES = [tf.TensorSpec([None], tf.string, name="image_bytes")]
IMAGES = [tf.TensorSpec([None, None, None, None], tf.float32, name="image")]


class FusedModel(tf.Module):
    """What an ensemble's members say, fused.

    `serving_default(image_bytes: string [N])` and `image(image: float32 [N, H, W, 1 or 3] in [0, 1])` give the outputs
    of the ensemble's `fuse`; `members(image_bytes)` those and each member's own. `prepared(inputs, sizes)` is there
    where all members' networks read the same, `describe(question: string [N])` where there is a description.
    """

    def __init__(self, ensemble: Ensemble, description: Description | None = None) -> None:
        super().__init__()
        self.ensemble = ensemble
        self.serving_default = tf.function(for_any_number(self._of_files), input_signature=FILES)
        self.image = tf.function(for_any_number(ensemble.of_images), input_signature=IMAGES)
        self.members = tf.function(for_any_number(self._with_members), input_signature=FILES)
        if reads := ensemble.shared_input:
            self.prepared = tf.function(for_any_number(self._of_prepared), input_signature=reads.signature)
        if description:
            self.describe = describing(description)

    def _of_files(self, files: tf.Tensor) -> dict[str, tf.Tensor]:
        return self.ensemble.fuse(self.ensemble.members_of_files(files))

    def _with_members(self, files: tf.Tensor) -> dict[str, tf.Tensor]:
        return answer_of(self.ensemble.fuse, self.ensemble.members_of_files(files), members=True)

    def _of_prepared(self, inputs: tf.Tensor, sizes: tf.Tensor) -> dict[str, tf.Tensor]:
        return self.ensemble.fuse(self.ensemble.members_of_prepared(inputs, sizes))
