"""Write lumbar phantom studies and what is true of them, as a hospital's export and a reader's annotations would be.

    studies/<patient>/<series>/IM0001.dcm ...   sagittal T2W or T2*W; T1W and axial T2W for some
    annotations.coco.json                       boxes of lumbar_region, disc and vertebra
    discs.csv                                   one row a disc and picture: its box and its grades
    masks/<patient>/<series>/IM0001.png         class indices: 0 background, 1 vertebra, 2 disc, 3 canal
    phantom.json                                settings, the middle slice of each patient, fingerprints

The mid-sagittal slice and its two neighbours are annotated, named as in `studies/` ("ph001/t2/IM0006.dcm").
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spine.core.progress import track
from spine.images.dicom.write import SAGITTAL, MRSeries, write_mr_series
from spine.phantom.lumbar.annotate import AnnotatedSlice, whole, write_annotations
from spine.phantom.lumbar.paint import mottling, paint_axial, paint_sagittal
from spine.phantom.lumbar.patient import Patient, draw_patient
from spine.phantom.scanner import Scanner, acquire, draw_scanner
from spine.phantom.sequences import AXIAL, SEQUENCES, Sequence
from spine.phantom.settings import PhantomSettings

__all__ = ["write_studies"]


def write_studies(settings: PhantomSettings, directory: Path) -> dict[str, object]:
    """Write the studies of all patients; gives what phantom.json tells of them."""
    pictures: list[AnnotatedSlice] = []
    for index in track(range(settings.patients), "generating phantom studies"):
        pictures += _write_patient(index, settings, directory / "studies")
    write_annotations(pictures, directory)
    return {"middle": {picture.patient.identifier: picture.name for picture in pictures[1::3]}}


def _write_patient(index: int, settings: PhantomSettings, studies: Path) -> list[AnnotatedSlice]:
    """Write one patient's series; gives the middle slice of the main one between its neighbours."""
    rng = np.random.default_rng([settings.seed, index])
    patient = draw_patient(f"ph{index + 1:03d}", rng, settings.difficulty)
    scanner = draw_scanner(patient.scale, rng, settings)
    main = SEQUENCES["t2star" if rng.uniform() < settings.t2star else "t2"]
    with_t1, with_axial = rng.uniform(size=2) < settings.distractors
    folder = studies / patient.identifier
    if with_t1:
        _write_sagittal(patient, scanner, SEQUENCES["t1"], 2, folder, rng)
    if with_axial:
        _write_axial(patient, scanner, folder, rng)
    files, instances = _write_sagittal(patient, scanner, main, 3, folder, rng)
    middle = scanner.slices // 2
    return [
        AnnotatedSlice(files[i].relative_to(studies).as_posix(), patient, main.name, whole(instances[i]))
        for i in (middle - 1, middle, middle + 1)
    ]


def _write_sagittal(
    patient: Patient, scanner: Scanner, sequence: Sequence, number: int, folder: Path, rng: np.random.Generator
) -> tuple[list[Path], list[np.ndarray]]:
    steps = np.arange(scanner.slices) - scanner.slices // 2
    planes = [paint_sagittal(patient, scanner.plane, scanner.offset + scanner.gap * step, sequence) for step in steps]
    pixels = np.stack([acquire(signal, mottling(instances, patient), scanner, rng) for signal, instances in planes])
    orientation = _oblique(scanner.oblique)
    plane, normal = scanner.plane, np.cross(*orientation)
    # The foot of the spine lies near the scanner's origin.
    foot = plane.foot[0] * orientation[0] + plane.foot[1] * orientation[1]
    first = rng.normal(0, 15, 3) - foot + steps[0] * scanner.gap * normal
    series = _series(patient, scanner, sequence, number, pixels, orientation, first)
    order = list(range(scanner.slices))
    if scanner.interleaved:
        order = order[0::2] + order[1::2]
    return write_mr_series(pixels, series, folder / sequence.folder, order), [instances for _, instances in planes]


def _write_axial(patient: Patient, scanner: Scanner, folder: Path, rng: np.random.Generator) -> None:
    signal = paint_axial(patient, (128, 160), 1.6, AXIAL)
    nothing = np.zeros(signal.shape, np.uint8)
    pixels = np.stack([acquire(signal, mottling(nothing, patient), scanner, rng) for _ in range(5)])
    orientation = np.eye(3)[:2]  # columns towards the left hand, rows towards posterior
    series = _series(patient, scanner, AXIAL, 4, pixels, orientation, np.array([-128.0, -102.0, -60.0]), 1.6)
    write_mr_series(pixels, series, folder / AXIAL.folder)


def _series(
    patient: Patient,
    scanner: Scanner,
    sequence: Sequence,
    number: int,
    pixels: np.ndarray,
    orientation: np.ndarray,
    position: np.ndarray,
    spacing: float | None = None,
) -> MRSeries:
    bright = float(np.percentile(pixels, 99.5)) * scanner.slope
    return MRSeries(
        patient=patient.identifier,
        study="1",
        number=number,
        description=sequence.description,
        position=tuple(position),
        orientation=(tuple(orientation[0]), tuple(orientation[1])),
        spacing=(spacing or scanner.plane.spacing,) * 2,
        gap=scanner.gap,
        window=(round(bright / 2, 1), round(bright, 1)),
        slope=scanner.slope,
        scanning=sequence.scanning,
        repetition_time=sequence.repetition_time,
        echo_time=sequence.echo_time,
        flip_angle=sequence.flip_angle,
        years=patient.years,
    )


def _oblique(turns: tuple[float, float]) -> np.ndarray:
    """The sagittal directions of columns and rows, (2, 3), turned about the vertical and the front-to-back axis."""
    (cos_z, cos_y), (sin_z, sin_y) = np.cos(turns), np.sin(turns)
    about_z = np.array([[cos_z, -sin_z, 0], [sin_z, cos_z, 0], [0, 0, 1]])
    about_y = np.array([[cos_y, 0, sin_y], [0, 1, 0], [-sin_y, 0, cos_y]])
    return np.array(SAGITTAL) @ (about_z @ about_y).T
