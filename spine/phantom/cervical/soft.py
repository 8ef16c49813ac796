"""What lies around the spine of a neck in a sagittal plane: skin, brain, airway and tongue, muscles of the nape."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from spine.phantom.canvas import Canvas
from spine.phantom.cervical.anatomy import DENS, Neck
from spine.phantom.cervical.patient import Patient
from spine.phantom.shapes import Pose, smooth_line, superellipse

__all__ = ["paint_back", "paint_brainstem", "paint_front", "paint_head", "paint_skin"]

Tissues = Mapping[str, float]


def paint_skin(canvas: Canvas, neck: Neck, patient: Patient, tissue: Tissues, rng: np.random.Generator) -> None:
    """Chest, neck, jaw and head as one outline of fat."""
    size = patient.scale
    back = _nape(neck, patient, 0.0)
    front = neck.beside(-50 * size)[20:-40]
    chest = front[0] + np.array([[-48.0, 60.0], [-25.0, 22.0]])
    top = neck.top
    face = top.place(np.array([(-58.0, -6.0), (-78.0, 2.0), (-92.0, 30.0), (-90.0, 130.0)]) * size)
    canvas.fill(np.concatenate([chest, front, face, back[::-1]]), tissue["fat"])


def paint_head(canvas: Canvas, neck: Neck, patient: Patient, tissue: Tissues, rng: np.random.Generator) -> None:
    """The brain's lower part, the cisterns, and the bones around the great foramen."""
    top, size = neck.top, patient.scale
    ground = DENS * size + 8
    _place(canvas, top, (38, ground + 52), (185, 98), 2.4, tissue["cortex"])  # the vault
    _place(canvas, top, (38, ground + 52), (178, 92), 2.4, tissue["csf"])
    _place(canvas, top, (38, ground + 68), (172, 74), 2.4, tissue["cord"])
    _place(canvas, top, (46, ground + 30), (52, 44), 2.2, tissue["cord"])  # the cerebellum
    for turn in np.linspace(-0.9, 0.9, 9):
        start = np.array([24.0, ground + 30])
        end = start + 46 * np.array([np.cos(turn), 0.85 * np.sin(turn)])
        canvas.line(top.place(np.stack([start + 0.45 * (end - start), end])), 0.8 * tissue["csf"], 0.8)
    _place(canvas, top, (-7, DENS - 2), (32, 34), 2.4, 0.5 * tissue["fat"])  # around the dens
    clivus = np.array([(-9.0, ground - 6), (-4.0, ground - 2), (-12.0, ground + 34), (-24.0, ground + 38)])
    canvas.fill(top.place(clivus), tissue["cortex"])
    canvas.fill(top.place(clivus.mean(axis=0) + 0.8 * (clivus - clivus.mean(axis=0))), 1.1 * tissue["marrow"])
    occiput = np.array([(37.0, ground - 5), (58.0, ground + 2), (84.0, ground + 16)])
    canvas.line(top.place(occiput), tissue["cortex"], 7.5)
    canvas.line(top.place(occiput), tissue["marrow"], 4.5)


def paint_brainstem(canvas: Canvas, neck: Neck, patient: Patient, tissue: Tissues, offset: float) -> None:
    """What the cord becomes within the skull, and the fourth ventricle behind it."""
    if abs(offset) < 12:
        ground = DENS * patient.scale + 8
        _place(canvas, neck.top, (13, ground + 26), (15, 44), 2.4, tissue["cord"])
        _place(canvas, neck.top, (5, ground + 46), (27, 32), 2.4, tissue["cord"])
        _place(canvas, neck.top, (23, ground + 34), (6, 18), 2.0, tissue["csf"])


def paint_front(
    canvas: Canvas,
    neck: Neck,
    patient: Patient,
    tissue: Tissues,
    rng: np.random.Generator,
    offset: float,
) -> None:
    """Muscles before the spine, gullet, airway, voice box, tongue and jaw."""
    size, top = patient.scale, neck.top
    near = neck.beside(-2.0, -8.0)
    layers = ((-4.5, -9.0, "muscle", 1.0), (-13.0, -14.0, "muscle", 1.35), (-15.0, -15.5, "fat", 0.6))
    far = near
    canvas.fill(np.concatenate([neck.beside(-1.0, -6.0), neck.beside(-45 * size, -46)[::-1]]), 1.2 * tissue["muscle"])
    for gap, above, name, share in layers:
        line = neck.beside(gap * size, above)
        canvas.fill(np.concatenate([far, line[::-1]]), share * tissue[name])
        far = line
    wide = np.interp(np.linspace(0, 1, 160), (0, 0.35, 0.5, 0.6, 0.85, 1), (15, 15, 8, 12, 13, 18)) * size
    wide = wide * (1 - min(0.9, (offset / 13) ** 2))
    centre = neck.beside(-22 * size, -22)
    across = _normals(centre)
    airway = np.concatenate([centre - across * wide[:, None] / 2, (centre + across * wide[:, None] / 2)[::-1]])
    canvas.fill(airway, tissue["air"] + 0.02)
    canvas.line(far, tissue["muscle"], 1.6)
    _place(canvas, top, (-52, 6), (54, 46), 2.3, 1.6 * tissue["muscle"])  # tongue
    for turn in np.linspace(-1.2, 0.9, 8):
        start = np.array([-40.0, -14.0])
        end = start + rng.uniform(24, 34) * np.array([-np.cos(turn), 0.7 + np.sin(turn) * 0.5])
        canvas.line(top.place(np.stack([start, end])), tissue["fat"] * rng.uniform(0.4, 0.8), rng.uniform(0.5, 1.4))
    _place(canvas, top, (-76, -14), (13, 20), 2.6, tissue["cortex"])  # jaw
    _place(canvas, top, (-76, -14), (8, 15), 2.4, 1.2 * tissue["marrow"])
    _place(canvas, top, (-46, 42), (58, 9), 2.5, tissue["muscle"])  # palate
    _place(canvas, top, (-50, 55), (60, 17), 2.3, tissue["air"] + 0.03)  # nose
    _place(canvas, top, (-37, -26), (7, 5), 2.2, 1.4 * tissue["marrow"])  # the hyoid
    lid = top.place(np.array([(-30.0, -22.0), (-25.0, -12.0), (-24.0, -5.0)]))
    canvas.line(lid, 1.3 * tissue["muscle"], 2.2)  # epiglottis
    box = neck.bodies[5]
    _place(canvas, box, (-box.depth / 2 - 30, -4), (7, 26), 2.4, 1.1 * tissue["fat"])  # thyroid cartilage
    _place(canvas, box, (-box.depth / 2 - 13.5, -20), (8, 15), 2.4, 1.1 * tissue["fat"])  # cricoid


def paint_back(canvas: Canvas, neck: Neck, patient: Patient, tissue: Tissues, rng: np.random.Generator) -> None:
    """Muscles and ligaments of the nape behind the canal."""
    deep, shallow = neck.beside(2.0, 4.0), _nape(neck, patient, patient.fat)
    canvas.fill(np.concatenate([deep, shallow[::-1]]), tissue["muscle"])
    for _ in range(40):
        i, depth = rng.integers(4, len(deep) - 16), rng.uniform(0.35, 1.0)
        start = deep[i] + depth * (shallow[i] - deep[i])
        way = (deep[i + 9] - deep[i]) * rng.uniform(0.6, 1.8) + rng.normal(0, 2, 2)
        canvas.line(np.array([start, start + way]), tissue["fat"] * rng.uniform(0.35, 0.9), rng.uniform(0.5, 2.2))
    ligament = deep + 0.62 * (shallow - deep)
    canvas.line(ligament[20:-14], 0.5 * tissue["fat"], 3.0)
    canvas.line(ligament[20:-14], tissue["ligament"], 1.2)


def _nape(neck: Neck, patient: Patient, depth: float) -> np.ndarray:
    """A line `depth` mm under the skin of the nape."""
    behind = patient.canal + 38 * patient.scale + patient.fat - depth
    points = [pose.place(np.array([pose.depth / 2 + behind, 0.0])) for pose in neck.bodies]
    head = neck.top.place(np.array([(behind + 20, DENS + 12), (behind + 52, DENS + 60)]))
    chest = points[0] + np.array([[14.0, 48.0]])
    return smooth_line(np.concatenate([chest, *points, head]))


def _normals(line: np.ndarray) -> np.ndarray:
    """Unit vectors across a line at each of its points, (n, 2)."""
    along = np.gradient(line, axis=0)
    along = along / np.hypot(*along.T)[:, None]
    return np.stack([-along[:, 1], along[:, 0]], axis=1)


def _place(
    canvas: Canvas,
    pose: Pose,
    centre: tuple[float, float],
    size: tuple[float, float],
    power: float,
    signal: float,
) -> None:
    canvas.fill(pose.place(superellipse(*size, power) + np.array(centre)), signal)
