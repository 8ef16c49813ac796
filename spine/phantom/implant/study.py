"""Write the implant phantom as its study has its data: three sources, and the records that a detector was trained on.

    xray/images/<patient>/IM0001.dcm ...        frontal and lateral radiographs, CR
    mri/images/<patient>/t2/IM0001.dcm ...      sagittal T2W series
    scoliosis/images/<patient>.png              frontal radiographs of the whole spine
    <source>/labels.csv                         image, patient, view, finding (Lum, sco or nothing), box of the spine
    records/label_map.pbtxt                     Lum is 1, sco is 2
    records/<split>.tfrecord-00000-of-00001     boxes of the findings; of an MR study its two or three middle slices
    phantom.json                                settings, fingerprints

The records state a split of 70/15/15 within each source; `image/sequence` names the source.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import pandas as pd

from spine.annotations import Annotation, write_annotations
from spine.core.progress import track
from spine.images.dicom.write_plain import PlainImage, write_image
from spine.phantom.implant.patient import FINDINGS, Patient, draw_patient
from spine.phantom.implant.pictures import Picture, take_films, take_study
from spine.phantom.sequences import SEQUENCES
from spine.phantom.series import Owner, write_sagittal
from spine.phantom.settings import ImplantSettings

__all__ = ["write_studies"]

_SPLITS = ("train",) * 14 + ("validation",) * 3 + ("test",) * 3  # of twenty patients of a source
_COLUMNS = ("image", "patient", "view", "finding", "xmin", "ymin", "xmax", "ymax")


def write_studies(settings: ImplantSettings, directory: Path) -> dict[str, object]:
    """Write the pictures of all patients; phantom.json tells nothing more of them."""
    rows: dict[str, list[tuple[object, ...]]] = {"xray": [], "mri": [], "scoliosis": []}
    records: list[tuple[Annotation, np.ndarray]] = []
    met: dict[str, int] = defaultdict(int)
    for index in track(range(settings.patients), "generating phantom studies"):
        rng = np.random.default_rng([settings.seed, index])
        patient = draw_patient(index, rng, settings)
        folder = directory / patient.source / "images"
        folder.mkdir(parents=True, exist_ok=True)
        pictures = _write_patient(patient, rng, settings, folder)
        rows[patient.source] += [_row(patient, name, picture) for name, picture in pictures]
        split = _SPLITS[7 * met[patient.source] % len(_SPLITS)]  # 7: spread over the twenty
        met[patient.source] += 1
        some = _middle(pictures, 2 + index // 4 % 2) if patient.source == "mri" else pictures
        records += [(_record(patient, name, picture, split), picture.pixels) for name, picture in some]
    for source, table in rows.items():
        if table:
            pd.DataFrame(table, columns=_COLUMNS).to_csv(directory / source / "labels.csv", index=False)
    _write_records(records, directory / "records")
    return {}


def _write_records(records: Sequence[tuple[Annotation, np.ndarray]], folder: Path) -> None:
    """The records' writer takes pictures from files, and of the formats that the API decodes."""
    with TemporaryDirectory() as scratch:
        for annotation, pixels in records:
            path = Path(scratch) / annotation.image
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), pixels if pixels.dtype == np.uint16 else _grey(pixels))
        annotations = [annotation for annotation, _ in records]
        write_annotations("tfrecord", annotations, folder, images=Path(scratch), labels=FINDINGS)


def _grey(brightness: np.ndarray) -> np.ndarray:
    """Brightness 0 to 1 as 8 bits."""
    return np.rint(brightness * 255).astype(np.uint8)


def _write_patient(
    patient: Patient, rng: np.random.Generator, settings: ImplantSettings, folder: Path
) -> list[tuple[str, Picture]]:
    """Write one patient's pictures; gives each with its name in `folder`."""
    if patient.source == "mri":
        study = take_study(patient, rng, settings)
        pixels = np.stack([picture.pixels for picture in study.pictures])
        owner = Owner(patient.identifier, patient.years, "LSPINE")
        place = folder / patient.identifier
        files = write_sagittal(pixels, study.scanner, SEQUENCES["t2"], 2, owner, place, rng)
    else:
        films = take_films(patient, rng, settings)
        files = [_write_film(patient, film, number, folder) for number, film in enumerate(films, start=1)]
        return [(file.relative_to(folder).as_posix(), film) for file, film in zip(files, films, strict=True)]
    return [(file.relative_to(folder).as_posix(), one) for file, one in zip(files, study.pictures, strict=True)]


def _write_film(patient: Patient, film: Picture, number: int, folder: Path) -> Path:
    if patient.source == "scoliosis":
        path = folder / f"{patient.identifier}.png"
        cv2.imwrite(str(path), _grey(film.pixels))
        return path
    path = folder / patient.identifier / f"IM{number:04d}.dcm"
    position = {"frontal": "AP", "lateral": "LL"}[film.view]
    names = ("CR", patient.identifier, "1", number, number, f"L-spine {position}", "LSPINE", patient.years)
    image = PlainImage(
        *names, window=(2048, 4096), tags={"ViewPosition": position, "ImageType": ["ORIGINAL", "PRIMARY"]}
    )
    write_image(np.rint(film.pixels * 4095).astype(np.uint16), image, path)
    return path


def _row(patient: Patient, name: str, picture: Picture) -> tuple[object, ...]:
    return (name, patient.identifier, picture.view, patient.finding, *picture.spine)


def _record(patient: Patient, name: str, picture: Picture, split: str) -> Annotation:
    image = PurePosixPath(patient.source, name).with_suffix(".png")
    return Annotation(image.as_posix(), picture.boxes, patient=patient.identifier, sequence=patient.source, split=split)


def _middle(pictures: Sequence[tuple[str, Picture]], count: int) -> Sequence[tuple[str, Picture]]:
    first = (len(pictures) - count) // 2
    return pictures[first : first + count]
