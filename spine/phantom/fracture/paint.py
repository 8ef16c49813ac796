"""Paint an axial plane of the neck in Hounsfield units: soft tissue, then bone, then what is broken of it."""

from __future__ import annotations

import cv2
import numpy as np

from spine.phantom.fracture.patient import Break, Patient
from spine.phantom.fracture.vertebra import FINE, canal_outline, empty, fill, grid, paint_bone, stroke, to_fine
from spine.phantom.noise import unit_noise
from spine.phantom.shapes import ellipse

__all__ = ["paint_plane"]

_AIR, _FAT, _MUSCLE, _CORD, _CSF, _BLOOD = -1000.0, -95.0, 58.0, 38.0, 8.0, 55.0


def paint_plane(patient: Patient, height: float) -> np.ndarray:
    """Density (H, W) float32 in HU on the fine grid of `spine.phantom.fracture.vertebra`.

    `height`, -1 to 1, is where the plane cuts the vertebra.
    """
    rng = np.random.default_rng(patient.shape_seed)  # the same shapes in each slice
    soft = _soft_tissue(patient, rng)
    bone, share = paint_bone(patient, height, rng)
    grain = unit_noise(bone.shape, 0.35 / FINE, rng) + unit_noise(bone.shape, 1.0 / FINE, rng)
    bone = bone + grain * 0.16 * patient.spongy
    gaps = np.zeros_like(share)
    for one in patient.breaks:
        bone, share, gaps = _break(one, patient, (bone, share, gaps))
    share = share * (1 - gaps)
    blood = soft + (_BLOOD - soft) * cv2.GaussianBlur(gaps, (0, 0), 1.0 / FINE)
    return blood + (bone - blood) * share


def _soft_tissue(patient: Patient, rng: np.random.Generator) -> np.ndarray:
    plane = empty(_AIR)
    width, depth = patient.neck
    middle = (0.0, 14.0 + rng.normal(0, 2))
    fill(plane, ellipse(middle, width, depth, 2.3), _FAT + 60)  # skin
    fill(plane, ellipse(middle, width - 4, depth - 4, 2.3), _FAT)
    fill(plane, ellipse(middle, width - 2 * patient.fat, depth - 2 * patient.fat, 2.5), _MUSCLE)
    for side in (-1, 1):
        _muscles(plane, patient, side, rng)
        carotid = np.array([side * rng.normal(27, 2), rng.normal(-14, 2)])
        for place, size in ((carotid, 6.5), (carotid + np.array([side * 9.0, 3.0]), 9.5)):
            wide, deep = size * rng.uniform(0.8, 1.2, 2)
            fill(plane, ellipse(place, wide + 3, deep + 3), _FAT + 30)
            fill(plane, ellipse(place, wide, deep), _MUSCLE + rng.uniform(0, 40))
    _front(plane, patient, rng)
    canal = canal_outline(patient)
    fill(plane, canal, _FAT + 70)
    centre = canal.mean(axis=0)
    fill(plane, centre + 0.86 * (canal - centre), _CSF)
    fill(plane, ellipse(centre, 13.5 * patient.scale, 7.5 * patient.scale, 2.1), _CORD)
    return cv2.GaussianBlur(plane, (0, 0), 0.5 / FINE)


def _muscles(plane: np.ndarray, patient: Patient, side: int, rng: np.random.Generator) -> None:
    """Layers of muscle of one side, behind and beside the vertebra, with fat between and in them."""
    shrunk = 1 - 0.02 * (patient.years - 18) / 7
    for depth in (45, 37, 29, 21):
        angles = np.linspace(rng.uniform(-0.35, 0.1), rng.uniform(1.3, 1.52), 14)
        radius = 10 + depth + rng.normal(0, 1.0, len(angles)).cumsum() * 0.5
        outer = np.stack([side * radius * np.cos(angles), 13 + radius * np.sin(angles)], axis=1)
        inner = np.array([0.0, 13.0]) + (outer - np.array([0.0, 13.0])) * 0.8 * shrunk
        fill(plane, np.concatenate([outer, inner[::-1]]), _MUSCLE + rng.normal(0, 7))
        stroke(plane, outer, _FAT + rng.uniform(20, 80), rng.uniform(0.5, 2.0))
    for _ in range(10):
        angle, far = rng.uniform(0, 1.45), rng.uniform(26, 50)
        place = (side * far * np.cos(angle), 13 + far * np.sin(angle))
        fill(plane, ellipse(place, *rng.uniform(0.8, 4.5, 2)), _FAT + rng.uniform(20, 110))
    stroke(plane, np.array([(0.0, 34.0), (rng.normal(0, 1), 8 + patient.neck[1] / 2 - patient.fat)]), _FAT + 30, 1.4)


def _front(plane: np.ndarray, patient: Patient, rng: np.random.Generator) -> None:
    """Airway, cartilage and what lies in front of the spine; swollen where the body is broken."""
    swollen = sum(one.gap for one in patient.breaks if one.site.startswith("body"))
    gap = patient.body[1] / 2 * patient.scale + 4.0 + 0.8 * swollen
    front = -gap - rng.uniform(7, 12)
    for side in (-1, 1):  # the long muscles of the neck
        fill(plane, ellipse((side * rng.uniform(7, 10), -gap), 11, 5 + swollen), _MUSCLE + 8)
    stroke(plane, np.array([(-14.0, -gap - 4), (14.0, -gap - 4)]), _FAT + 60, 0.8)
    wide, deep = rng.uniform(13, 24), rng.uniform(10, 20)
    airway = (rng.normal(0, 1), front - deep / 2 + 4)
    fill(plane, ellipse(airway, wide + 8, deep + 7), _MUSCLE + 15)
    for side in (-1, 1):  # cartilage, calcified in the old
        wing = np.array([(0.0, front - deep - 1.5), (side * (wide / 2 + 5), front - 2.0)])
        stroke(plane, wing, 90 + 6 * max(0, patient.years - 30), 2.0)
    fill(plane, ellipse(airway, wide, deep), _AIR + 5)


def _break(
    one: Break, patient: Patient, planes: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Move both sides of a line apart and along it: bone, its share, and the gaps so far with this one's."""
    across, down = grid()
    start, end = np.array(one.start) * patient.scale, np.array(one.end) * patient.scale
    length = float(np.hypot(*(end - start)))
    ax, ay = along = (end - start) / length
    beside = np.array([-ay, ax])
    u = (across - start[0]) * ax + (down - start[1]) * ay
    v = (across - start[0]) * beside[0] + (down - start[1]) * beside[1]
    v = v - _jags(u, one, length)
    # The break is felt along its line and fades beyond its ends and away from it.
    within = np.clip(np.minimum(u + 1.5, length + 1.5 - u) / 3, 0, 1)
    felt = within * np.exp(-np.abs(v) / one.reach)
    apart, slid = 0.5 * one.gap * np.sign(v) * felt, 0.5 * one.shift * np.sign(v) * felt
    moved_x, moved_y = slid * along[0] + apart * beside[0], slid * along[1] + apart * beside[1]
    columns, rows = to_fine(across - moved_x, down - moved_y)
    torn = tuple(cv2.remap(plane, columns, rows, cv2.INTER_LINEAR) for plane in planes)
    half = 0.5 * one.gap * within
    gap = np.clip((half - np.abs(v)) / FINE + 0.5, 0, 1).astype(np.float32)
    return torn[0], torn[1], np.maximum(torn[2], gap)


def _jags(u: np.ndarray, one: Break, length: float) -> np.ndarray:
    """How far the line lies beside the straight one at each place along it, in mm."""
    rng = np.random.default_rng(one.seed)
    knots = np.linspace(-2, length + 2, max(4, int(length / 2.2)))
    beside = rng.normal(0, 0.75, len(knots))
    return np.interp(u, knots, beside).astype(np.float32)
