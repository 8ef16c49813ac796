"""The public SPIDER release of lumbar MR volumes, read as annotations of its mid-sagittal slices.

    <release>/images/1_t2.mha, 1_t1.mha, 1_t2_SPACE.mha, ...
    <release>/masks/1_t2.mha, ...          1-25 vertebrae (101-125 partly visible ones), 100 canal, 201-225 discs
    <release>/radiological_gradings.csv    a row a patient's disc; IVD label 1 is the lowest, L5/S1

van der Graaf et al., "Lumbar spine segmentation in MR images", Scientific Data 2024;11:264, Zenodo record 10159290.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from spine.annotations.types import Annotation, Box, Malformed, Reading, known_text, value_text
from spine.core.files import walk
from spine.core.names import stem_of
from spine.core.problems import Problem, SpineError, one_file
from spine.images.pictures import write_mask
from spine.images.volumes import read_volume, sagittal_masks

__all__ = ["MASK_LABELS", "read_release"]

MASK_LABELS = ("vertebra", "disc", "canal")
GRADES = {
    "modic": "modic",
    "up endplate": "upper_endplate",
    "low endplate": "lower_endplate",
    "spondylolisthesis": "spondylolisthesis",
    "disc herniation": "herniation",
    "disc narrowing": "narrowing",
    "disc bulging": "bulging",
    "pfirrman grade": "pfirrmann",
}  # heading in lower case -> our name
CANAL, DISC, LAST = 100, 200, 225  # discs are DISC + level
SUFFIXES = (".mha", ".nii.gz", ".nii")

Grades = Mapping[tuple[str, str], Mapping[str, str]]  # (patient, level) -> name -> value


def read_release(
    path: Path, slices: int | None, scratch: Path, *, gradings: str = "radiological_gradings.csv", min_area: int = 20
) -> Reading:
    """Annotations of the `slices` slices nearest the middle (None: every one) of each volume in `path`/masks.

    Gives masks (files in `scratch`), a box for each vertebra and disc of at least `min_area` pixels, discs with level
    and grades, and their union as `lumbar_region`. Images are named as `read_images` names slices of `path`/images:
    "1_t2.mha#7". SpineError where the folder is no release.
    """
    masks = _volumes(path / "masks")
    if not masks:
        raise SpineError(f"{path / 'masks'} holds no .mha volume; give the folder that holds images/ and masks/")
    grades, problems = _read_grades(path / gradings)
    annotations: list[Annotation] = []
    for file in masks:
        try:
            with one_file(file):
                annotations += _of_volume(file, slices, scratch, grades, min_area)
        except SpineError as error:
            problems.append(Problem(str(file), str(error), "unpack the release again; the other volumes go on"))
    problems += _without_mask(path, {file.name for file in masks})
    return Reading(tuple(annotations), tuple(problems))


def class_mask(labels: np.ndarray) -> np.ndarray:
    """Index of MASK_LABELS plus 1, (H, W) uint8, from SPIDER's instance labels (H, W); 0 is background."""
    classes = np.zeros(labels.shape, np.uint8)
    classes[((labels > 0) & (labels < CANAL)) | ((labels > CANAL) & (labels <= CANAL + 25))] = 1
    classes[(labels > DISC) & (labels <= LAST)] = 2
    classes[labels == CANAL] = 3
    return classes


def _of_volume(file: Path, slices: int | None, scratch: Path, grades: Grades, min_area: int) -> Iterator[Annotation]:
    stem = stem_of(file)
    patient, _, sequence = stem.partition("_")
    for k, labels in sagittal_masks(read_volume(file), slices).items():
        target = scratch / f"{file.name}_{k}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        write_mask(class_mask(labels), target)
        yield Annotation(
            f"{file.name}#{k}",
            tuple(_boxes(labels, patient, grades, min_area)),
            mask=target,
            mask_labels=MASK_LABELS,
            patient=patient,
            sequence=sequence,
            size=(labels.shape[0], labels.shape[1]),
        )


def _boxes(labels: np.ndarray, patient: str, grades: Grades, min_area: int) -> Iterator[Box]:
    instances, areas = np.unique(labels, return_counts=True)
    found = [int(value) for value, area in zip(instances, areas, strict=True) if area >= min_area]
    bones = [value for value in found if 0 < value <= CANAL + 25 and value != CANAL]
    discs = [value for value in found if DISC < value <= LAST]
    if bones or discs:
        yield Box("lumbar_region", *_corners(np.isin(labels, [*bones, *discs])))
    for value in bones:
        yield Box("vertebra", *_corners(labels == value), level=str(value % CANAL))
    for value in discs:
        level = str(value - DISC)
        yield Box("disc", *_corners(labels == value), level=level, values=grades.get((patient, level), {}))


def _corners(region: np.ndarray) -> tuple[float, float, float, float]:
    rows, columns = np.nonzero(region.any(axis=1))[0], np.nonzero(region.any(axis=0))[0]
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def _read_grades(path: Path) -> tuple[Grades, list[Problem]]:
    grades: dict[tuple[str, str], dict[str, str]] = {}
    if not path.is_file():
        return grades, [Problem(str(path), "is missing: discs have no grades", "copy it beside masks/", "warning")]
    with one_file(path), path.open(newline="", encoding="utf-8-sig") as stream:
        rows = [{str(key).strip().lower(): value for key, value in row.items()} for row in csv.DictReader(stream)]
    lacking = {"patient", "ivd label", *GRADES} - set(rows[0] if rows else ())
    if lacking:
        raise SpineError(f"{path} lacks the columns {', '.join(sorted(lacking))}; take the release's own table")
    problems = []
    for number, row in enumerate(rows, start=2):
        disc = (known_text(row["patient"]), known_text(row["ivd label"]))
        values = {}
        for heading, name in GRADES.items():
            try:
                values[name] = value_text(row[heading])
            except Malformed as error:
                problems.append(Problem(f"{path}: line {number}, {heading}", str(error), error.advice))
        values = {key: value for key, value in values.items() if value}
        if grades.setdefault(disc, values) != values:
            reason = f"grades disc {disc[1]} of patient {disc[0]} twice, and differently; the first row was kept"
            problems.append(Problem(str(path), reason, "settle which row is right, and remove the other"))
    return grades, problems


def _without_mask(path: Path, masks: set[str]) -> list[Problem]:
    return [
        Problem(str(file), "has no mask, so no boxes and grades", "leave it, or add masks/" + file.name, "warning")
        for file in _volumes(path / "images")
        if file.name not in masks
    ]


def _volumes(folder: Path) -> list[Path]:
    return [file for file in walk(folder).files if file.parent == folder and file.name.endswith(SUFFIXES)]
