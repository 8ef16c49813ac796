"""Paint one sagittal plane of a neck: from the skin inwards, the cord and what is injured last."""

from __future__ import annotations

import numpy as np

from spine.phantom.canvas import Canvas, Plane
from spine.phantom.cervical.anatomy import DENS, Neck
from spine.phantom.cervical.patient import LEVELS, Disc, Lesion, Patient
from spine.phantom.cervical.soft import paint_back, paint_brainstem, paint_front, paint_head, paint_skin
from spine.phantom.sequences import Sequence
from spine.phantom.shapes import Pose, superellipse

__all__ = ["BODY", "CANAL", "CORD", "DISC", "LESION", "mottling", "paint_sagittal"]

# Instance numbers on the canvas: body i is BODY + i, disc i is DISC + i, lowest first.
CANAL, CORD, LESION, BODY, DISC = 1, 2, 3, 20, 40

# Signals of a lesion's parts relative to CSF on T2W, by the sequence's name.
_EDEMA = {"T2W": 0.92, "T1W": 0.33}
_BLOOD = {"T2W": 0.12, "T1W": 0.85}
_SEEN = 0.8  # a lesion is drawn, and its box given, up to this share of its way aside


class _Painter:
    """One sagittal plane `offset` mm beside the midline."""

    def __init__(self, patient: Patient, plane: Plane, offset: float, sequence: Sequence) -> None:
        self.patient, self.offset, self.sequence, self.tissue = patient, offset, sequence, sequence.tissues
        self.neck = Neck.of(patient, np.array(plane.foot))
        self.canvas = Canvas(plane.shape, plane.spacing, self.tissue["air"])
        self.rng = np.random.default_rng(patient.shape_seed)  # the same shapes in each slice

    def beside(self, level: int) -> float:
        """Distance of the plane from the midline at a level, in mm."""
        return self.offset - self.patient.scoliosis * float(np.sin(0.6 * level))

    def paint(self) -> Canvas:
        scene = (self.canvas, self.neck, self.patient, self.tissue, self.rng)
        paint_skin(*scene)
        paint_head(*scene)
        paint_front(*scene, self.offset)
        paint_back(*scene)
        self._arches()
        self._canal()
        paint_brainstem(*scene[:4], self.offset)
        for i in range(len(LEVELS)):
            self._disc(i)
        for i in range(len(LEVELS)):
            self._body(i)
        self._dens()
        return self.canvas

    def _arches(self) -> None:
        """Spinous processes near the midline, laminae and pillars further out."""
        lengths = (30, 30, 30, 30, 29, 22, 18, 16, 16, 24)
        for i, body in enumerate(self.neck.bodies):
            aside, thoracic = abs(self.beside(i)), LEVELS[i].startswith("T")
            length, height = (lengths[i], 8.5) if aside < 4.5 else (9, 12)
            outline = superellipse(length * self.patient.scale, height * self.patient.scale, 2.8)
            outline = outline * np.stack([np.ones(len(outline)), 0.85 + 0.012 * outline[:, 0]], axis=1)
            outline[:, 1] -= (0.75 if thoracic else 0.42) * outline[:, 0]
            behind = body.depth / 2 + self.patient.canal + length / 2 + 3.5
            low = -6 if thoracic else -4.5
            self._bone(body, outline + np.array([behind, low - (0.35 if thoracic else 0.15) * length]))

    def _bone(self, pose: Pose, outline: np.ndarray, marrow: float = 1.0) -> None:
        middle = outline.mean(axis=0)
        inner = 1 - 2.2 / np.ptp(outline, axis=0).clip(5)
        self.canvas.fill(pose.place(outline), self.tissue["cortex"])
        self.canvas.fill(pose.place(middle + inner * (outline - middle)), self._marrow() * marrow)

    def _marrow(self) -> float:
        return self.tissue["marrow"] * self.patient.marrow

    def _canal(self) -> None:
        wide = 1 - (self.beside(5) / 11) ** 2
        if wide < 0.15:
            self._foramina()
            return
        depth = self.patient.canal * np.sqrt(wide)
        front, back = self.neck.beside(1.8, 3.0), self.neck.beside(1.8 + depth, 3.0 + depth + 3)
        self.canvas.line(back, self.tissue["fat"], 2.4)
        self.canvas.fill(np.concatenate([front, back[::-1]]), self.tissue["csf"], CANAL)
        self.canvas.line(front, self.tissue["ligament"], 1.2)
        self.canvas.line(back, self.tissue["ligament"], 0.9)
        if wide > 0.7:
            self._cord(front, back)

    def _cord(self, front: np.ndarray, back: np.ndarray) -> None:
        """The cord, thicker at C5 and towards the brainstem, pushed back where a disc is injured."""
        place = np.linspace(0, 1, len(front))
        thick = self.patient.cord * (1 + 0.12 * np.exp(-(((place - 0.5) / 0.16) ** 2)) + 0.5 * _rises(place, 0.86))
        depth = np.hypot(*(back - front).T)
        middle = np.clip(0.5 + 0.04 * np.sin(5 * place), 0, 1) * depth
        for i, disc in enumerate(self.patient.discs):
            near = np.exp(-((np.hypot(*(front - self._edge(i)).T) / 7) ** 2))
            pushed = max(0.0, disc.protrusion - 2.2) * self._focal(i)
            middle = middle + 0.5 * pushed * near
            thick = thick - 0.45 * pushed * near
        across = (back - front) / depth[:, None]
        low = front + across * np.maximum(middle - thick / 2, 0.9)[:, None]
        high = front + across * np.minimum(middle + thick / 2, depth - 0.6)[:, None]
        self.canvas.fill(np.concatenate([low, high[::-1]]), self.tissue["cord"], CORD)
        if self.rng.uniform() < 0.4:  # the central canal, or the ringing of a coarse grid
            self.canvas.line((low + high) / 2, 1.12 * self.tissue["cord"], 0.7)
        lesion = self.patient.lesion
        if lesion:
            self._lesion(lesion, low, high)

    def _lesion(self, lesion: Lesion, low: np.ndarray, high: np.ndarray) -> None:
        share = abs(self.beside(lesion.level)) / lesion.lateral
        if share > _SEEN:
            return
        centre = (low + high) / 2
        along = np.concatenate([[0], np.hypot(*np.diff(centre, axis=0).T).cumsum()])
        at = along[np.argmin(np.hypot(*(centre - self._edge(lesion.level)).T))] + lesion.up
        place = 2 * (along - at) / lesion.length
        faint = lesion.contrast * (1 - share**2)
        cord, kind, name = self.tissue["cord"], lesion.kind, self.sequence.name
        edema, blood = cord + faint * (_EDEMA[name] - cord), cord + faint * (_BLOOD[name] - cord)
        if kind == "hemorrhagic":
            self._spindle(low, high, place, lesion.thickness, cord + 0.45 * (edema - cord))
        else:
            for size in (1.0, 0.85, 0.7):
                self._spindle(
                    low, high, place / size, lesion.thickness * size, cord + (edema - cord) * (1.3 - size) / 0.6
                )
        if kind != "edematous":
            rng = np.random.default_rng(self.patient.shape_seed)
            core = 0.55 if kind == "hemorrhagic" else 0.26
            for _ in range(4):
                at = (place - rng.uniform(-0.5, 0.5) * core) / (core * rng.uniform(0.5, 1.0))
                self._spindle(low, high, at, lesion.thickness * rng.uniform(0.5, 0.9), blood, rng.normal(0, 0.08))

    def _spindle(
        self,
        low: np.ndarray,
        high: np.ndarray,
        place: np.ndarray,
        thickness: float,
        signal: float,
        aside: float = 0.0,
    ) -> None:
        """Fill a spindle along the cord where `place` is within -1 to 1, `aside` shares of its depth off the middle."""
        within = np.abs(place) < 1
        if within.sum() < 2:
            return
        half = (thickness / 2 * np.sqrt(1 - place[within] ** 2))[:, None]
        across = (high - low)[within]
        middle = (low + high)[within] / 2 + aside * across
        outline = np.concatenate([middle - half * across, (middle + half * across)[::-1]])
        self.canvas.fill(outline, signal, LESION)

    def _edge(self, i: int) -> np.ndarray:
        """Where disc i meets the canal."""
        pose = self.neck.discs[i]
        return pose.place(np.array([pose.depth / 2, 0.0]))[0]

    def _focal(self, i: int) -> float:
        """How much of a protrusion this plane cuts."""
        return float(np.exp(-((self.beside(i) / 7.5) ** 2)))

    def _foramina(self) -> None:
        for pose, body in zip(self.neck.discs, self.neck.bodies, strict=True):
            hole = superellipse(8, 10, 2.2) + np.array([pose.depth / 2 + 5, 2])
            self.canvas.fill(pose.place(hole), self.tissue["fat"])
            self.canvas.fill(pose.place(superellipse(4, 4, 2) + np.array([pose.depth / 2 + 5, 1])), self.tissue["root"])
            self._bone(body, superellipse(15, 13, 3) + np.array([body.depth / 2 + 12, -2]))

    def _disc(self, i: int) -> None:
        pose, disc, number = self.neck.discs[i], self.patient.discs[i], DISC + i
        protrusion = disc.protrusion * self._focal(i)
        if disc.swelling:  # blood and water in front of the injured disc
            outline = superellipse(disc.swelling, 4.5 * pose.height, 2.2) - np.array([pose.depth / 2 + 1.5, 0])
            self.canvas.fill(pose.place(outline), 0.7 * self.tissue["csf"])
        if protrusion > 0.4:
            self._protrusion(pose, disc, protrusion, number)
        self.canvas.fill(
            pose.place(superellipse(pose.depth * 1.02, pose.height * 1.5 + 1, 3)), self.tissue["annulus"], number
        )
        signal = self.sequence.of_nucleus(disc.brightness)
        for size in (0.72, 0.58, 0.44):
            step = (0.86 - size) / 0.42
            inner = superellipse(pose.depth * size, pose.height * size * 1.1, 2.6)
            self.canvas.fill(pose.place(inner), self.tissue["annulus"] + step * (signal - self.tissue["annulus"]))

    def _protrusion(self, pose: Pose, disc: Disc, protrusion: float, number: int) -> None:
        outline = superellipse(2 * protrusion + 5, disc.reach * max(pose.height, 4.5) * 1.25, 2.2)
        signal = 1.5 * self.tissue["annulus"] if disc.injured else self.tissue["annulus"]
        self.canvas.fill(pose.place(outline + np.array([pose.depth / 2 - 2.5, 0])), signal, number)

    def _body(self, i: int) -> None:
        pose, aside = self.neck.bodies[i], self.beside(i)
        share = 0.55 + 0.45 * np.sqrt(max(0.0, 1 - (aside / 15) ** 2))
        x, y = superellipse(2, 2, 5.0).T
        wave = 0.25 * np.sin(3 * x + self.rng.uniform(0, 6)) * (np.abs(y) > 0.7)
        outline = np.stack([x * pose.depth / 2 * share * (1 - 0.06 * (1 - y**2)), y * pose.height / 2 + wave], axis=1)
        outline[:, 1] -= y * outline[:, 0] * np.tan(pose.wedge / 2)
        self.canvas.fill(pose.place(outline), self.tissue["cortex"], BODY + i)
        inner = 1 - 2.0 / np.array([pose.depth * share, pose.height])
        self.canvas.fill(pose.place(outline * inner), self._marrow())

    def _dens(self) -> None:
        """The dens of C2 between the arches of C1."""
        if abs(self.offset) > 5.5:
            return
        pose, number = self.neck.top, BODY + len(LEVELS) - 1
        outline = superellipse(9.5, DENS, 3.2) + np.array([-0.5, DENS / 2])
        self.canvas.fill(pose.place(outline), self.tissue["cortex"], number)
        self.canvas.fill(pose.place(superellipse(7.5, DENS + 2, 3.2) + np.array([-0.5, DENS / 2 - 2])), self._marrow())
        self._bone(pose, superellipse(7, 11, 2.4) + np.array([-10.0, DENS - 5]))
        self._bone(pose, superellipse(9, 8, 2.4) + np.array([self.patient.canal + 14.5, DENS - 5]))


def _rises(place: np.ndarray, middle: float) -> np.ndarray:
    return 1 / (1 + np.exp(-(place - middle) / 0.03))


def paint_sagittal(patient: Patient, plane: Plane, offset: float, sequence: Sequence) -> tuple[np.ndarray, np.ndarray]:
    """Signal (H, W) float32, relative to CSF, and instances (H, W) uint8 of a plane `offset` mm beside the midline."""
    canvas = _Painter(patient, plane, offset, sequence).paint()
    return canvas.picture(), canvas.instances()


def mottling(instances: np.ndarray) -> np.ndarray:
    """Contrast of the texture at each pixel: stronger in marrow and discs, weaker in the canal."""
    strength = np.full(256, 0.1, np.float32)
    strength[CANAL : LESION + 1], strength[BODY:DISC], strength[DISC:] = 0.06, 0.12, 0.14
    return strength[instances]
