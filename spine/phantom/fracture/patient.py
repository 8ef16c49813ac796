"""One patient of the fracture phantom: a cervical vertebra, the neck around it, and what is broken.

Breaks scatter in gap and shift, so some are hairlines that a picture barely shows. Lines that are no breaks (veins of
the body, facet joints, canals of vessels) lie in anybody.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Break", "Patient", "draw_patient"]

Point = tuple[float, float]

# Where bones break: both ends of the line, in mm right of and behind the middle of the vertebral body.
_SITES: dict[str, tuple[Point, Point]] = {
    "body_sagittal": ((1.0, -12.0), (-2.0, 9.5)),
    "body_coronal": ((-15.0, -1.5), (15.0, 1.5)),
    "body_corner": ((-14.0, -2.0), (9.0, -11.0)),
    "pillar": ((11.0, 12.5), (26.0, 8.0)),
    "lamina": ((4.5, 17.0), (11.5, 26.5)),
    "spinous": ((-5.5, 29.0), (5.5, 31.5)),
    "transverse": ((12.5, -6.0), (19.0, 8.0)),
}
_OFTEN = (0.17, 0.17, 0.14, 0.14, 0.22, 0.1, 0.06)
_MIRRORED = ("body_corner", "pillar", "lamina", "transverse")  # on either side


@dataclass(frozen=True)
class Break:
    """A broken place: the line's ends and what it did, in mm; `seed` is of the line's jags."""

    site: str
    start: Point
    end: Point
    gap: float
    shift: float  # of one side along the line
    reach: float  # how far from the line the shift is felt
    seed: int


@dataclass(frozen=True)
class Patient:
    """Lengths in mm, densities in Hounsfield units."""

    identifier: str
    years: int
    breaks: tuple[Break, ...]
    scale: float  # of the vertebra, 1 is average
    body: Point  # width and depth of the vertebral body
    canal: Point
    cortex: float  # thickness
    hard: float  # HU of cortical bone
    spongy: float  # HU of cancellous bone
    spinous: float  # length
    bifid: float  # how far the tips of the spinous process lie apart
    neck: Point  # width and depth
    fat: float  # under the skin
    veins: bool  # channels in the body that look like a break
    facets: tuple[bool, bool]  # whether the plane cuts the joints, left and right
    spurs: float  # osteophytes at the body's edge
    shape_seed: int


def draw_patient(identifier: str, rng: np.random.Generator, fractured: float, difficulty: float) -> Patient:
    """Draw a patient at random; `fractured` is how likely a break is."""
    age = rng.uniform()
    breaks = _draw_breaks(rng, difficulty) if rng.uniform() < fractured else ()
    scale = rng.normal(1.0, 0.06)
    return Patient(
        identifier=identifier,
        years=int(18 + 70 * age),
        breaks=breaks,
        scale=scale,
        body=(rng.normal(26, 1.8), rng.normal(17, 1.2)),
        canal=(rng.normal(24, 1.5), rng.normal(14.5, 1.2)),
        cortex=rng.uniform(1.1, 1.9) - 0.3 * age,
        hard=rng.uniform(900, 1350) - 150 * age,
        spongy=rng.uniform(260, 430) - 120 * age,
        spinous=rng.uniform(13, 30),
        bifid=rng.uniform(0, 4.5),
        neck=(rng.normal(128, 10), rng.normal(122, 9)),
        fat=rng.uniform(4, 14),
        veins=bool(rng.uniform() < 0.3 * min(1.0, difficulty)),
        facets=_facets(rng, difficulty),
        spurs=max(0.0, rng.normal(2.2 * age - 0.4, 0.5)),
        shape_seed=int(rng.integers(2**31)),
    )


def _facets(rng: np.random.Generator, difficulty: float) -> tuple[bool, bool]:
    left, right = rng.uniform(size=2) < 0.25 * min(1.0, difficulty)
    return bool(left), bool(right)


def _draw_breaks(rng: np.random.Generator, difficulty: float) -> tuple[Break, ...]:
    """One to three; a ring seldom breaks in one place alone."""
    count = rng.choice([1, 2, 3], p=[0.3, 0.4, 0.3])
    sites = rng.choice(list(_SITES), size=count, replace=False, p=_OFTEN)
    return tuple(_draw_break(str(site), rng, difficulty) for site in sites)


def _draw_break(site: str, rng: np.random.Generator, difficulty: float) -> Break:
    start, end = np.array(_SITES[site]) + rng.normal(0, 1.2, (2, 2))
    if site in _MIRRORED and rng.uniform() < 0.5:
        start, end = start * (-1, 1), end * (-1, 1)
    # The same patient's breaks differ: one may gape and another be a hairline.
    gap, shift = np.array([2.0, 2.8]) * np.exp(rng.normal(0, 0.45 * difficulty, 2))
    return Break(
        site=site,
        start=(float(start[0]), float(start[1])),
        end=(float(end[0]), float(end[1])),
        gap=float(np.clip(gap, 0.4, 5.0)),
        shift=float(np.clip(shift, 0.0, 6.0) * rng.choice([-1, 1])),
        reach=rng.uniform(7, 16),
        seed=int(rng.integers(2**31)),
    )
