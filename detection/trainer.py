"""Model Garden's trainer, one epoch at a time, with a bar that moves at every step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_keras
from official.core.base_trainer import Trainer
from official.core.config_definitions import ExperimentConfig
from official.vision.tasks.maskrcnn import MaskRCNNTask

from detection.objective import losses_of
from spine.core.tracing import without_autograph

__all__ = ["EpochTrainer"]


class EpochTrainer(Trainer):
    """Trains a network by a task of Model Garden's, `steps` an epoch; `after_step` is called after each.

    `checkpoint` holds the network, the optimizer and the count of steps. Made and used within the strategy's scope.
    """

    def __init__(
        self,
        task: MaskRCNNTask,
        network: tf_keras.Model,
        optimizer: tf_keras.optimizers.Optimizer,
        data: Any,
        steps: int,
        after_step: Callable[[], None],
    ) -> None:
        self.steps, self.after_step = steps, after_step
        config = ExperimentConfig(task=task.task_config)
        super().__init__(config, task, network, optimizer, evaluate=False, train_dataset=data)
        optimizer.build(network.trainable_variables)  # so that a checkpoint finds its state

    def epoch(self) -> dict[str, float]:
        """Train for the epoch's steps; the means of their losses, and the rate of the last."""
        logs = self.train(tf.constant(self.steps))
        return {**losses_of(logs), "learning_rate": float(tf.convert_to_tensor(logs["learning_rate"]))}

    def create_train_loop_fn(self) -> Callable[[Any, tf.Tensor], None]:
        """The loop over the steps, here and not in a graph, so that each can be seen."""
        step = tf.function(without_autograph(self.train_step))

        def loop(iterator: Any, steps: tf.Tensor) -> None:
            for _ in range(int(steps)):
                step(iterator)
                self.after_step()

        return loop

    def train_loop_begin(self) -> None:
        """Forget the losses of the epoch before."""
        for metric in (*self.train_metrics, self.train_loss):
            metric.reset_state()
