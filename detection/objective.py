"""What a phase of training minimises: Model Garden's four losses, each under the name that the papers give it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tf_keras
from official.vision.configs import maskrcnn as configs
from official.vision.tasks.maskrcnn import MaskRCNNTask

from detection.config import Phase, Settings
from detection.model import model_config

__all__ = ["LOSSES", "Task", "losses_of", "task_of"]

Tensor = Any

# Model Garden's name of a loss -> the papers' (Ma et al. 2020).
LOSSES = {
    "total_loss": "loss",
    "rpn_score_loss": "rpn_cls",
    "rpn_box_loss": "rpn_box",
    "frcnn_cls_loss": "rcnn_cls",
    "frcnn_box_loss": "rcnn_box",
}


class Task(MaskRCNNTask):
    """Model Garden's task, a step forward and backward, with the weight decay of the kernels that learn."""

    def __init__(self, config: configs.MaskRCNNTask, network: tf_keras.Model, settings: Settings) -> None:
        super().__init__(config)
        self.network, self.weight_decay = network, settings.weight_decay
        self.anchors, self.regions = settings.parser.rpn_batch_size_per_im, settings.roi_sampler.num_sampled_rois

    def _build_rpn_losses(self, outputs: Mapping[str, Any], labels: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
        # Model Garden divides the sum over the drawn anchors by the number of regions that the box head learns from;
        # the mean over the anchors is that of Ren et al. 2015 (Faster R-CNN), equation 1.
        score, box = super()._build_rpn_losses(outputs, labels)
        return score * self.regions / self.anchors, box

    def build_losses(
        self, outputs: Mapping[str, Any], labels: Mapping[str, Any], aux_losses: Any = None
    ) -> dict[str, Tensor]:
        """Model Garden's losses; the total has the decay in it."""
        kernels = [weight for weight in self.network.trainable_weights if "kernel" in weight.name]
        decay = self.weight_decay * tf.add_n([tf.nn.l2_loss(kernel) for kernel in kernels])
        return super().build_losses(outputs, labels, [*(aux_losses or ()), decay])


def task_of(phase: Phase, settings: Settings, classes: int, network: tf_keras.Model) -> Task:
    """The task of a phase, in which the losses of what does not learn weigh nothing."""
    rpn, head = (float(part in phase.learns) for part in ("rpn_head", "detection_head"))
    own = settings.losses
    losses = configs.Losses(
        rpn_huber_loss_delta=own.rpn_huber_loss_delta,
        frcnn_huber_loss_delta=own.frcnn_huber_loss_delta,
        rpn_score_weight=rpn * own.rpn_score_weight,
        rpn_box_weight=rpn * own.rpn_box_weight,
        frcnn_class_weight=head * own.frcnn_class_weight,
        frcnn_box_weight=head * own.frcnn_box_weight,
    )
    config = configs.MaskRCNNTask(model=model_config(settings, classes), losses=losses)
    return Task(config, network, settings)


def losses_of(logs: Mapping[str, Any]) -> dict[str, float]:
    """The papers' losses of an epoch, out of what Model Garden's trainer tells of it."""
    return {name: float(logs[own]) for own, name in LOSSES.items()}
