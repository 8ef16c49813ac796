"""A canvas finer than the picture: what is painted on it becomes partial volume and an exact mask."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

__all__ = ["Canvas", "Plane"]

FINE = 3  # fine pixels a pixel and axis; odd, so that one of them lies at the pixel's centre
_SHIFT = 4  # fractional bits of OpenCV's polygon corners


@dataclass(frozen=True)
class Plane:
    """A picture's size in pixels, spacing in mm, where the spine's foot lies in it, in mm."""

    shape: tuple[int, int]
    spacing: float
    foot: tuple[float, float]


class Canvas:
    """Paint signal (relative to CSF) and instance numbers in mm; (0, 0) is the centre of the first pixel.

    Points are (n, 2): first towards the right of the picture (posterior), then down (inferior).
    """

    def __init__(self, shape: tuple[int, int], spacing: float, background: float) -> None:
        fine = (shape[0] * FINE, shape[1] * FINE)
        self.shape, self.spacing = shape, spacing
        self._signal = np.full(fine, background, np.float32)
        self._instances = np.zeros(fine, np.uint8)

    def fill(self, points: np.ndarray, signal: float, instance: int | None = None) -> None:
        """Fill a polygon; where `instance` is None the instances below stay."""
        corners = [self._corners(points)]
        cv2.fillPoly(self._signal, corners, signal, shift=_SHIFT)
        if instance is not None:
            cv2.fillPoly(self._instances, corners, instance, shift=_SHIFT)

    def line(self, points: np.ndarray, signal: float, width: float) -> None:
        """Draw an open line of `width` mm; instances stay."""
        thickness = max(1, round(width / self.spacing * FINE))
        cv2.polylines(self._signal, [self._corners(points)], False, signal, thickness, shift=_SHIFT)

    def picture(self) -> np.ndarray:
        """The signal, (H, W) float32: each pixel is the mean over its area."""
        return cv2.resize(self._signal, self.shape[::-1], interpolation=cv2.INTER_AREA)

    def instances(self) -> np.ndarray:
        """The instance at each pixel's centre, (H, W) uint8, 0 where there is none."""
        middle = FINE // 2
        return self._instances[middle::FINE, middle::FINE].copy()

    def _corners(self, points: np.ndarray) -> np.ndarray:
        fine = np.asarray(points) / self.spacing * FINE + FINE // 2
        return np.rint(fine * 2**_SHIFT).astype(np.int32)
