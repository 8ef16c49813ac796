"""A cervical vertebra in the axial plane: its outlines, and its bone with a cortex all around, in Hounsfield units."""

from __future__ import annotations

import cv2
import numpy as np

from spine.phantom.fracture.patient import Patient
from spine.phantom.shapes import ellipse, superellipse

__all__ = ["FINE", "canal_outline", "empty", "fill", "grid", "paint_bone", "stroke", "to_fine"]

FINE = 0.3  # mm a pixel of what is painted
_SHIFT = 4  # fractional bits of OpenCV's polygon corners
_EXTENT = ((-72.0, 72.0), (-62.0, 84.0))  # x and y in mm; (0, 0) is the middle of the vertebral body
_SHAPE = tuple(round((high - low) / FINE) for low, high in _EXTENT[::-1])


def grid() -> tuple[np.ndarray, np.ndarray]:
    """x (right) and y (behind) of each fine pixel's centre in mm, (H, W) float32 both."""
    x, y = (np.arange(low + FINE / 2, high, FINE, dtype=np.float32) for low, high in _EXTENT)
    across, down = np.meshgrid(x, y)
    return across, down


def to_fine(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns and rows of the fine grid, float32, of places in mm."""
    (left, _), (top, _) = _EXTENT
    return ((x - left) / FINE - 0.5).astype(np.float32), ((y - top) / FINE - 0.5).astype(np.float32)


def fill(canvas: np.ndarray, points: np.ndarray, value: float) -> None:
    """Fill a polygon of points (n, 2) in mm."""
    cv2.fillPoly(canvas, [_corners(points)], value, lineType=cv2.LINE_AA, shift=_SHIFT)


def stroke(canvas: np.ndarray, points: np.ndarray, value: float, width: float) -> None:
    """Draw an open line of `width` mm."""
    cv2.polylines(canvas, [_corners(points)], False, value, max(1, round(width / FINE)), cv2.LINE_AA, _SHIFT)


def empty(value: float) -> np.ndarray:
    """A fine canvas of one value, (H, W) float32."""
    return np.full(_SHAPE, value, np.float32)


def canal_outline(patient: Patient) -> np.ndarray:
    """The vertebral canal, a rounded triangle behind the body, (n, 2)."""
    width, depth = patient.canal
    x, y = superellipse(width, depth, 2.4).T
    middle = patient.body[1] / 2 + depth / 2 - 0.5
    return np.stack([x * (1 - 0.28 * (2 * y / depth)), y + middle], axis=1) * patient.scale


def paint_bone(patient: Patient, height: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Bone's density in HU, (H, W) float32, and how much of each fine pixel it fills, 0 to 1.

    `height`, -1 to 1, is where the plane cuts the vertebra: pedicles in the middle, an open ring below.
    """
    filled: np.ndarray = np.zeros(_SHAPE, np.uint8)
    for outline in _parts(patient, height, rng):
        fill(filled, outline * patient.scale, 255)
    filled = cv2.GaussianBlur(filled, (0, 0), 0.7 / FINE)  # joints of the parts are rounded
    for hole in [canal_outline(patient), *(h * patient.scale for h in _foramina(patient, rng))]:
        fill(filled, hole, 0)
    share = np.clip((cv2.GaussianBlur(filled, (0, 0), 0.3 / FINE).astype(np.float32) / 255 - 0.5) * 3 + 0.5, 0, 1)
    depth = cv2.distanceTransform((share > 0.5).astype(np.uint8), cv2.DIST_L2, 3) * FINE
    shell = 1 / (1 + np.exp((depth - patient.cortex * patient.scale) / 0.22))
    bone = patient.spongy + (patient.hard - patient.spongy) * shell
    _draw_joints(bone, patient, rng)
    return bone.astype(np.float32), share


def _parts(patient: Patient, height: float, rng: np.random.Generator) -> list[np.ndarray]:
    """Outlines of body, pedicles, transverse processes, pillars, laminae and spinous process, (n, 2) each."""
    width, depth = patient.body
    parts = [_body(patient, rng), *_spinous(patient, height, rng)]
    for side in (-1, 1):
        reach, back = rng.normal(1.0, 0.05), depth / 2
        pillar = np.array([side * (width / 2 + 6.5) * reach, back + 5.0])
        parts += [
            ellipse((side * (width / 2 - 2), rng.uniform(-back, back - 3)), 5, 2.2 * patient.spurs + 0.1),
            ellipse(pillar, 12.5 * reach, 11.5),
            ellipse((side * (width / 2 + 3.6), -0.5), 13, 11.5),
            ellipse((side * (width / 2 + 9.5), -4.5 + rng.normal(0, 0.6)), 5, 4),
            _bar((pillar[0], pillar[1] + 2.5), (side * 1.0, back + patient.canal[1] + 2.5), 5.6 + 0.8 * height),
        ]
        if height > -0.55:
            parts.append(_bar((side * (width / 2 - 3.5), back - 3.5), pillar, 6.5))
    return parts


def _body(patient: Patient, rng: np.random.Generator) -> np.ndarray:
    outline = superellipse(*patient.body, 2.7)
    angle = np.arctan2(outline[:, 1], outline[:, 0])
    waves = sum(0.02 * np.sin(lobes * angle + rng.uniform(0, 6)) for lobes in (3, 5))
    return outline * (1 + np.asarray(waves))[:, None]


def _spinous(patient: Patient, height: float, rng: np.random.Generator) -> list[np.ndarray]:
    """The process and its two tips."""
    root = patient.body[1] / 2 + patient.canal[1]
    tip = root + patient.spinous * (0.75 + 0.3 * abs(height))
    tips = [
        ellipse((side * (1.2 + patient.bifid), tip + rng.normal(0, 0.8)), rng.normal(5.4, 0.6), rng.normal(5.4, 0.6))
        for side in (-1, 1)
    ]
    return [_bar((0, root), (rng.normal(0, 1.2), tip), rng.normal(6.2, 0.6)), *tips]


def _foramina(patient: Patient, rng: np.random.Generator) -> list[np.ndarray]:
    """The holes of the vertebral arteries in the transverse processes."""
    beside = patient.body[0] / 2 + 3.8
    return [ellipse((side * beside, -0.3), rng.normal(5.8, 0.7), rng.normal(5.8, 0.7), 2) for side in (-1, 1)]


def _draw_joints(bone: np.ndarray, patient: Patient, rng: np.random.Generator) -> None:
    """Lines that are no breaks: facet joints with a cortex on both sides, and veins of the body."""
    width, depth = np.array(patient.body) * patient.scale
    for side, cut in zip((-1, 1), patient.facets, strict=True):
        if cut:
            middle = np.array([side * (width / 2 + 7.0), depth / 2 + 5.0])
            half = np.array([side * 6.5, rng.uniform(1.0, 4.0)])
            line = np.stack([middle - half, middle + np.array([0.0, 0.8]), middle + half])
            stroke(bone, line, patient.hard, 3.6)
            stroke(bone, line, 90, 1.2)
    if patient.veins:
        stem = np.array([[rng.normal(0, 0.6), depth / 2 - 1], [rng.normal(0, 0.6), depth * rng.uniform(0.05, 0.2)]])
        for turn in (-1, 1):
            branch = stem[-1] + np.array([turn * rng.uniform(3, 6), -rng.uniform(1, 5)])
            stroke(bone, np.stack([stem[-1], branch]), 60, rng.uniform(0.6, 1.2))
        stroke(bone, stem, 50, rng.uniform(0.8, 1.6))


def _bar(start: object, end: object, width: float) -> np.ndarray:
    """A thick stroke from one point to another as a rounded outline, (n, 2)."""
    first, last = np.asarray(start, dtype=float), np.asarray(end, dtype=float)
    along = (last - first) / np.hypot(*(last - first))
    outline = superellipse(np.hypot(*(last - first)) + width, width, 4)
    return (first + last) / 2 + outline @ np.array([along, (-along[1], along[0])])


def _corners(points: np.ndarray) -> np.ndarray:
    columns, rows = to_fine(*np.asarray(points).T)
    return np.rint(np.stack([columns, rows], axis=1) * 2**_SHIFT).astype(np.int32)
