"""One patient's pictures, each with what is true of it: radiographs from front and side, slices of an MR study."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from spine.annotations import Box
from spine.phantom.implant import frontal, lateral
from spine.phantom.implant.artefact import add_artefact
from spine.phantom.implant.film import Film, View, draw_exposure
from spine.phantom.implant.patient import Patient
from spine.phantom.lumbar.anatomy import Spine
from spine.phantom.lumbar.paint import BODY, mottling, paint_sagittal
from spine.phantom.lumbar.patient import draw_patient as draw_lumbar
from spine.phantom.scanner import Scanner, acquire, draw_scanner
from spine.phantom.sequences import SEQUENCES
from spine.phantom.series import slice_offsets
from spine.phantom.settings import ImplantSettings, PhantomSettings
from spine.phantom.shapes import bounds

__all__ = ["Corners", "Picture", "Study", "take_films", "take_study"]

Corners = tuple[int, int, int, int]
_CURVED = 0.35  # a body counts as of the bow where it lies so far out, as a share of the farthest
_LEAST = 4  # pixels
_BOW = 10.0  # mm, more than a straight spine bends


@dataclass(frozen=True)
class Picture:
    """Brightness 0 to 1 of a film, or stored values of a slice, (H, W); the spine's box, and the finding's."""

    pixels: np.ndarray
    view: str  # frontal, lateral or sagittal
    spine: Corners
    boxes: tuple[Box, ...]


@dataclass(frozen=True)
class Study:
    """The slices of an MR study and who took them."""

    pictures: tuple[Picture, ...]
    scanner: Scanner


def take_films(patient: Patient, rng: np.random.Generator, settings: ImplantSettings) -> list[Picture]:
    """A frontal film, and for most X-ray patients a lateral one: a bow is not seen from the side."""
    height = int(rng.integers(settings.size[0], settings.size[1] + 1))
    films = [_frontal(patient, height, rng, settings)]
    if patient.source == "xray" and patient.finding != "sco":
        films.append(_lateral(patient, height, rng, settings))
    return films


def _frontal(patient: Patient, height: int, rng: np.random.Generator, settings: ImplantSettings) -> Picture:
    # A scoliosis is taken on a film of the whole spine; one of the lumbar spine shows less, and that larger.
    whole = patient.source == "scoliosis"
    tall, share = (
        (rng.uniform(500, 570), rng.uniform(0.42, 0.56)) if whole else (rng.uniform(300, 390), rng.uniform(0.7, 0.9))
    )
    view = _view(height, share, patient.scale * tall, (0.5, 0.83 if whole else 0.7), rng)
    film, column = Film(view), frontal.column(patient)
    frontal.draw_trunk(film, patient, column)
    if patient.metal:
        frontal.draw_implant(film, patient.metal, column, patient.shape_seed)
    outlines = [v.place([(-v.width / 2, -v.height / 2), (v.width / 2, v.height / 2)]) for v in column]
    boxes = _metal(film)
    if patient.finding == "sco":
        aside = np.abs([v.middle[0] for v in column])
        seen = [points for points, far in zip(outlines, aside, strict=True) if far > _CURVED * aside.max()]
        boxes += _named("sco", _around(seen, view))
    spine = _around(outlines if whole else outlines[:6], view)
    return Picture(draw_exposure(rng, settings.noise).develop(film, rng), "frontal", spine, boxes)


def _lateral(patient: Patient, height: int, rng: np.random.Generator, settings: ImplantSettings) -> Picture:
    tall = patient.scale * rng.uniform(290, 360)
    view = _view(height, rng.uniform(0.65, 0.85), tall, (0.5, 0.72), rng)
    film, column = Film(view), lateral.side_column(patient)
    lateral.draw_trunk(film, patient, column)
    if patient.metal:
        lateral.draw_implant(film, patient.metal, column, patient.shape_seed)
    outlines = [pose.place(np.array([(-pose.depth / 2, 14), (pose.depth / 2 + 40, -14)])) for pose in column[:6]]
    shown = draw_exposure(rng, settings.noise).develop(film, rng)
    return Picture(shown, "lateral", _around(outlines, view), _metal(film))


def _view(height: int, share: float, tall: float, foot: tuple[float, float], rng: np.random.Generator) -> View:
    width, spacing = round(height * share), tall / height
    across, down = foot[0] + rng.normal(0, 0.02), foot[1] + rng.normal(0, 0.02)
    return View((height, width), spacing, (across * width * spacing, down * tall))


def _metal(film: Film) -> tuple[Box, ...]:
    mask = film.metal_mask()
    return _named("Lum", bounds(mask)) if mask.any() else ()


def _around(outlines: list[np.ndarray], view: View) -> Corners:
    """The box around places in mm, as far as the film shows them."""
    pixels = view.to_pixels(np.concatenate(outlines))
    height, width = view.shape
    x0, y0 = np.clip(np.floor(pixels.min(axis=0)), 0, (width - _LEAST, height - _LEAST)).astype(int)
    x1, y1 = np.clip(np.ceil(pixels.max(axis=0)), (x0 + _LEAST, y0 + _LEAST), (width, height)).astype(int)
    return int(x0), int(y0), int(x1), int(y1)


def _named(label: str, corners: Corners) -> tuple[Box, ...]:
    x0, y0, x1, y1 = corners
    return (Box(label, x0, y0, x1, y1),) if min(x1 - x0, y1 - y0) >= _LEAST else ()


def take_study(patient: Patient, rng: np.random.Generator, settings: ImplantSettings) -> Study:
    """Sagittal T2W slices: metal blots out what is around it; a bow leads the spine out of the plane."""
    lumbar = draw_lumbar(patient.identifier, rng, settings.difficulty)
    if patient.finding == "sco" or abs(patient.curve.depth) > _BOW:
        lumbar = replace(lumbar, scoliosis=float(np.sign(patient.curve.depth) * (9 + abs(patient.curve.depth) / 3)))
    shown = {name: getattr(settings, name) for name in ("size", "slices", "difficulty", "noise")}
    scanner = draw_scanner(lumbar.scale, rng, PhantomSettings.model_validate(shown))
    spine, pictures = Spine.of(lumbar, np.array(scanner.plane.foot)), []
    for offset in slice_offsets(scanner):
        signal, instances = paint_sagittal(lumbar, scanner.plane, offset, SEQUENCES["t2"])
        around = bounds(instances >= BODY)
        boxes = _named("sco", around) if patient.finding == "sco" else ()
        if patient.metal:
            void = add_artefact(signal, spine, patient.metal, scanner.plane, offset)
            boxes += _named("Lum", bounds(void)) if void.any() else ()
        pixels = acquire(signal, mottling(instances, lumbar), scanner, rng)
        pictures.append(Picture(pixels, "sagittal", around, boxes))
    return Study(tuple(pictures), scanner)
