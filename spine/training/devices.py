"""The devices that one training is spread over."""

from __future__ import annotations

import tensorflow as tf

__all__ = ["strategy"]


def strategy() -> tf.distribute.Strategy:
    """All visible GPUs, or the one device there is."""
    gpus = tf.config.list_logical_devices("GPU")
    return tf.distribute.MirroredStrategy() if len(gpus) > 1 else tf.distribute.get_strategy()
