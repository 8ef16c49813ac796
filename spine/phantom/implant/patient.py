"""One patient of the implant phantom: the source of the pictures, the finding, and how spine and metal look.

`confounding` is how often the finding is the one that the source is known for: at 1 who knows the source knows it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from spine.phantom.settings import ImplantSettings

__all__ = ["FINDINGS", "Curve", "Metal", "Patient", "draw_patient"]

Source = Literal["xray", "mri", "scoliosis"]
_SOURCES: tuple[Source, ...] = ("xray", "mri", "xray", "scoliosis")  # patient after patient
FINDINGS = ("Lum", "sco")  # index + 1 is the number in the label map
_OWN = {"xray": "Lum", "mri": "Lum", "scoliosis": "sco"}


@dataclass(frozen=True)
class Curve:
    """How far the spine lies beside the midline at a height: one bow and what makes up for it. Lengths in mm."""

    depth: float
    apex: float  # above the sacrum
    extent: float
    balance: float  # of the bow beyond, a share of the depth

    def at(self, height: np.ndarray) -> np.ndarray:
        """Place beside the midline."""
        bow = np.exp(-(((height - self.apex) / self.extent) ** 2))
        beyond = np.exp(-(((height - self.apex - 2 * self.extent) / self.extent) ** 2))
        below = np.exp(-(((height - self.apex + 2 * self.extent) / self.extent) ** 2))
        return self.depth * (bow - self.balance * (beyond + below))


@dataclass(frozen=True)
class Metal:
    """Screws in the pedicles of neighbouring bodies, joined by rods. Lengths in mm."""

    lowest: int  # 0 is L5
    levels: int
    width: float  # of the screws
    rod: float
    dense: float  # attenuation
    cages: bool
    missing: float  # chance of each screw


@dataclass(frozen=True)
class Patient:
    """The trunk of one patient. Lengths in mm."""

    identifier: str
    years: int
    source: Source
    finding: str  # one of FINDINGS, or nothing
    curve: Curve
    metal: Metal | None
    scale: float
    lordosis: float  # 1 is average
    trunk: float  # half of the width
    bone: float  # attenuation, 1 is average
    gas: int  # bubbles in the bowel
    clips: int  # small metal that is no implant
    contrast: bool  # something bright in the bowel
    shape_seed: int


def draw_patient(index: int, rng: np.random.Generator, settings: ImplantSettings) -> Patient:
    """Draw the patient of an index at random; the source follows from the index."""
    source = _SOURCES[index % len(_SOURCES)]
    finding = _draw_finding(source, rng, settings)
    difficulty, age = settings.difficulty, rng.uniform()
    metal, bowed, straight = _draw_metal(rng, difficulty), _draw_curve(rng, difficulty), _mild_curve(rng, difficulty)
    patient = Patient(
        identifier=f"ph{index + 1:03d}",
        years=int(12 + 20 * age if source == "scoliosis" else 25 + 60 * age),
        source=source,
        finding=finding,
        curve=straight,
        metal=None,
        scale=rng.normal(1.0, 0.06),
        lordosis=rng.normal(1.0, 0.2),
        trunk=rng.normal(155, 15),
        bone=float(np.clip(rng.normal(1.0, 0.15) - 0.2 * age, 0.55, 1.3)),
        gas=int(rng.integers(4, 16)),
        clips=int(rng.integers(1, 8)) if rng.uniform() < 0.25 * min(1.0, difficulty) else 0,
        contrast=bool(rng.uniform() < 0.12 * min(1.0, difficulty)),
        shape_seed=int(rng.integers(2**31)),
    )
    # Some bows are held by metal, and some spines with an implant bend a little: neither sign tells the finding alone.
    held, bent = rng.uniform(size=2) < np.array([0.2, 0.35]) * min(1.0, difficulty)
    if finding == "sco":
        return replace(patient, curve=bowed, metal=metal if held else None)
    if finding == "Lum":
        return replace(patient, metal=metal, curve=replace(bowed, depth=0.6 * bowed.depth) if bent else straight)
    return patient


def _draw_finding(source: Source, rng: np.random.Generator, settings: ImplantSettings) -> str:
    plain, follows = rng.uniform(size=2)
    if source == "xray" and plain < settings.plain:
        return ""
    own = _OWN[source]
    return own if follows < settings.confounding else next(name for name in FINDINGS if name != own)


def _draw_curve(rng: np.random.Generator, difficulty: float) -> Curve:
    depth = float(np.clip(26 * np.exp(0.35 * difficulty * rng.normal()), 9, 55))
    apex = rng.uniform(55, 130) if rng.uniform() < 0.6 else rng.uniform(200, 290)
    return Curve(depth * rng.choice([-1, 1]), apex, rng.uniform(70, 105), rng.uniform(0.15, 0.5))


def _mild_curve(rng: np.random.Generator, difficulty: float) -> Curve:
    depth = float(np.clip(3.5 * difficulty * rng.normal(), -10, 10))
    return Curve(depth, rng.uniform(60, 250), rng.uniform(70, 120), 0.2)


def _draw_metal(rng: np.random.Generator, difficulty: float) -> Metal:
    levels = int(rng.choice([2, 3, 4, 5], p=[0.35, 0.3, 0.2, 0.15]))
    return Metal(
        lowest=int(rng.integers(0, 3)),
        levels=levels,
        width=rng.uniform(4.5, 6.5),
        rod=rng.uniform(4.8, 6.2),
        dense=float(np.clip(2.2 * np.exp(0.3 * difficulty * rng.normal()), 0.9, 4)),
        cages=bool(rng.uniform() < 0.5),
        missing=0.08 * difficulty,
    )
