"""The lumbar spine from the side on a film: bodies along the lordosis, sacrum, arches, ribs and pelvis behind them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from spine.phantom.implant.film import Film
from spine.phantom.implant.patient import Metal, Patient
from spine.phantom.shapes import Pose, blob, rounded, stack, superellipse

__all__ = ["draw_implant", "draw_trunk", "side_column"]

_DISC_WEDGE = (14, 10, 7, 5, 3.5, 2, 1, 0)
_BODY_WEDGE = (6, 2, 0, -1, -2, -3, -3, -3)


def side_column(patient: Patient) -> tuple[Pose, ...]:
    """L5 up to T10: first coordinate towards posterior, second down, in mm from the sacrum's endplate."""
    tilt, point = float(np.deg2rad(36 * patient.lordosis)), np.zeros(2)
    poses = []
    for i, (disc, body) in enumerate(zip(_DISC_WEDGE, _BODY_WEDGE, strict=True)):
        depth = patient.scale * float(np.interp(i, (0, 7), (36, 30)))
        for height, wedge in ((11 - 0.6 * i, disc), (27 - 0.7 * i, body)):
            angle = float(np.deg2rad(wedge)) * patient.lordosis
            pose = stack(point, tilt, depth, patient.scale * height, angle)
            point, tilt = pose.place(np.array([0, pose.height / 2]))[0], tilt - angle
        poses.append(pose)
    return tuple(poses)


def draw_trunk(film: Film, patient: Patient, poses: tuple[Pose, ...]) -> None:
    """Everything but metal."""
    rng = np.random.default_rng([patient.shape_seed, 1])
    bone, size = patient.bone, patient.scale
    trunk = np.array(
        [(-120, 160), (-135, 0), (-120, -200), (-110, -420), (60, -420), (85, -200), (75, -60), (110, 60), (95, 160)]
    )
    film.add(trunk * size, 0.75, soft=18)
    film.add(trunk * (0.72, 1) * size, 0.6, soft=30)
    film.add(np.array([(-110, -420), (-110, -215), (-60, -190), (30, -165), (60, -420)]) * size, -0.75, soft=6)  # lung
    _ribs(film, patient, rng)
    _pelvis(film, patient, rng)
    for pose in poses:
        _vertebra(film, pose, bone, rng)
    for _ in range(patient.gas):
        place = rng.uniform((-120, -110), (-45, 80))
        film.add(blob(place, (10, 40), rng), -rng.uniform(0.08, 0.35), soft=rng.uniform(1.5, 4))
    for _ in range(patient.clips):
        place, way = rng.uniform((-90, -90), (-10, 90)), rng.normal(0, 4, 2)
        film.line(np.stack([place - way, place + way]), 2.0, 1.4, soft=0.2)


def _vertebra(film: Film, pose: Pose, bone: float, rng: np.random.Generator) -> None:
    x, y = superellipse(2, 2, 5.5).T
    across = x * pose.depth / 2 * (1 - 0.08 * (1 - y**2))
    outline = pose.place(np.stack([across, y * (pose.height / 2 - across * np.tan(pose.wedge / 2))], axis=1))
    film.add(outline, 0.5 * bone, soft=0.8)
    film.edge(outline, 0.4 * bone, 1.7)
    back = pose.depth / 2
    pedicle = superellipse(17, 9.5, 3) + np.array([back + 7, pose.height * 0.2])
    film.add(pose.place(pedicle), 0.3 * bone, soft=1)
    film.edge(pose.place(pedicle), 0.15 * bone)
    for shift in (0.0, rng.normal(2, 1)):  # both sides, not quite behind each other
        facet = superellipse(11, 26, 2.4) + np.array([back + 18 + shift, -3])
        film.add(pose.place(facet), 0.16 * bone, soft=1.5)
    spinous = superellipse(30, 17, 2.8) + np.array([back + 36, -8])
    spinous[:, 1] -= 0.25 * (spinous[:, 0] - back - 36)
    film.add(pose.place(spinous), 0.16 * bone, soft=2)


def _ribs(film: Film, patient: Patient, rng: np.random.Generator) -> None:
    for high in np.arange(-150, -400, -26):
        for shift in (0.0, rng.normal(5, 3)):
            t = np.linspace(0, 1, 10)
            rib = np.stack([40 - 150 * t, high + shift + 70 * t**1.4], axis=1) * patient.scale
            film.line(rib, 0.13 * patient.bone, 8.5, soft=1.2)


def _pelvis(film: Film, patient: Patient, rng: np.random.Generator) -> None:
    bone, size, tilt = patient.bone, patient.scale, np.deg2rad(36 * patient.lordosis)
    point = np.zeros(2)
    for share in (1.0, 0.75, 0.55, 0.42):
        pose = Pose(point, tilt, 34 * share * size, 27 * (0.35 + 0.6 * share) * size, 0.0)
        body = Pose(pose.place(np.array([0, -pose.height / 2]))[0], tilt, pose.depth, pose.height, 0.0)
        outline = body.place(superellipse(body.depth, body.height, 4.5))
        film.add(outline, 0.5 * bone, soft=1.2)
        film.edge(outline, 0.2 * bone)
        behind = superellipse(22 * share, body.height, 3) + np.array([body.depth / 2 + 20 * share, 0])
        film.add(body.place(behind), 0.22 * bone, soft=2)
        point, tilt = pose.place(np.array([2.0, -pose.height - 1]))[0], tilt + np.deg2rad(14)
    for shift in (0.0, rng.normal(7, 3)):  # the wings of both sides
        wing = rounded(
            np.array([(-62, -18), (-30, -38), (14, -36), (44, -10), (40, 40), (8, 70), (-40, 66), (-66, 20)]) + shift
        )
        film.add(wing * size, 0.2 * bone, soft=3)
        film.edge(wing * size, 0.13 * bone, 2.2)


def draw_implant(film: Film, metal: Metal, poses: tuple[Pose, ...], seed: int) -> None:
    """Screws from behind into the bodies, rods behind them; both sides lie nearly on each other."""
    rng = np.random.default_rng([seed, 1])
    chosen = poses[metal.lowest : metal.lowest + metal.levels]
    for shift in (np.zeros(2), rng.normal(0, 2.2, 2)):
        heads = []
        for pose in chosen:
            head = np.array([pose.depth / 2 + 19, pose.height * 0.2]) + shift + rng.normal(0, 0.8, 2)
            heads.append(pose.place(head)[0])
            if rng.uniform() < metal.missing:
                continue
            tip = head - np.array([rng.uniform(36, 45), rng.normal(1.5, 1.5)])
            film.metal(pose.place(np.stack([head, tip])), 0.75 * metal.dense, metal.width)
            for share in np.linspace(0.3, 0.97, 14):  # the thread
                at = head + share * (tip - head)
                ends = np.array([(0, metal.width * 0.68), (0, -metal.width * 0.68)]) + at
                film.metal(pose.place(ends), 0.55 * metal.dense, 0.9)
            film.metal(pose.place(superellipse(13, 11, 3) + head), metal.dense)
        rod = np.array([heads[0] + (0.0, 9.0), *heads, heads[-1] - (0.0, 9.0)])
        film.metal(rod, 0.9 * metal.dense, metal.rod)
    if metal.cages:
        for below, above in pairwise(chosen):
            middle = (below.centre + above.centre) / 2
            for side in (-8.0, 8.0):
                film.metal(middle + np.array([(side, -4.0), (side, 4.0)]), 0.8 * metal.dense, 1.6)
