"""Truths that a network is not to be sure of."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

__all__ = ["smooth", "smoothed"]


def smooth(truth: Any, smoothing: float) -> tf.Tensor:
    """One-hot truth (N, ..., C) of which `smoothing`, a share, is spread over all classes alike; float32.

    What adds up to 1 still does; a row of zeros, which has no truth, stays one. Szegedy et al. 2016, section 7.
    """
    classes = truth.shape[-1]
    return (1 - smoothing) * truth + smoothing / classes * tf.reduce_sum(truth, axis=-1, keepdims=True)


def smoothed(batches: tf.data.Dataset, smoothing: float) -> tf.data.Dataset:
    """Batches of images, truth, of one target or several, and what may follow, their truth smoothed."""

    def example(images: Any, truth: Any, *more: Any) -> tuple[Any, ...]:
        return images, tf.nest.map_structure(lambda one: smooth(one, smoothing), truth), *more

    return batches.map(example)
