"""The batch norms of a detector's network."""

from __future__ import annotations

from collections.abc import Iterator

import tf_keras

__all__ = ["norms_of", "to_answer"]


def norms_of(network: tf_keras.Model) -> Iterator[tf_keras.layers.BatchNormalization]:
    """The batch norms of a network, wherever they lie in it."""
    return (layer for layer in network.submodules if isinstance(layer, tf_keras.layers.BatchNormalization))


def to_answer(network: tf_keras.Model) -> tf_keras.Model:
    """The network, that it answers fast; one that learns is faster as it is.

    TensorFlow joins a convolution and Keras' fused batch norm into one kernel. oneDNN takes six times as long in it
    where the CPU has no AVX-512. What is written out as arithmetic is not joined.
    """
    for norm in norms_of(network):
        norm.fused = False
    return network
