"""Faster R-CNN from Model Garden's configuration, factory and layers, over grey pictures in [0, 1]."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import tensorflow as tf
import tf_keras
from official.vision.configs import common, decoders, maskrcnn
from official.vision.modeling import factory
from official.vision.modeling.maskrcnn_model import MaskRCNNModel
from official.vision.ops.anchor import Anchor

from detection.backbones.backbone import GardenBackbone, GreyConfig, register, set_trainable
from detection.backbones.table import BACKBONES
from detection.backbones.weights import build_base
from detection.batch_norm import norms_of
from detection.config import Settings

__all__ = ["FasterRCNN", "anchors", "build", "fetch_weights", "model_config"]

Tensor = Any

# The parts whose settings have Model Garden's own names, all of them.
_PARTS = {
    "rpn_head": maskrcnn.RPNHead,
    "detection_head": maskrcnn.DetectionHead,
    "roi_generator": maskrcnn.ROIGenerator,
    "roi_sampler": maskrcnn.ROISampler,
    "roi_aligner": maskrcnn.ROIAligner,
    "detection_generator": maskrcnn.DetectionGenerator,
}


class FasterRCNN(MaskRCNNModel):
    """Model Garden's model without masks, over pictures (N, height, width, 1) in [0, 1] of the settings' size.

    They are padded with black below and at the right to the multiple of the largest stride, so boxes stay as they
    are: y1 x1 y2 x2 in pixels of the unpadded picture. Anchors, and the size that boxes are clipped to, are the
    settings' unless given.
    """

    def __init__(self, settings: Settings, **parts: Any) -> None:
        super().__init__(**parts)
        self.settings = settings

    def call(
        self,
        images: Tensor,
        image_shape: Tensor | None = None,
        anchor_boxes: dict[str, Tensor] | None = None,
        gt_boxes: Tensor | None = None,
        gt_classes: Tensor | None = None,
        training: bool | None = None,
    ) -> dict[str, Tensor]:
        """Model Garden's outputs: those of the losses when training, `detection_*` otherwise.

        `image_shape` (N, 2) and `gt_boxes` (N, max, 4) are in pixels, -1 where there is no box.
        """
        count = tf.shape(images)[0]
        if image_shape is None:
            image_shape = tf.tile(tf.constant([[self.settings.height, self.settings.width]], tf.float32), [count, 1])
        if anchor_boxes is None:
            own = anchors(self.settings)
            anchor_boxes = {level: tf.repeat(boxes[tf.newaxis], count, axis=0) for level, boxes in own.items()}
        return super().call(images, image_shape, anchor_boxes, gt_boxes, gt_classes, training=training)

    def _get_backbone_and_decoder_features(self, images: Tensor) -> Any:
        return super()._get_backbone_and_decoder_features(_padded(images, self.settings))


def build(settings: Settings, classes: int) -> FasterRCNN:
    """The member's detector of so many foreground classes, its weights created; class 0 inside it is background.

    SpineError where the backbone's weights cannot be downloaded, read or do not fit.
    """
    register()
    config = model_config(settings, classes)
    parts = factory.build_maskrcnn(tf_keras.layers.InputSpec(shape=[None, *config.input_size]), config).get_config()
    network = FasterRCNN(settings, **parts)
    batch_norm = not (settings.freeze_batch_norm and settings.pretrained)
    set_trainable(network.backbone, settings.frozen_stages, batch_norm=batch_norm)
    for norm in norms_of(network):
        norm.momentum = settings.batch_norm_momentum
    network(tf.zeros([1, settings.height, settings.width, 1]), training=False)
    return network


def fetch_weights(settings: Settings) -> None:
    """Download the backbone's first weights into Keras' cache, or read them; SpineError where that fails."""
    backbone = BACKBONES[settings.backbone]
    build_base(settings.backbone, backbone, settings.backbone_weights)


def model_config(settings: Settings, classes: int) -> maskrcnn.MaskRCNN:
    """Model Garden's configuration of the network that the settings ask for."""
    levels = settings.backbone_levels
    grey = GreyConfig(
        name=settings.backbone,
        weights=settings.backbone_weights,
        pixel_scale=settings.pixel_scale,
        min_level=levels[0],
        max_level=levels[-1],
    )
    return maskrcnn.MaskRCNN(
        num_classes=classes + 1,
        input_size=[*settings.padded_size, 1],
        min_level=settings.min_level,
        max_level=settings.max_level,
        anchor=maskrcnn.Anchor(
            num_scales=settings.anchor.num_scales,
            aspect_ratios=list(settings.anchor.aspect_ratios),
            anchor_size=settings.anchor.anchor_size,
        ),
        include_mask=False,
        mask_head=None,
        mask_sampler=None,
        mask_roi_aligner=None,
        backbone=GardenBackbone(grey=grey),
        decoder=decoders.Decoder(
            type=settings.decoder.type, fpn=decoders.FPN(num_filters=settings.decoder.fpn.num_filters)
        ),
        norm_activation=common.NormActivation(norm_momentum=settings.batch_norm_momentum, norm_epsilon=1e-4),
        **{name: part(**getattr(settings, name).model_dump()) for name, part in _PARTS.items()},
    )


def anchors(settings: Settings) -> dict[str, Tensor]:
    """The RPN's anchors of one picture, by level: (h, w, num_scales * aspect_ratios * 4), y1 x1 y2 x2 in pixels.

    They cover the padded size; those of one place follow each other scale by scale, as Model Garden has them.
    """
    own = settings.anchor
    steps = (2 ** (own.octaves * scale / own.num_scales) for scale in range(own.num_scales))
    by_scale = [
        Anchor(
            settings.min_level, settings.max_level, 1, own.aspect_ratios, own.anchor_size * step, settings.padded_size
        ).multilevel_boxes
        for step in steps
    ]
    return OrderedDict((level, tf.concat([boxes[level] for boxes in by_scale], axis=-1)) for level in by_scale[0])


def _padded(images: Tensor, settings: Settings) -> Tensor:
    height, width = settings.padded_size
    below, right = height - settings.height, width - settings.width
    return tf.pad(images, [[0, 0], [0, below], [0, right], [0, 0]]) if below or right else images
