"""Write the fracture phantom as a teaching collection of pictures would be: a folder a class.

    pictures/<Normal or Abnormal>/<patient>_<number>.png    8-bit grey, of sizes that vary widely
    studies/<Normal or Abnormal>/<patient>/IM0001.dcm ...   the same in Hounsfield units, where `dicom` is set
    breaks.csv                                              what is broken, one row a break
    phantom.json                                            settings, fingerprints

A patient's pictures are neighbouring slices of one vertebra and of one class: "ph001_1.png", "ph001_2.png".
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from spine.core.progress import track
from spine.images.dicom.write_plain import PlainImage, write_image
from spine.phantom.fracture.paint import paint_plane
from spine.phantom.fracture.patient import Patient, draw_patient
from spine.phantom.fracture.scan import Scan, acquire, draw_scan, windowed
from spine.phantom.settings import FractureSettings

__all__ = ["CLASSES", "write_studies"]

CLASSES = ("Normal", "Abnormal")
_THICKNESS = 2.0  # mm
_COLUMNS = ("patient_id", "site", "gap_mm", "shift_mm")


def write_studies(settings: FractureSettings, directory: Path) -> dict[str, object]:
    """Write the pictures of all patients; phantom.json tells nothing more of them."""
    for name in CLASSES:
        (directory / "pictures" / name).mkdir(parents=True)
    breaks: list[tuple[str, str, float, float]] = []
    for index in track(range(settings.patients), "generating phantom studies"):
        rng = np.random.default_rng([settings.seed, index])
        patient = draw_patient(f"ph{index + 1:03d}", rng, settings.fractured, settings.difficulty)
        _write_patient(patient, draw_scan(rng, settings), settings, directory, rng)
        breaks += [(patient.identifier, b.site, round(b.gap, 2), round(b.shift, 2)) for b in patient.breaks]
    pd.DataFrame(breaks, columns=_COLUMNS).to_csv(directory / "breaks.csv", index=False)
    return {}


def _write_patient(
    patient: Patient, scan: Scan, settings: FractureSettings, directory: Path, rng: np.random.Generator
) -> None:
    least, greatest = settings.pictures
    heights = rng.uniform(-0.7, 0.6) + 0.2 * np.arange(rng.integers(least, greatest + 1))
    name = CLASSES[bool(patient.breaks)]
    for number, height in enumerate(heights, start=1):
        density = acquire(paint_plane(patient, height), scan, rng)
        grey = windowed(density, scan.window)
        cv2.imwrite(str(directory / "pictures" / name / f"{patient.identifier}_{number}.png"), grey)
        if settings.dicom:
            folder = directory / "studies" / name / patient.identifier
            _write_dicom(density, patient, scan, number, folder)


def _write_dicom(density: np.ndarray, patient: Patient, scan: Scan, number: int, folder: Path) -> None:
    rows, columns = scan.spacing * np.array(scan.shape) / 2
    tags = {
        "PixelSpacing": [round(scan.spacing, 5)] * 2,
        "SliceThickness": _THICKNESS,
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "ImagePositionPatient": [round(float(-columns), 3), round(float(-rows), 3), number * _THICKNESS],
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "RescaleType": "HU",
        "KVP": 120,
    }
    image = PlainImage(
        *("CT", patient.identifier, "1", 2, number, "C-spine bone", "CSPINE", patient.years),
        window=(round(scan.window[0]), round(scan.window[1])),
        intercept=-1024,
        tags=tags,
    )
    stored = np.clip(np.rint(density + 1024), 0, 4095).astype(np.uint16)
    write_image(stored, image, folder / f"IM{number:04d}.dcm")
