"""The machines that one detector is trained on: one, or as many as TF_CONFIG names.

TF_CONFIG is TensorFlow's own: {"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}.
Every machine runs the same command on the same dataset, with the runs on a disk they share. Worker 0 is the chief: it
alone writes the member.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from spine.core.problems import SpineError
from spine.training import devices

__all__ = ["Workers"]


@dataclass(frozen=True)
class Workers:
    """This machine among those that train together: its `index`, their number, and how they share a step."""

    index: int = 0
    count: int = 1
    strategy: tf.distribute.Strategy = field(default_factory=lambda: devices.strategy())

    @classmethod
    def from_environment(cls) -> Workers:
        """Those of TF_CONFIG, or this machine alone; to be called before TensorFlow computes anything.

        SpineError where TF_CONFIG is not what TensorFlow reads.
        """
        index, count = _read(os.environ.get("TF_CONFIG", ""))
        if count < 2:
            return cls()
        return cls(index, count, tf.distribute.MultiWorkerMirroredStrategy())

    @property
    def is_chief(self) -> bool:
        """Whether this is the machine that validates, and writes the member."""
        return self.index == 0

    @property
    def replicas(self) -> int:
        """The devices of all machines."""
        return self.strategy.num_replicas_in_sync

    def distribute(self, data_of: Callable[[int, int], tf.data.Dataset]) -> Any:
        """A data set that deals batches to the devices; `data_of(machine, machines)` has those of one, in turn."""
        if self.replicas == 1:
            return data_of(0, 1)
        return self.strategy.distribute_datasets_from_function(
            lambda context: data_of(context.input_pipeline_id, context.num_input_pipelines)
        )

    def barrier(self) -> None:
        """Wait until every machine is here."""
        self.broadcast([0.0])

    def broadcast(self, numbers: Any) -> np.ndarray:
        """What the chief says, on every machine: (n,) float64. The others wait for it; what they give is not read."""
        values = tf.constant(numbers, tf.float64)
        if self.count == 1:
            return values.numpy()
        own_part = values if self.is_chief else tf.zeros_like(values)

        @tf.function
        def share(own: tf.Tensor) -> tf.Tensor:
            return self.strategy.run(_sum_of_all, args=(own,))

        per_replica = self.strategy.experimental_local_results(share(own_part))
        return per_replica[0].numpy() / (self.replicas // self.count)  # each of the chief's devices has said it


def _sum_of_all(values: tf.Tensor) -> tf.Tensor:
    own = tf.identity(values)  # on the replica's device: a reduction goes where its operands lie
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, own)


def _read(text: str) -> tuple[int, int]:
    try:
        config = json.loads(text or "{}")
        cluster, task = config.get("cluster", {}), config.get("task", {})
        chiefs, workers = len(cluster.get("chief", ())), len(cluster.get("worker", ()))
        index = int(task.get("index", 0)) + (chiefs if task.get("type") == "worker" else 0)
    except (ValueError, TypeError, AttributeError) as error:
        raise SpineError(f"TF_CONFIG cannot be read ({error}); {_FORM}") from error
    if set(cluster) - {"chief", "worker"} or (cluster and not 0 <= index < chiefs + workers):
        raise SpineError(f"TF_CONFIG is {text}; {_FORM}")
    return index, chiefs + workers


_FORM = (
    'give {"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}: index counts the '
    "workers from 0, which is the chief where the cluster names no other"
)
