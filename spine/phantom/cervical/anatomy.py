"""The shape of a neck: poses of bodies and discs from T4 up to C2, its dens, and lines beside them, in mm.

The plane is sagittal: first coordinate towards posterior, second towards inferior.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spine.phantom.cervical.patient import LEVELS, Patient
from spine.phantom.shapes import Pose, smooth_line, stack

__all__ = ["DENS", "Neck"]

DENS = 21.0  # mm, from the middle of C2 to the tip
_DEPTH = (19.5, 19.0, 18.5, 18.0, 17.5, 17.0, 16.5, 16.2, 16.0, 15.5)
_HEIGHT = (17.5, 17.0, 16.5, 15.8, 14.6, 13.2, 13.0, 13.2, 13.6, 15.0)
# Degrees between the endplates, lowest first, for a lordosis of 1: the chest bends forwards, the neck backwards.
_DISC_WEDGE = (-1.5, -1.5, -1.0, 1.0, 4.0, 4.5, 4.5, 4.0, 4.0, 4.0)
_BODY_WEDGE = (-3.0, -3.0, -2.0, -1.0, 1.5, 1.5, 1.0, 1.0, 1.0, 0.0)


@dataclass(frozen=True)
class Neck:
    """Poses of the discs and bodies, lowest first: disc i lies below body i; `LEVELS` names the bodies."""

    discs: tuple[Pose, ...]
    bodies: tuple[Pose, ...]

    @classmethod
    def of(cls, patient: Patient, foot: np.ndarray) -> Neck:
        """Stack discs and bodies upwards from `foot`, the middle of the endplate below the lowest disc."""
        tilt, point = float(np.deg2rad(patient.tilt)), np.asarray(foot, dtype=float)
        poses: list[Pose] = []
        for i, disc in enumerate(patient.discs):
            depth = patient.scale * patient.body_depth * _DEPTH[i]
            bends = 1.0 if LEVELS[i].startswith("T") else patient.lordosis
            for height, wedge in ((disc.height, _DISC_WEDGE[i]), (_HEIGHT[i], _BODY_WEDGE[i])):
                angle = float(np.deg2rad(wedge)) * bends
                pose = stack(point, tilt, depth, patient.scale * height, angle)
                poses.append(pose)
                point, tilt = pose.place(np.array([0, pose.height / 2]))[0], tilt - angle
        return cls(tuple(poses[0::2]), tuple(poses[1::2]))

    @property
    def top(self) -> Pose:
        """C2, whose own coordinates lead to the skull."""
        return self.bodies[-1]

    def beside(self, gap: float, above: float | None = None) -> np.ndarray:
        """A smooth line `gap` mm behind the bodies (in front where it is negative), from below up, (160, 2).

        Above C2 it follows the dens, `above` mm behind it, and then leans forwards along the brainstem.
        """
        side, above = np.sign(gap), gap if above is None else above
        points = [
            pose.place(np.array([[side * pose.depth / 2 + gap, s * pose.height / 2] for s in (-0.7, 0.7)]))
            for pose in self.bodies
        ]
        lean = [(side * 5 + above, DENS), (side * 3 + above, DENS + 14), (side * 2 + above - 5, DENS + 34)]
        return smooth_line(np.concatenate([_below(points[0]), *points, self.top.place(np.array(lean) - (0.5, 0))]))


def _below(points: np.ndarray, depth: float = 45.0) -> np.ndarray:
    """Where a line goes on, `depth` mm below its first point, (1, 2)."""
    back = points[0] - points[1]
    return points[:1] + depth * back / np.hypot(*back)
