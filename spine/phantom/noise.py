"""Noise that lies evenly over a picture: smooth, of mean 0 and standard deviation 1."""

from __future__ import annotations

import cv2
import numpy as np

__all__ = ["unit_noise"]


def unit_noise(shape: tuple[int, ...], sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise (H, W) float32 of mean 0 and standard deviation 1; `sigma` pixels is its grain."""
    # The variance that a Gaussian of this width leaves of white noise is 1 / (4 pi sigma^2).
    white = rng.standard_normal(shape, dtype=np.float32)
    return cv2.GaussianBlur(white, (0, 0), sigma) * np.float32(2 * sigma * np.sqrt(np.pi))
