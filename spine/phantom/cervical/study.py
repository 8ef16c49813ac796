"""Write the cervical phantom as the detection studies of the neck have theirs: pictures, and files of drawn boxes.

    images/<patient>/<series>/IM0001.dcm ...   sagittal T2W; T1W for some
    boxes/<patient>/<series>/IM0001.xml        Pascal VOC: `disc` (injured), `injury` (of the cord)
    cord/<patient>/<series>/IM0001.json        LabelMe: `hemorrhagic`, `edematous` or `mixed`
    patients.csv                               what is injured in whom
    phantom.json                               settings, fingerprints

A slice that shows nothing has no file, as with normal patients whom nobody drew on. A box is as large as what is drawn.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from spine.annotations import Annotation, Box, write_annotations
from spine.core.progress import track
from spine.phantom.cervical.paint import DISC, LESION, mottling, paint_sagittal
from spine.phantom.cervical.patient import LEVELS, Patient, draw_patient
from spine.phantom.scanner import CERVICAL, Scanner, acquire, draw_scanner
from spine.phantom.sequences import SEQUENCES, Sequence
from spine.phantom.series import Owner, slice_offsets, write_sagittal
from spine.phantom.settings import CervicalSettings
from spine.phantom.shapes import bounds

__all__ = ["write_studies"]

_LEAST = 3  # pixels of a lesion that a reader would draw


def write_studies(settings: CervicalSettings, directory: Path) -> dict[str, object]:
    """Write the studies of all patients; phantom.json tells nothing more of them."""
    patients, drawn = [], []
    for index in track(range(settings.patients), "generating phantom studies"):
        rng = np.random.default_rng([settings.seed, index])
        patient = draw_patient(f"ph{index + 1:03d}", rng, settings)
        scanner = draw_scanner(patient.scale, rng, settings, CERVICAL)
        sequences = [SEQUENCES["t1"]] if rng.uniform() < settings.t1 else []
        for number, sequence in enumerate([*sequences, SEQUENCES["t2"]], start=2):
            drawn += _write_series(patient, scanner, sequence, number, directory / "images", rng)
        patients.append(_row(patient))
    pd.DataFrame(patients).to_csv(directory / "patients.csv", index=False)
    write_annotations("voc", [_with_labels(one, ("disc", "injury")) for one in drawn if one.boxes], directory / "boxes")
    cord = [_with_labels(one, ("hemorrhagic", "edematous", "mixed")) for one in drawn]
    write_annotations("labelme", [one for one in cord if one.boxes], directory / "cord")
    return {}


def _write_series(
    patient: Patient, scanner: Scanner, sequence: Sequence, number: int, images: Path, rng: np.random.Generator
) -> list[Annotation]:
    planes = [paint_sagittal(patient, scanner.plane, offset, sequence) for offset in slice_offsets(scanner)]
    pixels = np.stack([acquire(signal, mottling(instances), scanner, rng) for signal, instances in planes])
    owner = Owner(patient.identifier, patient.years, "CSPINE")
    files = write_sagittal(pixels, scanner, sequence, number, owner, images / patient.identifier, rng)
    return [
        Annotation(
            file.relative_to(images).as_posix(),
            boxes=tuple(_boxes(patient, instances)),
            patient=patient.identifier,
            sequence=sequence.name,
            size=(instances.shape[0], instances.shape[1]),
        )
        for file, (_, instances) in zip(files, planes, strict=True)
    ]


def _boxes(patient: Patient, instances: np.ndarray) -> list[Box]:
    """The injured disc, and the lesion of the cord twice: as an injury and by its kind."""
    boxes = [
        Box("disc", *bounds(instances == DISC + i), level=_name(i))
        for i, disc in enumerate(patient.discs)
        if disc.injured and (instances == DISC + i).any()
    ]
    lesion = instances == LESION
    if patient.lesion and min(lesion.any(axis=0).sum(), lesion.any(axis=1).sum()) >= _LEAST:
        around = bounds(lesion)
        boxes += [Box("injury", *around, values={"type": patient.lesion.kind}), Box(patient.lesion.kind, *around)]
    return boxes


def _with_labels(annotation: Annotation, labels: tuple[str, ...]) -> Annotation:
    boxes = tuple(box for box in annotation.boxes if box.label in labels)
    return replace(annotation, boxes=boxes)


def _row(patient: Patient) -> dict[str, object]:
    injured = [_name(i) for i, disc in enumerate(patient.discs) if disc.injured]
    return {
        "patient_id": patient.identifier,
        "years": patient.years,
        "disc": injured[0] if injured else "",
        "cord": patient.lesion.kind if patient.lesion else "",
    }


def _name(disc: int) -> str:
    """The bodies that a disc lies between, such as C5/C6."""
    return f"{LEVELS[disc]}/{LEVELS[disc - 1]}"
