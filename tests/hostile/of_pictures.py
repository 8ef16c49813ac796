"""Readers of pictures and of annotations, through `build`, `read_images` and `read_annotations`."""

from __future__ import annotations

import hashlib
import math
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import SimpleITK as sitk
import yaml

from spine.annotations import Annotation, Box, read_annotations, write_annotations
from spine.core.files import hash_file
from spine.core.problems import SpineError
from spine.core.strict import validate
from spine.dataset.manifest import Manifest, rows
from spine.intake import DataConfig, build
from spine.intake.reading import read_images
from tests.csv_rows import csv_rows
from tests.hostile.readers import Found, Reader
from tests.hostile.samples import HEIGHT, PATIENTS, PICTURES, WIDTH, write_png

__all__ = ["ANNOTATIONS", "OF_PICTURES", "built", "config_of", "one_draw"]

_LABELS = ("bone", "disc")
_ALL_TRAIN = {"train": 1.0, "validation": 0.0, "test": 0.0}


def config_of(folder: Path, annotations: tuple[Mapping[str, Any], ...] = (), **source: Any) -> dict[str, Any]:
    """The data config of the pictures in `folder/images`; paths of annotations are below the folder."""
    told = [{**one, "path": str(folder / one["path"])} for one in annotations]
    one = {"name": "s", "images": str(folder / "images"), "pseudonymise": False, "patient": "(p[0-9])", **source}
    return {
        "name": "hostile",
        "output": str(folder / "built"),
        "sources": [{**one, "annotations": told}],
        "splits": _ALL_TRAIN,
    }


def built(config: DataConfig) -> Found:
    """What `build` makes of a config; where it ends in an error, the problems that it lists are told as well."""
    listed = config.output.with_name(f"{config.output.name}.build") / "problems.csv"
    try:
        result = build(config, force=True)
    except SpineError as error:
        told = [f"{row['path']}: {row['reason']}" for row in csv_rows(listed)] if listed.exists() else []
        return Found((str(error), *told))
    manifest = Manifest.read(config.output)
    pictures = {sample: hash_file(manifest.image_path(sample)) for sample in manifest.images["sample"]}
    problems = tuple(f"{problem.path}: {problem.reason}" for problem in result.problems)
    flat = frozenset(sample for sample in pictures if not np.ptp(cv2.imread(str(manifest.image_path(sample)), -1)))
    return Found(problems, pictures, manifest.data_hash, _wrong(manifest), flat)


def _wrong(manifest: Manifest) -> str:
    """What a dataset should not hold: a label that is no number, or a box that lies nowhere."""
    for row in rows(manifest.labels):
        if row["value"].strip().lower().lstrip("+-") in ("nan", "inf", "infinity", "1e999"):
            return f"the value {row['value']!r} became a label"
    corners = manifest.boxes[["x0", "y0", "x1", "y1"]].to_numpy(float)
    if len(corners) and not (np.isfinite(corners).all() and (corners >= 0).all()):
        return f"boxes reach from {corners.min()} to {corners.max()}"
    return ""


def _built(folder: Path, **options: Any) -> Found:
    with one_draw():
        return built(validate(DataConfig, config_of(folder, **options), "the config of the test"))


@contextmanager
def one_draw() -> Iterator[None]:
    """Have splits drawn once, not 500 times, which takes a quarter of a build: all patients are train in each draw."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spine.dataset.splits.DRAWS", 1)
        yield


def _images(folder: Path, **options: Any) -> Found:
    images = read_images(folder / "images", **options)
    pixels = {one.name: one.pixels for one in images}
    pictures = {name: hashlib.sha256(one.tobytes()).hexdigest() + str(one.shape) for name, one in pixels.items()}
    flat = frozenset(name for name, one in pixels.items() if not np.ptp(one))
    return Found(tuple(f"{problem.path}: {problem.reason}" for problem in images.problems), pictures, flat=flat)


def _annotations(folder: Path, format: str, path: str, **options: Any) -> Found:
    options.setdefault("images", folder / "images")
    reading = read_annotations(format, folder / path, **options)
    problems = tuple(f"{problem.path}: {problem.reason}" for problem in reading.problems)
    strange = [box for one in reading.annotations for box in one.boxes if not math.isfinite(box.x0 + box.x1 + box.y0)]
    return Found(
        problems, told=repr(reading.annotations).replace(str(folder), ""), wrong=repr(strange[:1]) if strange else ""
    )


def _pictures_of(name: str) -> Reader:
    suffix, kind, make = PICTURES[name]
    others = PATIENTS[1:]
    ways = (partial(_built, slices=1), partial(_images, slices=None), partial(_built, slices=None))
    seeds = 60 if name.startswith("dicom JPEG") else Reader.seeds  # GDCM's decoders may end the process, but seldom
    return Reader(name, f"images/p1{suffix}", kind, lambda folder: make(folder / "images"), ways, (), others, seeds)


def _file_names(folder: Path) -> None:
    (folder / "images").mkdir(parents=True)
    for number, _ in enumerate(PATIENTS, start=1):
        write_png(folder / "images", number)


OF_PICTURES = [_pictures_of(name) for name in PICTURES]
OF_PICTURES.append(
    Reader(
        "file names",
        "images/p1.png",
        "name",
        _file_names,
        (_built, _images),
        names=("images",),
        others=PATIENTS[1:],
        seeds=24,
    )
)


def _told(number: int) -> Annotation:
    boxes = (
        Box("bone", 2.0, 1.0, 9.0, 8.0, level="1", values={"grade": "3"}),
        Box("disc", 4.0, 10.0, 20.0, 16.0, level="2", values={"grade": str(number)}),
    )
    return Annotation(f"p{number}.png", boxes, patient=f"p{number}", size=(HEIGHT, WIDTH))


def _make(folder: Path, write: Callable[[Path, list[Annotation]], None]) -> None:
    _file_names(folder)
    write(folder, [_told(number) for number in (1, 2, 3)])


def _written(format: str, path: str, **options: Any) -> Callable[[Path, list[Annotation]], None]:
    return lambda folder, annotations: write_annotations(format, annotations, folder / path, **options)


def _yolo(folder: Path, annotations: list[Annotation]) -> None:
    write_annotations("yolo", annotations, folder / "labels", labels=_LABELS)
    for file in (folder / "labels" / "labels").iterdir():
        shutil.move(file, folder / "labels" / file.name)
    (folder / "labels" / "data.yaml").write_text(
        yaml.safe_dump({"names": list(_LABELS), "nc": 2, "train": "../images"})
    )


def _records(folder: Path, annotations: list[Annotation], zipped: bool = False) -> None:
    """The pictures lie in the records: those of the folder are gone."""
    import gzip

    write_annotations("tfrecord", annotations, folder / "records", images=folder / "images", labels=_LABELS)
    shutil.rmtree(folder / "images")
    (folder / "records").rename(folder / "images")
    (file,) = (folder / "images").glob("*.tfrecord-*")
    data = file.read_bytes()
    file.unlink()
    (folder / "images" / "p1.tfrecord").write_bytes(gzip.compress(data, mtime=0) if zipped else data)


def _masks(folder: Path, annotations: list[Annotation], suffix: str = ".png") -> None:
    (folder / "masks").mkdir()
    for number in (1, 2, 3):
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        mask[2:8, 3:9], mask[10:15, 5 + number : 15] = 1, 2
        cv2.imwrite(str(folder / "masks" / f"p{number}{suffix}"), mask)


def _mask_pages(folder: Path, annotations: list[Annotation]) -> None:
    (folder / "masks").mkdir()
    for number in (1, 2, 3):
        pages = np.zeros((2, HEIGHT, WIDTH), np.uint8)
        pages[0, 2:8, 3:9], pages[1, 10:15, 5 + number : 15] = 255, 255
        cv2.imwritemulti(str(folder / "masks" / f"p{number}.tif"), list(pages))


def _release(folder: Path, annotations: list[Annotation]) -> None:
    """A release of SPIDER: volumes, their masks of instances, and grades."""
    shutil.rmtree(folder / "images")
    labels = np.zeros((3, HEIGHT, WIDTH), np.uint16)
    labels[:, 2:8, 2:12], labels[:, 9:14, 2:14], labels[:, 2:18, 16] = 1, 201, 100
    for number in (1, 2, 3):
        for kind, values in (("images", labels + 10 * number), ("masks", labels)):
            volume = sitk.GetImageFromArray(values)
            volume.SetDirection((0, 0, -1, 1, 0, 0, 0, -1, 0))
            (folder / kind).mkdir(exist_ok=True)
            sitk.WriteImage(volume, str(folder / kind / f"p{number}.mha"))
    header = "Patient,IVD label,Modic,UP endplate,LOW endplate,Spondylolisthesis,Disc herniation,Disc narrowing,"
    rows = [f"p{number},1,0,0,1,0,0,{number},1,{number}.0" for number in (1, 2, 3)]
    (folder / "grades.csv").write_text("\n".join([f"{header}Disc bulging,Pfirrman grade", *rows, ""]))


def _folders(folder: Path, annotations: list[Annotation]) -> None:
    for number, label in zip((1, 2, 3), ("ill", "well", "well"), strict=True):
        (folder / "images" / label).mkdir(exist_ok=True)
        (folder / "images" / f"p{number}.png").rename(folder / "images" / label / f"p{number}.png")


def _reader(name: str, victim: str, kind: str, write: Any, one: Mapping[str, Any], **more: Any) -> Reader:
    """A reader of annotations, which are read by themselves and with their pictures."""
    source = {"read": "tfrecord"} if one["format"] == "tfrecord" else {}
    options = {key: value for key, value in one.items() if key not in ("format", "path")}
    alone = partial(_annotations, format=one["format"], path=one["path"], **options)
    ways = (partial(_built, annotations=(one,), **source), alone)
    names = (*more.pop("names", ()), "images/", "p1", "p2.png", "p3.png")
    return Reader(name, victim, kind, partial(_make, write=write), ways, names=names, **more)


def _spider(name: str, victim: str, kind: str, seeds: int) -> Reader:
    one = {"format": "spider", "path": ".", "gradings": "grades.csv"}
    ways = (partial(_built, annotations=(one,), slices=1),)
    return Reader(
        name, victim, kind, partial(_make, write=_release), ways, names=("p1.mha", "p2.mha", "p3.mha"), seeds=seeds
    )


def _segmentations(folder: Path) -> None:
    """Each patient's DICOM slice, and its mask as a segmentation of the same name."""
    from spine.answers.answer import Answer
    from spine.dicom_results.source import Source
    from spine.dicom_results.write import results_of

    PICTURES["dicom native"][2](folder / "images")
    (folder / "seg").mkdir()
    for number, patient in enumerate(PATIENTS, start=1):
        mask = np.zeros((HEIGHT, WIDTH), int)
        mask[2:8, 3:9], mask[10:15, 5 + number : 15] = 1, 2
        answer = Answer("m", "1", HEIGHT, WIDTH, mask=mask, mask_labels=("background", *_LABELS))
        result = results_of(answer, Source(folder / "images" / f"{patient}.dcm"))["segmentation"]
        result.save_as(folder / "seg" / f"{patient}.dcm")


def _segmentation(name: str) -> Reader:
    one = {"format": "dicom-seg", "path": "seg", "labels": list(_LABELS), "boxes": True}
    ways = (partial(_built, annotations=(one,)),)
    names = ("images/", "p1", "p2.dcm", "p3.dcm")
    return Reader(name, "seg/p1.dcm", "dicom", _segmentations, ways, names=names, seeds=24)


_TABLE = {
    **{"format": "table", "path": "boxes.csv", "patient": "patient_id", "level": "level", "label": "label"},
    **{"box": ["xmin", "ymin", "xmax", "ymax"], "targets": ["grade"]},
}
_MASK = {"format": "mask", "path": "masks", "labels": list(_LABELS), "boxes": True}
_YOLO = {"format": "yolo", "path": "labels"}
_RECORDS = {"format": "tfrecord", "path": "images"}
ANNOTATIONS = [
    _reader(
        "coco", "coco.json", "json", _written("coco", "coco.json"), {"format": "coco", "path": "coco.json"}, seeds=22
    ),
    _reader("voc", "voc/p1.xml", "xml", _written("voc", "voc"), {"format": "voc", "path": "voc"}, seeds=18),
    _reader("labelme", "lm/p1.json", "json", _written("labelme", "lm"), {"format": "labelme", "path": "lm"}),
    _reader(
        *("labelme-xml", "lm/p1.xml", "xml", _written("labelme-xml", "lm"), {"format": "labelme-xml", "path": "lm"}),
        seeds=18,
    ),
    _reader("yolo labels", "labels/p1.txt", "words", _yolo, _YOLO, seeds=18),
    _reader("yolo data.yaml", "labels/data.yaml", "yaml", _yolo, _YOLO, seeds=24),
    _reader("mask png", "masks/p1.png", "png", _masks, _MASK, seeds=18),
    _reader("mask tiff", "masks/p1.tif", "tiff", partial(_masks, suffix=".tif"), _MASK, seeds=16),
    _reader("mask pages", "masks/p1.tif", "tiff", _mask_pages, _MASK, seeds=16),
    _reader("table", "boxes.csv", "table", _written("table", "boxes.csv"), _TABLE),
    _reader("folders", "images/ill/p1.png", "png", _folders, {"format": "folders", "path": "images"}, seeds=16),
    _reader("tfrecord", "images/p1.tfrecord", "tfrecord", _records, _RECORDS, seeds=18),
    _reader("tfrecord.gz", "images/p1.tfrecord", "tfrecord.gz", partial(_records, zipped=True), _RECORDS),
    _segmentation("dicom-seg"),
    _spider("spider grades", "grades.csv", "table", 18),
    _spider("spider mask", "masks/p1.mha", "header", 17),
    _reader("label map", "images/label_map.pbtxt", "words", _records, _RECORDS, seeds=18),
]
