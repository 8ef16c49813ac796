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
from spine.images.dicom.write import write_mr_series
from spine.phantom.lumbar.annotate import AnnotatedSlice, whole, write_annotations
from spine.phantom.lumbar.paint import mottling, paint_axial, paint_sagittal
from spine.phantom.lumbar.patient import Patient, draw_patient
from spine.phantom.scanner import Scanner, acquire, draw_scanner
from spine.phantom.sequences import AXIAL, SEQUENCES, Sequence
from spine.phantom.series import Owner, describe_series, slice_offsets, write_sagittal
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
    planes = [paint_sagittal(patient, scanner.plane, offset, sequence) for offset in slice_offsets(scanner)]
    pixels = np.stack([acquire(signal, mottling(instances, patient), scanner, rng) for signal, instances in planes])
    files = write_sagittal(pixels, scanner, sequence, number, _owner(patient), folder, rng)
    return files, [instances for _, instances in planes]


def _write_axial(patient: Patient, scanner: Scanner, folder: Path, rng: np.random.Generator) -> None:
    signal = paint_axial(patient, (128, 160), 1.6, AXIAL)
    nothing = np.zeros(signal.shape, np.uint8)
    pixels = np.stack([acquire(signal, mottling(nothing, patient), scanner, rng) for _ in range(5)])
    orientation = np.eye(3)[:2]  # columns towards the left hand, rows towards posterior
    position = np.array([-128.0, -102.0, -60.0])
    series = describe_series(_owner(patient), scanner, AXIAL, 4, pixels, orientation, position, 1.6)
    write_mr_series(pixels, series, folder / AXIAL.folder)


def _owner(patient: Patient) -> Owner:
    return Owner(patient.identifier, patient.years, "LSPINE")
