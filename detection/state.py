"""What a checkpoint of a detector's training holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow as tf
import tf_keras

from detection.batch_norm import norms_of
from spine.training.regularisation.weight_average import WeightAverage

__all__ = ["State", "learning_of"]


class State:
    """What a checkpoint holds, saved and loaded as a Keras model is; of an `average` of the network its averages."""

    def __init__(self, average: WeightAverage | None = None, **items: Any) -> None:
        self.average, self.items, self.checkpoint = average, items, tf.train.Checkpoint(**items)

    @property
    def variables(self) -> list[tf.Variable]:
        """Those of all items."""
        of_items = [getattr(item, "variables", [item]) for item in self.items.values()]
        found = [each for variables in of_items for each in (variables() if callable(variables) else variables)]
        return found if self.average is None else [*found, *self.average.variables]

    def save_weights(self, path: Path) -> None:
        """Write all items."""
        if self.average is not None:
            self.average.show()
            self.average.save(path)
        self.checkpoint.write(str(path))

    def load_weights(self, path: Path) -> None:
        """Read the items that this state has; all of them must be there. Averages are shown."""
        self.checkpoint.read(str(path)).assert_existing_objects_matched().expect_partial()
        if self.average is not None:
            self.average.load(path)


def learning_of(network: tf_keras.Model) -> list[tf.Variable]:
    """What changes in training: trainable weights, and the moving statistics of batch norm that learns."""
    norms = [norm for norm in norms_of(network) if norm.trainable]
    return [*network.trainable_variables, *(value for norm in norms for value in norm.non_trainable_weights)]
