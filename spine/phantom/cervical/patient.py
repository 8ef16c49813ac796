"""One patient of the cervical phantom: the neck, and what is injured in it.

Signs scatter: worn discs bulge in anybody, an injured one may stand out little, and a lesion of the cord may be faint
or short. So neither a dark disc nor a bright spot tells the truth alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from spine.phantom.settings import CervicalSettings

__all__ = ["LEVELS", "Disc", "Lesion", "Patient", "draw_patient"]

LEVELS = ("T4", "T3", "T2", "T1", "C7", "C6", "C5", "C4", "C3", "C2")  # bodies, lowest first; disc i lies below body i
_HEIGHTS = (4.0, 4.0, 4.2, 4.6, 5.4, 6.0, 5.8, 5.6, 5.4, 5.0)  # mm, of healthy discs
_INJURED = (4, 5, 6, 7, 8)  # C7/T1 to C3/C4
_HOW_OFTEN = (0.08, 0.3, 0.34, 0.18, 0.1)
Kind = Literal["hemorrhagic", "edematous", "mixed"]
_KINDS: tuple[Kind, ...] = ("hemorrhagic", "edematous", "mixed")


@dataclass(frozen=True)
class Disc:
    """One disc: whether it is injured, and how it looks. Lengths in mm."""

    injured: bool
    height: float
    brightness: float  # relative to CSF on T2W
    protrusion: float  # behind the line of the bodies
    reach: float  # how high the protrusion is, as a share of the disc
    swelling: float  # of what lies in front of it


@dataclass(frozen=True)
class Lesion:
    """An injury of the cord at one level. Lengths in mm."""

    kind: Kind
    level: int  # of the disc that it lies behind
    up: float  # from the disc's middle
    length: float
    thickness: float  # share of the cord's depth
    lateral: float  # how far from the midline it reaches
    contrast: float  # 1 is plain to see


@dataclass(frozen=True)
class Patient:
    """The neck of one patient in mm and degrees."""

    identifier: str
    years: int
    discs: tuple[Disc, ...]  # lowest first
    lesion: Lesion | None
    scale: float  # body size, 1 is average
    tilt: float  # of the lowest endplate, degrees
    lordosis: float  # 1 is average; below 0 the neck bends forwards
    body_depth: float  # 1 is average
    canal: float
    cord: float  # depth
    scoliosis: float  # lateral deviation
    marrow: float  # brightness relative to average
    fat: float  # under the skin of the nape
    shape_seed: int


def draw_patient(identifier: str, rng: np.random.Generator, settings: CervicalSettings) -> Patient:
    """Draw a patient at random."""
    age, difficulty = rng.uniform(), settings.difficulty
    has_disc, has_lesion = rng.uniform(size=2) < (settings.disc, settings.injury)
    level = int(rng.choice(_INJURED, p=_HOW_OFTEN))
    # The cord is mostly injured where a disc is.
    lesion = _draw_lesion(level if rng.uniform() < 0.7 else int(rng.choice(_INJURED)), rng, difficulty)
    discs = tuple(_draw_disc(i, age, bool(has_disc) and i == level, rng, difficulty) for i in range(len(LEVELS)))
    scale = rng.normal(1.0, 0.06)
    return Patient(
        identifier=identifier,
        years=int(18 + 65 * age),
        discs=discs,
        lesion=lesion if has_lesion else None,
        scale=scale,
        tilt=rng.normal(4, 4),
        lordosis=rng.normal(0.8, 0.35),
        body_depth=rng.normal(1.0, 0.05),
        canal=scale * rng.normal(14.0, 1.0),
        cord=scale * rng.normal(7.6, 0.4),
        scoliosis=rng.normal(0, 1.0),
        marrow=rng.uniform(0.8, 1.3) * (0.9 + 0.25 * age),
        fat=rng.uniform(5, 18),
        shape_seed=int(rng.integers(2**31)),
    )


def _draw_disc(index: int, age: float, injured: bool, rng: np.random.Generator, difficulty: float) -> Disc:
    lower = index in (4, 5, 6, 7)
    wear = np.clip(age + (0.15 if lower else -0.2) + 0.25 * difficulty * rng.normal(), 0, 1.2)
    bulge = max(0.0, 2.0 * wear - 0.6 + 0.7 * difficulty * rng.normal())
    swollen = rng.uniform() < (1 - 0.4 * min(1.0, difficulty) if injured else 0.06 * min(1.0, difficulty))
    protrusion = rng.normal(4.3, 1.1 * difficulty) if injured else bulge
    return Disc(
        injured=injured,
        height=_HEIGHTS[index] * (1.05 - 0.3 * wear) * (rng.uniform(0.75, 1.05) if injured else 1.0),
        brightness=float(np.clip(0.55 - 0.42 * wear + 0.05 * rng.normal(), 0.1, 0.6)),
        protrusion=float(np.clip(protrusion, 2.2 if injured else 0.0, 6.5 if injured else 3.2)),
        reach=rng.uniform(0.9, 1.6) if injured else rng.uniform(0.8, 1.1),
        swelling=max(0.0, rng.normal(2.5, 1.2)) if swollen else 0.0,
    )


def _draw_lesion(level: int, rng: np.random.Generator, difficulty: float) -> Lesion:
    return Lesion(
        kind=_KINDS[int(rng.integers(len(_KINDS)))],
        level=level,
        up=rng.normal(0, 4),
        length=float(np.clip(18 * np.exp(0.4 * rng.normal()), 8, 42)),
        thickness=rng.uniform(0.5, 0.85),
        lateral=rng.uniform(3.5, 6.5),
        contrast=float(np.clip(1 + 0.3 * difficulty * rng.normal(), 0.35, 1.4)),
    )
