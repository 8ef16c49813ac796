"""The trunk from the front on a film: pelvis, vertebrae along their curve, ribs, lungs and bowel."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from spine.phantom.implant.film import Film
from spine.phantom.implant.patient import Metal, Patient
from spine.phantom.shapes import blob, ellipse, rounded, superellipse

__all__ = ["Vertebra", "column", "draw_implant", "draw_trunk"]

_LEVELS = 17  # L5 up to T1


@dataclass(frozen=True)
class Vertebra:
    """A body from the front: its middle and size in mm, its tilt, and how far it is turned, as a share of its width."""

    middle: np.ndarray
    width: float
    height: float
    tilt: float
    turned: float

    def place(self, points: object) -> np.ndarray:
        """From its own (right, down) to the film's, (n, 2) both."""
        cos, sin = np.cos(self.tilt), np.sin(self.tilt)
        return self.middle + np.atleast_2d(np.asarray(points, dtype=float)) @ np.array([[cos, sin], [-sin, cos]])


def column(patient: Patient) -> tuple[Vertebra, ...]:
    """L5 up to T1 along the patient's curve."""
    level = np.arange(_LEVELS)
    heights = np.interp(level, (0, 16), (27, 17)) * patient.scale
    discs = np.interp(level, (0, 4, 16), (11, 9, 3.5)) * patient.scale
    widths = np.interp(level, (0, 5, 10, 16), (49, 41, 30, 31)) * patient.scale
    middles = np.cumsum(heights + discs) - heights / 2
    beside, slope = patient.curve.at(middles), (patient.curve.at(middles + 5) - patient.curve.at(middles - 5)) / 10
    deepest = max(12.0, abs(patient.curve.depth))
    return tuple(
        Vertebra(np.array([x, -y]), w, h, float(np.arctan(s)), float(0.22 * x / deepest * min(1, deepest / 30)))
        for x, y, w, h, s in zip(beside, middles, widths, heights, slope, strict=True)
    )


def draw_trunk(film: Film, patient: Patient, vertebrae: tuple[Vertebra, ...]) -> None:
    """Everything but metal."""
    rng = np.random.default_rng(patient.shape_seed)
    _soft(film, patient, rng)
    _pelvis(film, patient, rng)
    _ribs(film, patient, vertebrae, rng)
    for i, vertebra in enumerate(vertebrae):
        _vertebra(film, vertebra, patient, rng, lumbar=i < 5)
    _bowel(film, patient, rng)


def _soft(film: Film, patient: Patient, rng: np.random.Generator) -> None:
    half, top = patient.trunk, -430 * patient.scale
    waist = half * rng.uniform(0.82, 0.95)
    side = np.array(
        [(half * 1.12, 160), (half * 1.08, 40), (waist, -90), (half, -210), (half * 1.05, top), (95, top - 60)]
    )
    outline = np.concatenate([side, side[::-1] * (-1, 1)])
    film.add(outline, 0.55, soft=14)
    film.add(outline * (0.8, 1.0), 0.45, soft=30)
    film.add(outline * (0.5, 1.0), 0.25, soft=30)
    for turn in (-1, 1):
        psoas = np.array([(turn * 20, -150), (turn * 30, -150), (turn * 72, 10), (turn * 40, 30), (turn * 22, -40)])
        film.add(psoas * patient.scale, 0.16, soft=3)
        lung = ellipse((turn * (62 + rng.normal(0, 3)), -318), 105, 235, 2.6)
        film.add(lung * patient.scale, -0.75, soft=4)
    film.add((ellipse((14, -255), 86, 95, 2.2)) * patient.scale, 0.5, soft=5)  # heart
    film.add((ellipse((0, -330), 48, 240, 2.4)) * patient.scale, 0.45, soft=6)  # mediastinum
    film.add((ellipse((-78, -175), 150, 90, 2.3)) * patient.scale, 0.22, soft=6)  # liver


def _pelvis(film: Film, patient: Patient, rng: np.random.Generator) -> None:
    bone, size = 0.45 * patient.bone, patient.scale
    sacrum = np.array(
        [(-52, -2), (-30, -9), (30, -9), (52, -2), (46, 30), (24, 85), (8, 112), (-8, 112), (-24, 85), (-46, 30)]
    )
    film.add(rounded(sacrum * size), bone, soft=3)
    film.line(np.array([(-26, -7), (26, -7)]) * size, 0.5 * bone, 2.0, soft=0.5)
    for turn in (-1, 1):
        for low in (22, 45, 66):
            arch = np.array([(turn * 12, low), (turn * 18, low - 5), (turn * 25, low)])
            film.line(arch * size, 0.5 * bone, 1.6, soft=0.4)
        wing = np.array(
            [(40, 8), (48, -28), (80, -52), (118, -42), (138, 0), (128, 42), (104, 78), (78, 108), (64, 104), (50, 60)]
        )
        wing = rounded(wing * (turn * rng.normal(1, 0.02), 1) * size)
        film.add(wing, 0.85 * bone, soft=4)
        film.edge(wing, 0.5 * bone, 2.4)
        film.add((ellipse((turn * 96, 128), 52, 52, 2)) * size, 1.3 * bone, soft=3)  # hip


def _ribs(film: Film, patient: Patient, vertebrae: tuple[Vertebra, ...], rng: np.random.Generator) -> None:
    for i in range(5, len(vertebrae)):
        vertebra = vertebrae[i]
        reach = patient.trunk * np.interp(i, (5, 7, 9, 13, 16), (0.38, 0.62, 0.86, 0.84, 0.45))
        fall = np.interp(i, (5, 9, 16), (62, 52, 12)) * rng.uniform(0.9, 1.1)
        for turn in (-1, 1):
            t = np.linspace(0, 1, 14)
            x = vertebra.middle[0] + turn * (vertebra.width / 2 + (reach - vertebra.width / 2) * np.sin(t * np.pi / 2))
            y = vertebra.middle[1] - 4 - 8 * np.sin(t * np.pi) + fall * t**2.2
            rib = np.stack([x, y], axis=1)
            film.line(rib, 0.2 * patient.bone, 9 * patient.scale, soft=1.2)
            film.line(rib + np.array([0, 4]), 0.14 * patient.bone, 1.8, soft=0.5)
            film.line(rib - np.array([0, 4]), 0.08 * patient.bone, 1.4, soft=0.5)


def _vertebra(film: Film, v: Vertebra, patient: Patient, rng: np.random.Generator, *, lumbar: bool) -> None:
    bone, half, high = patient.bone, v.width / 2, v.height / 2
    outline = superellipse(v.width, v.height, 5.0)
    outline = outline * np.stack([1 - 0.09 * (1 - (outline[:, 1] / high) ** 2), np.ones(len(outline))], axis=1)
    film.add(v.place(outline), 0.42 * bone, soft=1.0)
    film.edge(v.place(outline), 0.26 * bone, 1.5)
    for end in (-1, 1):
        film.line(
            v.place([(-half * 0.95, end * high * 0.93), (half * 0.95, end * high * 0.93)]), 0.24 * bone, 1.8, soft=0.4
        )
    shift = v.turned * v.width
    for turn in (-1, 1):
        pedicle = ellipse(
            (
                turn * 0.33 * v.width + shift,
                -0.15 * high,
            ),
            7.5 * (1 - turn * 1.5 * v.turned),
            10.5,
            2.2,
        )
        film.add(v.place(pedicle), 0.12 * bone, soft=0.6)
        film.edge(v.place(pedicle), 0.3 * bone, 1.3)
        if lumbar:
            process = [(turn * half * 0.9, -2.0), (turn * (half + rng.uniform(14, 21)), rng.normal(-3, 2))]
            film.line(v.place(process), 0.2 * bone, 7.5, soft=1.2)
            facet = ellipse((turn * 0.34 * v.width + shift, high + 3), 11, 17, 2.4)
            film.add(v.place(facet), 0.17 * bone, soft=1.2)
            lamina = [(turn * 0.34 * v.width + shift, -1.0), (shift, high * 0.75)]
            film.line(v.place(lamina), 0.13 * bone, 9.0, soft=1.5)
    spinous = ellipse((1.3 * shift, high * 0.75), 6.0, 15, 2.2)
    film.add(v.place(spinous), 0.18 * bone, soft=0.8)
    film.edge(v.place(spinous), 0.22 * bone, 1.3)


def _bowel(film: Film, patient: Patient, rng: np.random.Generator) -> None:
    """Gas, and what may be bright there."""
    for _ in range(patient.gas):
        place = rng.uniform((-110, -120), (110, 90))
        film.add(blob(place, (10, 42), rng), -rng.uniform(0.08, 0.32), soft=rng.uniform(1.5, 4))
    if patient.contrast:
        for _ in range(5):
            place = rng.uniform((40, -80), (110, 60)) * (1 if rng.uniform() < 0.7 else -1, 1)
            film.add(blob(place, (12, 30), rng), rng.uniform(0.4, 0.9), soft=2)
    for _ in range(patient.clips):
        place = rng.uniform((-70, -100), (70, 110))
        way = rng.normal(0, 4, 2)
        film.line(np.stack([place - way, place + way]), 2.0, 1.4, soft=0.2)


def draw_implant(film: Film, metal: Metal, vertebrae: tuple[Vertebra, ...], seed: int) -> None:
    """Screws through the pedicles, rods through their heads, cages between the bodies."""
    rng = np.random.default_rng(seed)
    chosen = vertebrae[metal.lowest : metal.lowest + metal.levels]
    for turn in (-1, 1):
        heads = []
        for v in chosen:
            head = np.array([turn * (0.36 * v.width + rng.normal(1.5, 1.0)), -0.1 * v.height + rng.normal(0, 1.2)])
            heads.append(v.place(head)[0])
            if rng.uniform() < metal.missing:
                continue
            tip = head - np.array([turn * rng.uniform(9, 17), rng.normal(0, 2)])
            screw = v.place([head, tip])
            film.metal(screw, 0.75 * metal.dense, metal.width)
            across = np.array([0.0, 0.68 * metal.width])
            for share in np.linspace(0.25, 0.95, 7):  # the thread
                at = head + share * (tip - head)
                film.metal(v.place([at - across, at + across]), 0.55 * metal.dense, 0.9)
            film.metal(v.place(superellipse(11, 12, 3) + head), metal.dense)
        rod = np.array([heads[0] + (0, 9), *heads, heads[-1] - (0, 9)])
        film.metal(rod, 0.9 * metal.dense, metal.rod)
    if metal.cages:
        for below, above in pairwise(chosen):
            middle = (below.middle + above.middle) / 2 + (rng.normal(0, 4), 0)
            for turn in (-1, 1):
                film.metal(middle + np.array([(turn * 8, -4), (turn * 8, 4)]), 0.8 * metal.dense, 1.6)
