"""What a CT scanner and the person who saved its pictures make of a painted plane: a view, noise, a window, 8 bits."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from spine.phantom.fracture.vertebra import FINE, to_fine
from spine.phantom.noise import unit_noise
from spine.phantom.settings import FractureSettings

__all__ = ["Scan", "acquire", "draw_scan", "windowed"]


@dataclass(frozen=True)
class Scan:
    """How a patient's pictures were made. Lengths in mm, angles in radians, densities in HU."""

    shape: tuple[int, int]
    spacing: float  # mm a pixel
    centre: tuple[float, float]  # of the picture, from the middle of the vertebral body
    turn: float
    warp: np.ndarray  # how far coarse places of the picture are moved, (2, 5, 5) mm
    blur: float  # pixels
    noise: float
    streaks: float  # of the shoulders' shadow, most in the lowest vertebrae
    window: tuple[float, float]  # centre and width


def draw_scan(rng: np.random.Generator, settings: FractureSettings) -> Scan:
    """Draw a scan at random: small pictures are as likely as large ones, relative to their size."""
    low, high = np.log(settings.size)
    height = round(float(np.exp(rng.uniform(low, high))))
    width = round(height * rng.uniform(0.75, 1.4))
    view = rng.uniform(68, 100)  # mm of the shorter side
    return Scan(
        shape=(height, width),
        spacing=view / min(height, width),
        centre=(rng.normal(0, 2.0), 12 + rng.normal(0, 2.5)),
        turn=rng.normal(0, 0.1),
        warp=rng.normal(0, 1.3, (2, 5, 5)),
        blur=rng.uniform(0.4, 0.8),
        noise=settings.noise * rng.uniform(12, 45),
        streaks=settings.noise * rng.uniform(0, 35),
        window=(rng.uniform(300, 600), rng.uniform(1300, 2400)),
    )


def acquire(plane: np.ndarray, scan: Scan, rng: np.random.Generator) -> np.ndarray:
    """Density (H, W) float32 in HU of a painted plane, as the scanner has it."""
    height, width = scan.shape
    across, down = np.meshgrid(np.arange(width) - (width - 1) / 2, np.arange(height) - (height - 1) / 2)
    moved = [cv2.resize(part.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC) for part in scan.warp]
    cos, sin = np.cos(scan.turn), np.sin(scan.turn)
    x = scan.spacing * (cos * across - sin * down) + scan.centre[0] + moved[0]
    y = scan.spacing * (sin * across + cos * down) + scan.centre[1] + moved[1]
    # A pixel is the mean over its area, or fine lines would be sampled by chance.
    smooth = cv2.GaussianBlur(plane, (0, 0), max(0.3, 0.4 * scan.spacing / FINE))
    columns, rows = to_fine(x, y)
    image = cv2.remap(smooth, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    noise = scan.noise * unit_noise(image.shape, 0.7, rng)
    return cv2.GaussianBlur(image + noise, (0, 0), scan.blur) + _streaks(scan, rng)


def windowed(density: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    """Grey levels (H, W) uint8 of a density by a window's centre and width."""
    centre, width = window
    return np.clip(np.rint(((density - centre) / width + 0.5) * 255), 0, 255).astype(np.uint8)


def _streaks(scan: Scan, rng: np.random.Generator) -> np.ndarray:
    """Noise that lies across the picture, since most of the beam is lost from shoulder to shoulder."""
    white = rng.standard_normal(scan.shape, dtype=np.float32)
    lying = cv2.GaussianBlur(white, (0, 0), sigmaX=scan.shape[1] / 12, sigmaY=0.7)
    return scan.streaks * lying / max(float(lying.std()), 1e-6)
