"""The shape of a patient's spine: poses of bodies and discs along a lordotic curve, and their outlines in mm.

The plane is sagittal: first coordinate towards posterior, second towards inferior. A pose's own coordinates are
(towards posterior, up), both in mm, so an outline is written upright and then placed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spine.phantom.lumbar.patient import Disc, Patient
from spine.phantom.shapes import Pose, smooth_line, stack, superellipse

__all__ = ["Spine", "body_outline", "disc_outline", "protrusion_outline"]

# Degrees between the endplates, lowest first, for a lordosis of 1.
_DISC_WEDGE = (14, 10, 7, 5, 3.5, 2, 1, 0, 0)
_BODY_WEDGE = (7, 2, 0, -1, -2.5, -3, -3, -3, -3)
_BODY_SIZE = (1.02, 1.02, 1.0, 0.98, 0.95, 0.91, 0.87, 0.83, 0.8)


@dataclass(frozen=True)
class Spine:
    """Poses of the sacrum, discs and bodies, lowest first: disc i lies below body i."""

    sacrum: tuple[Pose, ...]
    discs: tuple[Pose, ...]
    bodies: tuple[Pose, ...]

    @classmethod
    def of(cls, patient: Patient, foot: np.ndarray) -> Spine:
        """Stack discs and bodies upwards from `foot`, the middle of the sacral endplate, in mm."""
        tilt, point = np.deg2rad(patient.sacral_slope), np.asarray(foot, dtype=float)
        sacrum = _sacrum(patient, point, tilt)
        poses: list[Pose] = []
        for i, disc in enumerate(patient.discs):
            depth = patient.body_depth * _BODY_SIZE[i]
            # A narrow disc opens less, or its neighbours would meet behind it.
            open_angle = np.deg2rad(_DISC_WEDGE[i]) * patient.lordosis * min(1.0, disc.height / 11)
            wedge = np.deg2rad(_BODY_WEDGE[i]) * patient.lordosis
            for height, angle in ((disc.height, open_angle), (patient.body_height * _BODY_SIZE[i], wedge)):
                pose = stack(point, tilt, depth, height, angle)
                poses.append(pose)
                point, tilt = pose.place(np.array([0, height / 2]))[0], tilt - angle
        return cls(sacrum, tuple(poses[0::2]), tuple(poses[1::2]))

    def behind(self, gap: float) -> np.ndarray:
        """A smooth line `gap` mm behind the bodies, from the sacrum up, (n, 2)."""
        low = [
            f.place(np.array([[f.depth / 2 + gap, -f.height / 2], [f.depth / 2 + gap, 0]])) for f in self.sacrum[::-1]
        ]
        high = [f.place(np.array([[f.depth / 2 + gap, s * f.height / 2] for s in (-0.7, 0.7)])) for f in self.bodies]
        return smooth_line(np.concatenate([*low, *high]))

    def back(self, gap: float) -> np.ndarray:
        """A smooth line `gap` mm behind the bodies alone, which falls straight behind the sacrum, (n, 2)."""
        high = [pose.place(np.array([pose.depth / 2 + gap, 0])) for pose in self.bodies]
        low = high[0] + np.array([[7.0, 90.0], [2.0, 55.0]])
        return smooth_line(np.concatenate([low, *high]))

    def before(self, gap: float) -> np.ndarray:
        """A smooth line `gap` mm in front of the bodies, from the sacrum up, (n, 2)."""
        poses = (*self.sacrum[::-1], *self.bodies)
        return smooth_line(np.concatenate([f.place(np.array([-f.depth / 2 - gap, 0])) for f in poses]))


def body_outline(pose: Pose, below: Disc, above: Disc, wave: np.ndarray, rim: float = 0.0) -> np.ndarray:
    """A vertebral body: waisted walls, dished endplates, rough and lipped where the neighbouring discs are worn.

    `wave` (3,) are phases of the roughness; `rim` mm are taken off all around, for the marrow inside the cortex.
    """
    x, y = superellipse(2, 2, 5.5).T
    top = y > 0
    lip = np.where(top, above.lipping, below.lipping) * np.abs(y) ** 10 * (x < 0)
    rough = np.where(top, above.roughness, below.roughness) * np.abs(y) ** 4
    ripple = sum(np.sin(k * np.pi * x + phase) / k for k, phase in zip((1.5, 3.1, 4.7), wave, strict=True))
    across = x * (pose.depth / 2 - rim) * (1 - 0.07 * (1 - y**2)) - lip
    half = pose.height / 2 - rim - across * np.tan(pose.wedge / 2)
    up = y * half * (1 - 0.09 * (1 - x**2)) - np.sign(y) * rough * np.abs(ripple)
    return pose.place(np.stack([across, up], axis=1))


def disc_outline(pose: Pose) -> np.ndarray:
    """A disc, taller than its gap: the bodies painted over it give it its endplates."""
    return pose.place(superellipse(pose.depth * 1.03, pose.height * 1.45 + 1.0, 3.0))


def protrusion_outline(pose: Pose, disc: Disc) -> np.ndarray:
    """What of the disc lies behind the bodies: a bulge as high as the disc, or a focal herniation."""
    outline = superellipse(2 * disc.protrusion + 6, disc.protrusion_height * max(pose.height, 5.5), 2.2)
    return pose.place(outline + np.array([pose.depth / 2 - 3, 0]))


def _sacrum(patient: Patient, point: np.ndarray, tilt: float) -> tuple[Pose, ...]:
    """S1, S2 and S3 downwards, smaller and more tilted each."""
    poses = []
    for size in (0.92, 0.66, 0.5):
        height = patient.body_height * (0.35 + 0.6 * size)
        hanging = Pose(point, tilt, patient.body_depth * size, height, 0.0)
        poses.append(Pose(hanging.place(np.array([0, -height / 2]))[0], tilt, hanging.depth, height, 0.06))
        point, tilt = hanging.place(np.array([2.0, -height - 1.5]))[0], tilt + np.deg2rad(14)
    return tuple(poses)
