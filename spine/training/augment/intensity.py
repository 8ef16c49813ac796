"""Intensity augmentation: grey levels only; masks and boxes are left alone."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from spine.training.augment.settings import Augmentation

__all__ = ["IntensityParameters", "apply_intensity", "draw_intensity"]

Tensor = Any

POINTS = 4  # of the grid of a bias field, along each side: a coil's sensitivity changes over centimetres


class IntensityParameters(NamedTuple):
    """How the grey levels of each of N images change: float32 tensors (N, 1, 1, 1), None for what is left alone."""

    gamma: Tensor | None  # exponent on grey levels
    contrast: Tensor | None  # factor on their distance from the image's mean
    brightness: Tensor | None  # factor on them
    noise: Tensor | None  # standard deviation, where white is 1
    noise_seed: Tensor
    bias: Tensor | None = None  # (N, POINTS, POINTS, 1), logarithms of a factor at the points of a coarse grid
    solarised: Tensor | None = None  # bool: which images are


def draw_intensity(settings: Augmentation, n: Tensor, seed: Tensor) -> IntensityParameters:
    """Parameters of n images; the same seed, an integer tensor (2,), draws the same ones."""
    bias_seed, solarised_seed = tf.random.fold_in(seed, 1), tf.random.fold_in(seed, 2)
    seed, noise_seed = tf.unstack(tf.random.split(seed))
    uniform = tf.random.stateless_uniform([5, n, 1, 1, 1], seed)
    applied = tf.cast(uniform[0] < settings.probability, tf.float32)

    def value(row: int, interval: tuple[float, float]) -> Tensor:
        low, high = interval
        return applied * (low + (high - low) * uniform[row])

    def factor(row: int, interval: tuple[float, float]) -> Tensor | None:
        return 1 + value(row, interval) if any(interval) else None

    def bias() -> Tensor:
        most = settings.bias_field
        return applied * tf.random.stateless_uniform([n, POINTS, POINTS, 1], bias_seed, -most, most)

    def solarised() -> Tensor:
        return applied * tf.random.stateless_uniform([n, 1, 1, 1], solarised_seed) > 1 - settings.solarisation

    return IntensityParameters(
        gamma=factor(1, settings.gamma),
        contrast=factor(2, settings.contrast),
        brightness=factor(3, settings.brightness),
        noise=value(4, (0, settings.noise)) if settings.noise else None,
        noise_seed=noise_seed,
        bias=bias() if settings.bias_field else None,
        solarised=solarised() if settings.solarisation else None,
    )


def apply_intensity(images: Tensor, parameters: IntensityParameters) -> Tensor:
    """Images (N, H, W, C) float32 in [0, 1], solarised first, after bias field, gamma, contrast, brightness and noise.

    They are clipped to [0, 1].
    """
    if parameters.solarised is not None:
        images = tf.where(parameters.solarised, 1 - tf.abs(2 * images - 1), images)
    if parameters.bias is not None:
        images = _with_bias(images, parameters.bias)
    if parameters.gamma is not None:
        images = images**parameters.gamma
    if parameters.contrast is not None:
        mean = tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)
        images = mean + parameters.contrast * (images - mean)
    if parameters.brightness is not None:
        images = parameters.brightness * images
    if parameters.noise is not None:
        images += parameters.noise * tf.random.stateless_normal(tf.shape(images), parameters.noise_seed)
    return tf.clip_by_value(images, 0.0, 1.0)


def _with_bias(images: Tensor, logarithms: Tensor) -> Tensor:
    """Images times a smooth field, then as bright at most as before: a scan with such a field is normalised, too."""
    biased = images * tf.exp(tf.image.resize(logarithms, tf.shape(images)[1:3], "bicubic"))
    before, after = (tf.reduce_max(each, axis=(1, 2, 3), keepdims=True) for each in (images, biased))
    return biased * tf.math.divide_no_nan(before, after)
