"""Write phantom studies and what is true of them, as a hospital's export and a reader's annotations would be.

    studies/<patient>/<series>/IM0001.dcm ...   sagittal T2W or T2*W; T1W and axial T2W for some
    annotations.coco.json                       boxes of lumbar_region, disc and vertebra
    discs.csv                                   one row a disc and picture: its box and its grades
    masks/<patient>/<series>/IM0001.png         class indices: 0 background, 1 vertebra, 2 disc, 3 canal
    phantom.json                                settings, the middle slice of each patient, fingerprints

The mid-sagittal slice and its two neighbours are annotated, named as in `studies/` ("ph001/t2/IM0006.dcm").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from spine.dicom.write import SAGITTAL, MRSeries, write_mr_series
from spine.files import atomic_directory, fingerprint, hash_file, read_json, write_json
from spine.phantom.paint import BODY, CANAL, DISC, paint_axial, paint_sagittal
from spine.phantom.patient import Patient, draw_patient
from spine.phantom.scanner import Scanner, acquire, draw_scanner
from spine.phantom.sequences import AXIAL, SEQUENCES, Sequence
from spine.phantom.settings import PhantomSettings
from spine.problems import SpineError

__all__ = ["CATEGORIES", "MASK_LABELS", "write_phantom"]

CATEGORIES = ("lumbar_region", "disc", "vertebra")  # category_id is the index + 1
MASK_LABELS = ("vertebra", "disc", "canal")  # index i names value i + 1
_VERSION = 1  # raise it when equal settings give other bytes
_CARD = "phantom.json"
_GRADES = ("pfirrmann", "herniation", "bulging", "narrowing")


@dataclass(frozen=True)
class _Picture:
    """One annotated slice."""

    name: str  # relative to studies/
    patient: Patient
    sequence: str
    instances: np.ndarray

    def boxes(self) -> dict[int, tuple[int, int, int, int]]:
        """Instance number of each visible body and disc -> x0, y0, x1, y1, half-open pixels."""
        found = (int(value) for value in np.unique(self.instances) if value >= BODY)
        return {value: _box(self.instances == value) for value in found}


def write_phantom(settings: PhantomSettings, directory: Path) -> Path:
    """`spine.phantom.generate`: write the studies, or keep the unchanged copy that is there; gives the directory."""
    directory = Path(directory)
    wanted = fingerprint([_VERSION, settings.model_dump(mode="json")])
    if _is_current(directory, wanted):
        return directory
    with atomic_directory(directory) as temporary:
        pictures: list[_Picture] = []
        for index in _progress(settings.patients):
            pictures += _write_patient(index, settings, temporary / "studies")
        _write_annotations(pictures, temporary)
        middle = {picture.patient.identifier: picture.name for picture in pictures[1::3]}
        marks = {"settings_hash": wanted, "content_hash": _content_hash(temporary)}
        write_json({**marks, "settings": settings.model_dump(mode="json"), "middle": middle}, temporary / _CARD)
    return directory


def _is_current(directory: Path, wanted: str) -> bool:
    if not directory.exists() or not any(directory.iterdir()):
        return False
    if not (directory / _CARD).is_file():
        raise SpineError(f"{directory} holds files but no {_CARD}; give the phantom a directory of its own")
    card = read_json(directory / _CARD)
    return card["settings_hash"] == wanted and card["content_hash"] == _content_hash(directory)


def _content_hash(directory: Path) -> str:
    files = sorted(path for path in directory.rglob("*") if path.is_file() and path.name != _CARD)
    return fingerprint([(path.relative_to(directory).as_posix(), hash_file(path)) for path in files])


def _progress(patients: int) -> Iterator[int]:
    from rich.progress import track

    yield from track(range(patients), description="Generating phantom studies", transient=True)


def _write_patient(index: int, settings: PhantomSettings, studies: Path) -> list[_Picture]:
    """Write one patient's series; gives the middle slice of the main one between its neighbours."""
    rng = np.random.default_rng([settings.seed, index])
    patient = draw_patient(f"ph{index + 1:03d}", rng, settings.difficulty)
    scanner = draw_scanner(patient, rng, settings)
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
        _Picture(files[i].relative_to(studies).as_posix(), patient, main.name, _whole(instances[i]))
        for i in (middle - 1, middle, middle + 1)
    ]


def _whole(instances: np.ndarray) -> np.ndarray:
    """Each body and disc as one 8-connected component: of one that the picture's edge cuts in two, the larger part."""
    kept = instances.copy()
    for value in np.unique(instances[instances >= BODY]):
        _, parts, statistics, _ = cv2.connectedComponentsWithStats((instances == value).astype(np.uint8))
        largest = 1 + np.argmax(statistics[1:, cv2.CC_STAT_AREA])
        kept[(parts > 0) & (parts != largest)] = 0
    return kept


def _write_sagittal(
    patient: Patient, scanner: Scanner, sequence: Sequence, number: int, folder: Path, rng: np.random.Generator
) -> tuple[list[Path], list[np.ndarray]]:
    steps = np.arange(scanner.slices) - scanner.slices // 2
    planes = [paint_sagittal(patient, scanner.plane, scanner.offset + scanner.gap * step, sequence) for step in steps]
    pixels = np.stack([acquire(signal, found, patient, scanner, rng) for signal, found in planes])
    orientation = _oblique(scanner.oblique)
    plane, normal = scanner.plane, np.cross(*orientation)
    # The foot of the spine lies near the scanner's origin.
    foot = plane.foot[0] * orientation[0] + plane.foot[1] * orientation[1]
    first = rng.normal(0, 15, 3) - foot + steps[0] * scanner.gap * normal
    series = _series(patient, scanner, sequence, number, pixels, orientation, first)
    order = list(range(scanner.slices))
    if scanner.interleaved:
        order = order[0::2] + order[1::2]
    return write_mr_series(pixels, series, folder / sequence.folder, order), [found for _, found in planes]


def _write_axial(patient: Patient, scanner: Scanner, folder: Path, rng: np.random.Generator) -> None:
    signal = paint_axial(patient, (128, 160), 1.6, AXIAL)
    nothing = np.zeros(signal.shape, np.uint8)
    pixels = np.stack([acquire(signal, nothing, patient, scanner, rng) for _ in range(5)])
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


def _write_annotations(pictures: list[_Picture], directory: Path) -> None:
    for picture in pictures:
        _write_mask(picture, directory / "masks")
    write_json(_coco(pictures), directory / "annotations.coco.json")
    rows = [row for picture in pictures for row in _disc_rows(picture)]
    pd.DataFrame(rows).to_csv(directory / "discs.csv", index=False)


def _write_mask(picture: _Picture, masks: Path) -> None:
    classes = np.zeros(256, np.uint8)
    classes[BODY:DISC], classes[DISC:], classes[CANAL] = 1, 2, 3
    path = masks / Path(picture.name).with_suffix(".png")
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), classes[picture.instances])


def _coco(pictures: list[_Picture]) -> dict[str, object]:
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for image_id, picture in enumerate(pictures, start=1):
        height, width = picture.instances.shape
        images.append(
            {
                **{"id": image_id, "file_name": picture.name, "width": width, "height": height},
                **{"patient_id": picture.patient.identifier, "sequence": picture.sequence},
            }
        )
        region = _box(picture.instances >= BODY)
        boxes = [(1, region), *((2 if value >= DISC else 3, box) for value, box in picture.boxes().items())]
        for category, (x0, y0, x1, y1) in boxes:
            bbox = [x0, y0, x1 - x0, y1 - y0]
            entry = {"id": len(annotations) + 1, "image_id": image_id, "category_id": category, "bbox": bbox}
            annotations.append({**entry, "area": bbox[2] * bbox[3], "iscrowd": 0})
    categories = [{"id": i, "name": name} for i, name in enumerate(CATEGORIES, start=1)]
    return {"images": images, "annotations": annotations, "categories": categories}


def _disc_rows(picture: _Picture) -> Iterator[dict[str, object]]:
    """One row a visible disc; the grades of one that the picture's edge cuts stay empty."""
    height, width = picture.instances.shape
    for value, (x0, y0, x1, y1) in picture.boxes().items():
        if value < DISC:
            continue
        disc = picture.patient.discs[value - DISC]
        whole = min(x0, y0) > 0 and x1 < width and y1 < height
        yield {
            **{"image": picture.name, "patient_id": picture.patient.identifier, "sequence": picture.sequence},
            **{"ivd_level": disc.level, "xmin": x0, "ymin": y0, "xmax": x1, "ymax": y1},
            **{name: int(getattr(disc, name)) if whole else "" for name in _GRADES},
        }


def _box(mask: np.ndarray) -> tuple[int, int, int, int]:
    """The smallest x0, y0, x1, y1 (half-open pixels) around what is true."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
