"""The second step of alternating training: a network of its own learns from the proposals of the one before it."""

from __future__ import annotations

from typing import Any

import tf_keras

__all__ = ["DetectorOnProposals"]

Tensor = Any


class DetectorOnProposals(tf_keras.Model):
    """A Faster R-CNN whose regions come from the RPN of another, called as Model Garden's `MaskRCNNModel` is.

    Only `detector` learns.
    """

    def __init__(self, detector: tf_keras.Model, proposer: tf_keras.Model) -> None:
        super().__init__()
        proposer.trainable = False
        self.detector, self.proposer = detector, proposer

    @property
    def losses(self) -> list[Tensor]:
        """The detector's weight decay."""
        return self.detector.losses

    def call(
        self,
        images: Tensor,
        image_shape: Tensor,
        anchor_boxes: dict[str, Tensor],
        gt_boxes: Tensor,
        gt_classes: Tensor,
        training: bool = True,
    ) -> dict[str, Tensor]:
        """The proposer's `rpn_scores` and `rpn_boxes`; the detector's classes, boxes and their targets."""
        rpn_scores, rpn_boxes = self.proposer.rpn_head(self._features(self.proposer, images))
        rois, _ = self.detector.roi_generator(rpn_boxes, rpn_scores, anchor_boxes, image_shape, training)
        _, _, outputs, *_ = self.detector._run_frcnn_head(
            features=self._features(self.detector, images),
            rois=rois,
            gt_boxes=gt_boxes,
            gt_classes=gt_classes,
            training=training,
            model_outputs={"rpn_scores": rpn_scores, "rpn_boxes": rpn_boxes},
            cascade_num=0,
            regression_weights=self.detector._cascade_layer_to_weights[0],
        )
        return outputs

    @staticmethod
    def _features(network: tf_keras.Model, images: Tensor) -> Any:
        return network._get_backbone_and_decoder_features(images)[1]
