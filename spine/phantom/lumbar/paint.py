"""Paint one plane of a patient: tissues from back to front, the spine last, so the mask is what is seen."""

from __future__ import annotations

import numpy as np

from spine.phantom.canvas import Canvas, Plane
from spine.phantom.lumbar.anatomy import Spine, body_outline, disc_outline, protrusion_outline
from spine.phantom.lumbar.patient import Disc, Patient
from spine.phantom.sequences import Sequence
from spine.phantom.shapes import Pose, superellipse

__all__ = ["BODY", "CANAL", "DISC", "mottling", "paint_axial", "paint_sagittal"]

# Instance numbers on the canvas: body i is BODY + i, disc i is DISC + i, lowest first.
CANAL, BODY, DISC = 1, 20, 40


class _Painter:
    """One sagittal plane `offset` mm beside the midline."""

    def __init__(self, patient: Patient, plane: Plane, offset: float, sequence: Sequence) -> None:
        self.patient, self.offset, self.tissue, self.sequence = patient, offset, sequence.tissues, sequence
        self.spine = Spine.of(patient, np.array(plane.foot))
        self.canvas = Canvas(plane.shape, plane.spacing, self.tissue["air"])
        self.extent = np.array(plane.shape[::-1]) * plane.spacing  # width, height in mm
        self.rng = np.random.default_rng(patient.shape_seed)  # the same blobs in each slice
        self.waves = self.rng.uniform(0, 2 * np.pi, (len(patient.discs) + 1, 3))

    def beside(self, level: int) -> float:
        """Distance of the plane from the midline at a level, in mm; a scoliotic spine bends out of the plane."""
        return self.offset - self.patient.scoliosis * np.sin(0.7 * level)

    def paint(self) -> Canvas:
        self._trunk()
        self._vessel()
        self._back()
        self._sacrum()
        self._canal()
        self._arches()
        for i in range(len(self.patient.discs)):
            self._disc(i)
        for i in range(len(self.patient.discs)):
            self._body(i)
        return self.canvas

    def _trunk(self) -> None:
        skin = self._skin(0)
        self.canvas.fill(_closed(skin, -60.0), self.tissue["fat"])
        front = self.spine.before(6)
        self.canvas.fill(_closed(front, -60.0), self.tissue["bowel"])
        for _ in range(26):
            centre = self.rng.uniform((-10, -20), self.extent * (0.5, 1.1))
            (wide, high), lateral = self.rng.uniform(8, 32, 2), self.rng.uniform(-30, 30)
            level = self.rng.choice([0.02, 0.5, 1.0, 1.4]) * self.tissue["bowel"]
            near = max(0.3, 1 - abs(self.offset - lateral) / 60)
            limit = np.interp(centre[1], *front[::-1].T[::-1]) - wide / 2
            centre[0] = min(centre[0], limit)
            self.canvas.fill(centre + superellipse(wide * near, high * near, 2.3), level)

    def _skin(self, depth: float) -> np.ndarray:
        """A line `depth` mm under the skin of the back."""
        return self.spine.back(self.patient.canal + 44 * self.patient.scale + self.patient.fat - depth)

    def _vessel(self) -> None:
        lateral = 1 - ((self.offset - 7) / 11) ** 2
        if lateral < 0.1:
            return
        near, far = self.spine.before(4)[60:], self.spine.before(4 + 17 * np.sqrt(lateral))[60:]
        far = near + (far - near) * np.clip(np.linspace(0.1, 12, len(near)), 0, 1)[:, None] ** 0.5
        self.canvas.fill(np.concatenate([near, far[::-1]]), self.tissue["vessel"])

    def _back(self) -> None:
        deep, shallow = self.spine.behind(2), self._skin(self.patient.fat)
        self.canvas.fill(np.concatenate([deep, shallow[::-1]]), self.tissue["muscle"])
        for _ in range(34):  # fat between the muscles
            i, depth = self.rng.integers(20, len(deep) - 12), self.rng.uniform(0.3, 1.0)
            start = deep[i] + depth * (shallow[i] - deep[i])
            way = (deep[i + 10] - deep[i]) * self.rng.uniform(0.4, 1.5) + self.rng.normal(0, 2, 2)
            fat = self.tissue["fat"] * self.rng.uniform(0.4, 0.9)
            self.canvas.line(np.array([start, start + way]), fat, self.rng.uniform(0.7, 2.6))

    def _sacrum(self) -> None:
        for pose, wave in zip(self.spine.sacrum, (0.3, 0.9, 1.7), strict=True):
            outline = superellipse(pose.depth, pose.height, 5) * (1 + 0.01 * np.sin(wave))
            self.canvas.fill(pose.place(outline), self.tissue["cortex"])
            self.canvas.fill(pose.place(outline * (1 - 2 / pose.height)), self._marrow())

    def _marrow(self) -> float:
        return self.tissue["marrow"] * self.patient.marrow

    def _canal(self) -> None:
        wide = 1 - (self.beside(2) / 11.5) ** 2
        if wide < 0.12:
            self._foramina()
            return
        depth = self.patient.canal * np.sqrt(wide)
        front = self.spine.behind(2.2)
        # The sac ends at S2 in a point.
        taper = np.clip(np.linspace(-0.1, 4.8, len(front)), 0, 1)[:, None] ** 0.6
        back = front + (self.spine.behind(2.2 + depth) - front) * taper
        self.canvas.line(front, self.tissue["ligament"], 1.4)
        self.canvas.line(back, self.tissue["fat"], 3.0)
        self.canvas.fill(np.concatenate([front, back[::-1]]), self.tissue["csf"], CANAL)
        self._cord(front, back, wide)
        self.canvas.line(back, self.tissue["ligament"], 0.8)

    def _cord(self, front: np.ndarray, back: np.ndarray, wide: float) -> None:
        end = int(len(front) * (0.22 + 0.085 * self.patient.conus))
        if wide > 0.75:
            thick = np.clip(np.linspace(0, 5, len(front) - end), 0, 1)[:, None] * 0.21
            middle = front[end:] + 0.55 * (back - front)[end:]
            half = thick * (back - front)[end:]
            self.canvas.fill(np.concatenate([middle - half, (middle + half)[::-1]]), self.tissue["cord"])
        for share in (0.62, 0.72, 0.8, 0.88):
            low = self.rng.integers(18, 45)
            lean = np.linspace(share - self.rng.uniform(0, 0.12), share - 0.08, end + 8 - low)[:, None]
            root = front[low : end + 8] + lean * (back - front)[low : end + 8]
            self.canvas.line(root, self.tissue["root"], self.rng.uniform(0.5, 1.1))

    def _foramina(self) -> None:
        for pose, body in zip(self.spine.discs, self.spine.bodies, strict=True):
            hole = superellipse(11, 17, 2.2) + np.array([pose.depth / 2 + 7, 4])
            self.canvas.fill(pose.place(hole), self.tissue["fat"])
            nerve = superellipse(5, 5, 2) + np.array([pose.depth / 2 + 6, 8])
            self.canvas.fill(pose.place(nerve), self.tissue["root"])
            pedicle = superellipse(26, 0.42 * body.height, 3) + np.array([body.depth / 2 + 9, body.height * 0.18])
            self._bone(body, pedicle)

    def _arches(self) -> None:
        """Spinous processes near the midline, laminae and facets further out."""
        behind = 3 + self.patient.canal
        for i, body in enumerate(self.spine.bodies):
            aside = abs(self.beside(i))
            length, height = (27, 17) if aside < 5 else (9, 21)
            outline = superellipse(length * self.patient.scale, height * self.patient.scale, 3.2)
            outline[:, 1] -= 0.35 * outline[:, 0]  # they point downwards
            low = self.rng.uniform(-9, -5)
            self._bone(body, outline + np.array([body.depth / 2 + behind + length / 2 + 2, low]))

    def _bone(self, pose: Pose, outline: np.ndarray) -> None:
        middle = outline.mean(axis=0)
        self.canvas.fill(pose.place(outline), self.tissue["cortex"])
        self.canvas.fill(pose.place(middle + 0.84 * (outline - middle)), self._marrow())

    def _disc(self, i: int) -> None:
        pose, disc = self._at(self.spine.discs[i], i), self.patient.discs[i]
        annulus, number = self.tissue["annulus"], DISC + i
        focal = np.exp(-((self.beside(i) / (7 if disc.herniation else 14)) ** 2))
        if disc.protrusion * focal > 0.5:
            self.canvas.fill(protrusion_outline(pose, disc), self.tissue["ligament"], number)
        self.canvas.fill(disc_outline(pose), annulus, number)
        self._nucleus(pose, disc, annulus)

    def _nucleus(self, pose: Pose, disc: Disc, annulus: float) -> None:
        """Ever smaller ellipses: close together they make a clear border, apart a vague one."""
        signal = self.sequence.of_nucleus(disc.brightness)
        place = np.array([0.04 * pose.depth, 0])
        for step in (0.1, 0.3, 0.5, 0.7, 0.9):
            size = 1 + disc.softness * (1 - 2 * step)
            outline = superellipse(0.66 * pose.depth * size, 0.86 * pose.height * size, 2.6)
            self.canvas.fill(pose.place(outline + place), annulus + (signal - annulus) * (step + 0.1))
        if disc.cleft:
            across = np.array([[-0.2 * pose.depth, 0.0], [0.24 * pose.depth, 0.0]])
            self.canvas.line(pose.place(across), 0.6 * signal, 1.2)

    def _body(self, i: int) -> None:
        pose = self._at(self.spine.bodies[i], i)
        below = self.patient.discs[i]
        above = self.patient.discs[min(i + 1, len(self.patient.discs) - 1)]
        self.canvas.fill(body_outline(pose, below, above, self.waves[i]), self.tissue["cortex"], BODY + i)
        self.canvas.fill(body_outline(pose, below, above, self.waves[i], rim=1.1), self._marrow())
        if abs(self.beside(i)) < 4:  # the basivertebral vein enters from behind
            vein = superellipse(8, 2.5, 2) + np.array([pose.depth / 2 - 4.5, 0])
            self.canvas.fill(pose.place(vein), 1.5 * self._marrow())

    def _at(self, pose: Pose, level: int) -> Pose:
        """The pose where the plane cuts it: bodies and discs are shallower beside the midline."""
        share = 0.5 + 0.5 * np.sqrt(max(0.0, 1 - (self.beside(level) / 27) ** 2))
        centre = pose.place(np.array([0.1 * pose.depth * (1 - share), 0]))[0]
        return Pose(centre, pose.tilt, pose.depth * share, pose.height, pose.wedge)


def paint_sagittal(patient: Patient, plane: Plane, offset: float, sequence: Sequence) -> tuple[np.ndarray, np.ndarray]:
    """Signal (H, W) float32, relative to CSF, and instances (H, W) uint8 of a plane `offset` mm beside the midline."""
    canvas = _Painter(patient, plane, offset, sequence).paint()
    return canvas.picture(), canvas.instances()


def paint_axial(patient: Patient, shape: tuple[int, int], spacing: float, sequence: Sequence) -> np.ndarray:
    """Signal (H, W) float32 of a plain axial plane, which nothing is annotated on."""
    tissue = sequence.tissues
    canvas = Canvas(shape, spacing, tissue["air"])
    middle = np.array(shape[::-1]) * spacing / 2
    for depth, signal in ((0.0, tissue["fat"]), (patient.fat, tissue["muscle"])):
        width, height = 1.88 * middle - depth
        canvas.fill(middle + superellipse(width, height, 2.4), signal)
    for centre, width, height, name in (
        *(((0, -18), 50, 36, "cortex"), ((0, -18), 46, 32, "annulus"), ((0, -17), 26, 18, "marrow")),
        *(((0, 8), 20, 15, "csf"), ((0, 32), 8, 32, "cortex"), ((0, 32), 5, 28, "marrow")),
        *(((-14, -46), 16, 16, "vessel"), ((12, -46), 18, 14, "vessel")),
    ):
        canvas.fill(middle + np.array(centre) + superellipse(width, height, 2.5), tissue[name])
    return canvas.picture()


def mottling(instances: np.ndarray, patient: Patient) -> np.ndarray:
    """Contrast of the texture at each pixel: stronger in marrow, in each disc as its own wear has it."""
    strength = np.full(256, 0.09, np.float32)
    strength[BODY:DISC] = 0.13
    for i, disc in enumerate(patient.discs):
        strength[DISC + i] = disc.mottle
    return strength[instances]


def _closed(line: np.ndarray, left: float) -> np.ndarray:
    """The area between a line from bottom to top, drawn on straight beyond both ends, and the vertical at `left` mm."""
    bottom, top = line[0] + 12 * (line[0] - line[8]), line[-1] + 12 * (line[-1] - line[-9])
    return np.concatenate([[bottom], line, [top], [(left, top[1])], [(left, bottom[1])]])
