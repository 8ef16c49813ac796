"""One phantom patient: what is true of the spine, drawn at random; drawing the picture of it is apart.

A latent age moves the degeneration of all of a patient's discs, so grades within a patient correlate. Each visible sign
of a disc's degeneration (brightness, border, height, texture, contour) scatters by itself and by patient: no sign tells
the grade alone, and readers of different signs err on different discs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Disc", "Patient", "draw_patient"]

# Lowest disc (L5/S1) first, up to T9/T10.
_HEIGHT = (10.0, 11.2, 10.6, 9.8, 8.8, 7.4, 6.8, 6.2, 6.0)  # mm, of a healthy disc
_LEVEL_EFFECT = (0.45, 0.5, 0.1, -0.15, -0.3, -0.45, -0.5, -0.5, -0.5)  # grades: lower discs wear first

# Continuous grade 1 ... 5 -> how the disc looks.
_GRADES = (1, 2, 3, 4, 5)
_BRIGHTNESS = (0.85, 0.68, 0.45, 0.27, 0.16)  # nucleus relative to CSF on T2W
_SOFTNESS = (0.04, 0.1, 0.25, 0.45, 0.55)  # width of the border of nucleus and annulus, as a share of the nucleus
_HEIGHT_LEFT = (1.06, 1.0, 0.87, 0.70, 0.50)  # share of the healthy height


@dataclass(frozen=True)
class Disc:
    """One disc: its true grades, and how it looks."""

    level: int  # 1 is the lowest disc, L5/S1
    pfirrmann: int  # 1-5
    narrowing: bool
    bulging: bool
    herniation: bool
    height: float  # mm
    brightness: float  # nucleus, relative to CSF on T2W
    softness: float  # of the border between nucleus and annulus
    cleft: bool  # a dark band through the nucleus
    mottle: float  # contrast of the texture inside
    roughness: float  # of the neighbouring endplates, mm
    lipping: float  # anterior osteophytes, mm
    protrusion: float  # behind the line of the vertebral bodies, mm
    protrusion_height: float  # share of the disc's height


@dataclass(frozen=True)
class Patient:
    """The spine of one patient in mm and degrees."""

    identifier: str
    years: int
    discs: tuple[Disc, ...]  # lowest first
    scale: float  # body size, 1 is average
    sacral_slope: float  # degrees
    lordosis: float  # 1 is average
    scoliosis: float  # lateral deviation, mm
    body_depth: float  # anterior-posterior, mm
    body_height: float  # mm
    marrow: float  # fat content: brightness relative to average
    canal: float  # depth, mm
    fat: float  # subcutaneous, mm
    conus: float  # where the cord ends, in discs above L5/S1
    shape_seed: int  # for irregular outlines and soft tissue


def draw_patient(identifier: str, rng: np.random.Generator, difficulty: float) -> Patient:
    """Draw a patient at random."""
    age = rng.uniform()
    scale = rng.normal(1.0, 0.06)
    wear = 1.5 + 3.1 * age + np.array(_LEVEL_EFFECT) + rng.normal(0, 0.6, len(_HEIGHT))
    # What hides a sign in all discs of a patient: hydration moves brightness, build moves height.
    habit = rng.normal(0, 0.32 * difficulty, 5)
    return Patient(
        identifier=identifier,
        years=int(18 + 65 * age + rng.uniform(-6, 6)),
        discs=tuple(_draw_disc(i, grade, habit, scale, rng, difficulty) for i, grade in enumerate(wear)),
        scale=scale,
        sacral_slope=rng.normal(36, 5),
        lordosis=rng.normal(1.0, 0.15),
        scoliosis=rng.normal(0, 1.5),
        body_depth=scale * rng.normal(34, 1.5),
        body_height=scale * rng.normal(27, 1.2),
        marrow=rng.uniform(0.75, 1.3) * (0.9 + 0.25 * age),
        canal=scale * rng.normal(15.5, 1.5),
        fat=rng.uniform(8, 35),
        conus=rng.uniform(4.3, 5.8),
        shape_seed=int(rng.integers(2**31)),
    )


def _draw_disc(
    index: int, grade: float, habit: np.ndarray, scale: float, rng: np.random.Generator, difficulty: float
) -> Disc:
    bright, border, height, texture, contour = grade + habit + rng.normal(0, 0.42 * difficulty, 5)
    left = np.interp(height, _GRADES, _HEIGHT_LEFT)
    herniation = rng.uniform() < 0.14 * _rises(grade, 3.2)
    bulging = herniation or rng.uniform() < _rises(grade, 3.3)
    return Disc(
        level=index + 1,
        pfirrmann=int(np.clip(round(grade + rng.normal(0, 0.2 * difficulty)), 1, 5)),
        narrowing=bool(left + rng.normal(0, 0.04 * difficulty) < 0.74),
        bulging=bool(bulging),
        herniation=bool(herniation),
        height=max(scale * _HEIGHT[index] * left, 4.2),
        brightness=float(np.interp(bright, _GRADES, _BRIGHTNESS)),
        softness=float(np.interp(border, _GRADES, _SOFTNESS)),
        cleft=bool(rng.uniform() < 0.5 * (1.6 < grade < 3.4)),
        mottle=float(np.clip(0.05 + 0.1 * (texture - 1.5), 0.04, 0.45)),
        roughness=float(np.clip(0.22 * (contour - 1.5), 0.05, 0.9)),
        lipping=float(np.clip(1.1 * (contour - 2.5), 0, 4)),
        protrusion=_protrusion(bulging, herniation, rng),
        protrusion_height=rng.uniform(0.55, 0.8) if herniation else rng.uniform(0.9, 1.2),
    )


def _rises(grade: float, middle: float) -> float:
    """A probability that rises with the grade and is 0.5 at `middle`."""
    return float(1 / (1 + np.exp(-1.8 * (grade - middle))))


def _protrusion(bulging: bool, herniation: bool, rng: np.random.Generator) -> float:
    if herniation:
        return rng.uniform(5.0, 8.5)
    return rng.uniform(1.4, 4.0) if bulging else rng.uniform(0.0, 2.4)
