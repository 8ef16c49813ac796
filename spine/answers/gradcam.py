"""Grad-CAM: where in a picture the maps of a network's layer speak for a class.

Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization, ICCV 2017.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["gradcam", "weighted_maps"]


def gradcam(activations: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Maps (N, h, w), from 0, of a layer's maps (N, h, w, K) and the gradients of a class's score by them.

    Each of the K maps counts by the mean of its gradients; what speaks against the class is cut off.
    """
    importance = gradients.mean(axis=(1, 2), keepdims=True)
    return np.maximum((activations * importance).sum(axis=-1), 0)


def weighted_maps(maps: Sequence[np.ndarray], weights: Sequence[float]) -> np.ndarray:
    """One map (H, W) in [0, 1] of several members' maps (H, W), each by its weight.

    Each is divided by its largest value first, since the scales of networks differ; a map of zeros stays so. At 1 all
    members see the most that they see anywhere.
    """
    total = np.zeros(maps[0].shape)
    for one, weight in zip(maps, weights, strict=True):
        total += weight / sum(weights) * one / max(float(one.max()), 1e-12)
    return total
