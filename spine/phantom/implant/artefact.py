"""Metal in an MR picture: no signal around screws and rods, and a bright rim where it piled up."""

from __future__ import annotations

import cv2
import numpy as np

from spine.phantom.canvas import Plane
from spine.phantom.implant.patient import Metal
from spine.phantom.lumbar.anatomy import Spine

__all__ = ["add_artefact"]

_ASIDE = 16.0  # mm from the midline to the screws


def add_artefact(signal: np.ndarray, spine: Spine, metal: Metal, plane: Plane, offset: float) -> np.ndarray:
    """Blot out the signal (H, W) around metal in a plane `offset` mm beside the midline; gives where, (H, W) bool.

    `signal` is changed.
    """
    voids, rims = np.zeros(signal.shape, np.float32), np.zeros(signal.shape, np.float32)
    near = float(np.exp(-(((abs(offset) - _ASIDE) / 13) ** 2)))
    for i, pose in enumerate(spine.bodies[metal.lowest : metal.lowest + metal.levels]):
        for at, size in ((pose.depth / 2 + 20, 9 + 6 * near), (pose.depth / 2 - 4 * near, 15 * near)):
            if size < 3.5:
                continue
            size = size * (0.75 + 0.2 * metal.dense / 2.2) * (1 + 0.1 * np.sin(5 * i + at))
            centre = pose.place(np.array([at, pose.height * 0.18]))[0]
            blob = centre + size * _lobes(i)
            _fill(voids, blob, plane)
            _fill(rims, centre + 1.25 * size * _lobes(i), plane)
    blur = 1.2 / plane.spacing
    dark, bright = (cv2.GaussianBlur(layer, (0, 0), blur) for layer in (voids, rims))
    signal *= (1 - np.clip(1.2 * dark, 0, 1)) * (1 + 0.9 * np.clip(bright - dark, 0, 1))
    return np.asarray(dark > 0.5)


def _lobes(seed: int) -> np.ndarray:
    """A circle drawn out along the readout, as the field around metal draws it, (48, 2)."""
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    radius = 1 + 0.18 * np.cos(4 * angle) + 0.08 * np.sin(3 * angle + seed)
    return np.stack([1.1 * radius * np.cos(angle), 0.85 * radius * np.sin(angle)], axis=1)


def _fill(layer: np.ndarray, points: np.ndarray, plane: Plane) -> None:
    cv2.fillPoly(layer, [np.rint(points / plane.spacing).astype(np.int32)], 1.0)
