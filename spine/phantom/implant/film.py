"""A film: what a beam meets adds up, and becomes a radiograph with bright bones. Lengths in mm."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from spine.phantom.noise import unit_noise

__all__ = ["Exposure", "Film", "View", "draw_exposure"]

_FINE = 2  # fine pixels a pixel and axis
_SHIFT = 4


@dataclass(frozen=True)
class View:
    """A film's size in pixels, mm a pixel, and where the middle of the sacrum's endplate lies on it, in mm."""

    shape: tuple[int, int]
    spacing: float
    foot: tuple[float, float]

    def to_pixels(self, points: np.ndarray) -> np.ndarray:
        """Columns and rows of places in mm from the foot: right, down."""
        return (np.asarray(points, dtype=float) + self.foot) / self.spacing


class Film:
    """Attenuation that structures add; places are mm from the foot of the spine: right, down."""

    def __init__(self, view: View) -> None:
        self.view = view
        fine = (view.shape[0] * _FINE, view.shape[1] * _FINE)
        self._sum = np.zeros(fine, np.float32)
        self._metal = np.zeros(fine, np.float32)

    def add(self, points: np.ndarray, amount: float, soft: float = 0.0) -> None:
        """A filled outline; `soft` mm is how gradually it begins."""
        self._draw(self._sum, points, amount, soft, filled=True, width=0)

    def line(self, points: np.ndarray, amount: float, width: float, soft: float = 0.0) -> None:
        """An open line of `width` mm."""
        self._draw(self._sum, points, amount, soft, filled=False, width=width)

    def edge(self, points: np.ndarray, amount: float, width: float = 1.4) -> None:
        """A closed line: the wall of a bone, met along its length."""
        self.line(np.concatenate([points, points[:1]]), amount, width, soft=0.4)

    def metal(self, points: np.ndarray, amount: float, width: float = 0.0) -> None:
        """Metal: an outline, or a line where it has a width. The most of it counts, and `metal_mask` tells where."""
        layer = np.zeros_like(self._metal)
        self._draw(layer, points, amount, 0.2, filled=width == 0, width=width)
        np.maximum(self._metal, layer, out=self._metal)

    def metal_mask(self) -> np.ndarray:
        """Where metal is seen, (H, W) bool."""
        return cv2.resize(self._metal, self.view.shape[::-1], interpolation=cv2.INTER_AREA) > 0.3

    def attenuation(self) -> np.ndarray:
        """What the beam lost on its way to each pixel, (H, W) float32."""
        total = np.maximum(self._sum, 0) + self._metal
        return cv2.resize(total, self.view.shape[::-1], interpolation=cv2.INTER_AREA)

    def _draw(
        self, plane: np.ndarray, points: np.ndarray, amount: float, soft: float, *, filled: bool, width: float
    ) -> None:
        fine = self.view.to_pixels(points) * _FINE
        reach = int(np.ceil((3 * soft + width) / self.view.spacing * _FINE)) + 2
        low = np.maximum(np.floor(fine.min(axis=0)).astype(int) - reach, 0)
        high = np.minimum(np.ceil(fine.max(axis=0)).astype(int) + reach, plane.shape[::-1])
        if (high <= low).any():
            return
        layer = np.zeros((high[1] - low[1], high[0] - low[0]), np.float32)
        corners = [np.rint((fine - low) * 2**_SHIFT).astype(np.int32)]
        if filled:
            cv2.fillPoly(layer, corners, 1.0, shift=_SHIFT)
        else:
            thick = max(1, round(width / self.view.spacing * _FINE))
            cv2.polylines(layer, corners, False, 1.0, thick, shift=_SHIFT)
        if soft:
            layer = _blurred(layer, max(0.5, soft / self.view.spacing * _FINE))
        plane[low[1] : high[1], low[0] : high[0]] += amount * layer


def _blurred(layer: np.ndarray, sigma: float) -> np.ndarray:
    """A Gaussian blur of `sigma` pixels; a wide one on a coarser grid, where it shows nothing that is lost."""
    coarse = int(sigma // 8)
    if coarse < 2 or min(layer.shape) < 4 * coarse:
        return cv2.GaussianBlur(layer, (0, 0), sigma)
    size = (layer.shape[1] // coarse, layer.shape[0] // coarse)
    small = cv2.GaussianBlur(cv2.resize(layer, size, interpolation=cv2.INTER_AREA), (0, 0), sigma / coarse)
    return cv2.resize(small, layer.shape[::-1], interpolation=cv2.INTER_LINEAR)


@dataclass(frozen=True)
class Exposure:
    """How a film is exposed and shown."""

    scatter: float  # share of the beam that comes from elsewhere
    noise: float
    blur: float  # pixels
    low: float  # attenuation that is black
    high: float  # attenuation that is white
    gamma: float
    border: tuple[int, int]  # pixels that the collimator leaves dark: beside, above
    letter: str  # of the side, in lead

    def develop(self, film: Film, rng: np.random.Generator) -> np.ndarray:
        """Shown brightness (H, W) float32, 0 to 1."""
        lost = film.attenuation()
        beam = np.exp(-lost)
        far = _blurred(beam, 0.06 * max(beam.shape))
        beam = cv2.GaussianBlur((1 - self.scatter) * beam + self.scatter * far, (0, 0), self.blur)
        beam = beam + self.noise * np.sqrt(np.maximum(beam, 1e-4)) * unit_noise(beam.shape, 0.6, rng)
        shown = (-np.log(np.maximum(beam, 1e-3)) - self.low) / (self.high - self.low)
        shown = np.clip(shown, 0, 1).astype(np.float32) ** self.gamma
        beside, above = self.border
        height, width = shown.shape
        marker, scale = np.zeros(shown.shape, np.uint8), height / 420
        place = (beside + round(10 * scale), above + round(34 * scale))
        cv2.putText(marker, self.letter, place, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, max(1, round(2 * scale)))
        shown = np.maximum(shown, marker / np.float32(255))
        dark = np.ones_like(shown)
        dark[above : height - above, beside : width - beside] = 0
        return shown * (1 - 0.97 * dark)


def draw_exposure(rng: np.random.Generator, noise: float) -> Exposure:
    """Draw an exposure at random."""
    border = (int(rng.integers(2, 9)), int(rng.integers(2, 9))) if rng.uniform() < 0.4 else (0, 0)
    return Exposure(
        scatter=rng.uniform(0.05, 0.2),
        noise=noise * rng.uniform(0.006, 0.022),
        blur=rng.uniform(0.4, 0.9),
        low=rng.uniform(0.25, 0.6),
        high=rng.uniform(2.7, 3.4),
        gamma=rng.uniform(0.85, 1.25),
        border=border,
        letter=str(rng.choice(["R", "L", ""])),
    )
