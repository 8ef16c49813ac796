"""One MR session: geometry and gain drawn at random, and what they make of a painted plane."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from spine.phantom.canvas import Plane
from spine.phantom.noise import unit_noise
from spine.phantom.settings import MRSettings

__all__ = ["CERVICAL", "LUMBAR", "Region", "Scanner", "acquire", "draw_scanner"]

_MOST = 4095  # 12 bits


@dataclass(frozen=True)
class Region:
    """Between what the view of a part of the spine is drawn."""

    height: tuple[float, float]  # of the picture, mm
    foot: tuple[tuple[float, float], tuple[float, float]]  # of the spine, as shares of width and height
    gap: tuple[float, float]  # between slices, mm
    coil: float = 1.0  # how deep it sees, 1 being a surface coil behind the back


LUMBAR = Region((245, 290), ((0.50, 0.62), (0.78, 0.84)), (3.6, 4.6))
CERVICAL = Region((215, 250), ((0.48, 0.58), (1.06, 1.14)), (2.8, 3.4), coil=2.2)


@dataclass(frozen=True)
class Scanner:
    """How a patient is imaged. Lengths in mm, angles in radians, signals relative to CSF."""

    plane: Plane
    slices: int
    gap: float  # between slices
    offset: float  # of the middle slice from the midline
    oblique: tuple[float, float]  # turns of the sagittal plane about the vertical and the front-to-back axis
    gain: float  # grey levels for CSF
    slope: float  # RescaleSlope
    noise: float
    blur: float  # pixels
    depth: float  # over which the receiving coil's sensitivity falls by e
    shading: tuple[float, float, float, float]  # height, phase, waves across and down the picture
    ghost: float  # of motion; 0 for most
    interleaved: bool  # files in the order of acquisition: every second slice first


def draw_scanner(scale: float, rng: np.random.Generator, settings: MRSettings, region: Region = LUMBAR) -> Scanner:
    """Draw a session at random for a patient of a size, 1 being average."""
    height = int(rng.integers(settings.size[0] // 8, settings.size[1] // 8 + 1)) * 8
    width = round(height * rng.uniform(0.8, 0.9) / 8) * 8
    spacing = scale * rng.uniform(*region.height) / height
    across, down = region.foot
    foot = (rng.uniform(*across) * width * spacing, rng.uniform(*down) * height * spacing)
    return Scanner(
        plane=Plane((height, width), round(spacing, 4), foot),
        slices=int(rng.choice(settings.slices)),
        gap=round(rng.uniform(*region.gap), 2),
        offset=rng.uniform(-1.2, 1.2),
        oblique=(rng.normal(0, 0.05), rng.normal(0, 0.03)),
        gain=10 ** rng.uniform(2.0, 3.4),
        slope=float(rng.choice([1.0, 1.0, 1.0, 0.5, 2.25])),
        noise=settings.noise * 10 ** rng.uniform(-2.0, -1.15),
        blur=rng.uniform(0.35, 0.75),
        depth=rng.uniform(70, 160) * region.coil,
        shading=(0.35 * settings.difficulty * rng.uniform(), *rng.uniform(0, 2 * np.pi, 1), *rng.uniform(-2, 2, 2)),
        ghost=rng.uniform(0.03, 0.1) if rng.uniform() < 0.2 else 0.0,
        interleaved=bool(rng.uniform() < 0.5),
    )


def acquire(signal: np.ndarray, mottling: np.ndarray, scanner: Scanner, rng: np.random.Generator) -> np.ndarray:
    """Stored values (H, W) uint16 of a painted plane: texture, coil, motion, blur, Rician noise, gain, 12 bits.

    `mottling` (H, W) float32 is the contrast of the texture at each pixel.
    """
    image = signal * _texture(mottling, rng) * _sensitivity(signal.shape, scanner)
    if scanner.ghost:
        shift = image.shape[0] // 7
        image = image + scanner.ghost * (np.roll(image, shift, axis=0) + np.roll(image, -shift, axis=0))
    image = cv2.GaussianBlur(image.astype(np.float32), (0, 0), scanner.blur)
    real, imaginary = scanner.noise * rng.standard_normal((2, *image.shape), dtype=np.float32)
    # The magnitude of a noisy complex signal is Rician: Gudbjartsson and Patz, Magn Reson Med 1995;34:910.
    magnitude = np.hypot(image + real, imaginary)
    return np.clip(np.rint(magnitude * scanner.gain / scanner.slope), 0, _MOST).astype(np.uint16)


def _texture(mottling: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Multiplies the signal."""
    grain = unit_noise(mottling.shape, 0.9, rng) + 0.5 * unit_noise(mottling.shape, 2.5, rng)
    return np.maximum(1 + mottling * grain, 0.1)


def _sensitivity(shape: tuple[int, ...], scanner: Scanner) -> np.ndarray:
    """The surface coil lies behind the back; a slow wave of shading lies over it."""
    down, across = np.mgrid[0 : 1 : shape[0] * 1j, 0 : 1 : shape[1] * 1j].astype(np.float32)
    from_foot = across * shape[1] * scanner.plane.spacing - scanner.plane.foot[0]
    coil = np.exp(np.clip(from_foot, -200, 60) / scanner.depth)
    height, phase, wave_across, wave_down = scanner.shading
    return coil * (1 + height * np.sin(phase + np.pi * (wave_across * across + wave_down * down)))
