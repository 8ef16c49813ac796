"""COCO JSON: `images`, `categories` and `annotations` with `bbox` as x, y, width, height in 0-based pixels.

Beyond the standard keys an image may tell `patient_id`, `sequence`, `split` and `labels` (target -> value), a box its
`level` and `attributes` (target -> value, as CVAT writes them). `segmentation` (polygons, RLE) is not read, and crowd
regions (`iscrowd`) are left out; a warning says how many. Format: https://cocodataset.org/#format-data
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from spine.annotations.collector import Collector, need, parse_json, size_of, texts
from spine.annotations.sources import image_name, source_files, split_named, split_of
from spine.annotations.types import Annotation, Box, Malformed, Reading, UnknownClass, value_text
from spine.files import write_json

__all__ = ["read", "write"]


def read(
    path: Path,
    *,
    labels: Collection[str] | None = None,
    images: Path | None = None,
    patient: str = "patient_id",
    sequence: str = "sequence",
) -> Reading:
    """Read a COCO file, or a folder of them (`train/_annotations.coco.json`, ... as Roboflow exports).

    `patient` and `sequence` are the keys of an image that tell them. Two images of one name and different sizes are
    settled by the picture in `images`, where that is given.
    """
    collector = Collector(labels, images)
    for file, folder in source_files(path, ".json"):
        with collector.guard(file):
            _read_file(collector, file, folder, patient, sequence)
    return collector.reading()


def _read_file(collector: Collector, file: Path, folder: PurePath, patient: str, sequence: str) -> None:
    content = parse_json(file)
    records = {key: need(content, key, list) for key in ("images", "categories", "annotations")}
    names = _by_id(collector, file, "categories", records["categories"], "name")
    images = _by_id(collector, file, "images", records["images"], "file_name")
    boxes, refused = _boxes(collector, file, records["annotations"], names, images)
    for identity, (where, record) in images.items():
        with collector.guard(where, nameless=True):
            image = image_name(str(record["file_name"]), folder)
            found = Annotation(
                image,
                tuple(boxes.get(identity, ())),
                labels=texts(record.get("labels")),
                patient=value_text(record.get(patient)),
                sequence=value_text(record.get(sequence)),
                split=split_named(value_text(record.get("split"))) or split_of(image),
                size=size_of(record.get("height"), record.get("width")),
                refused=tuple(refused.get(identity, ())),
            )
            collector.add(where, found)


def _by_id(collector: Collector, file: Path, kind: str, records: list[Any], key: str) -> dict[Any, tuple[str, Any]]:
    """Records by their `id`, each with the place that problems name; those without `key` are left out."""
    found: dict[Any, tuple[str, Any]] = {}
    for number, record in enumerate(records):
        where = f"{file}: {kind}[{number}]"
        with collector.guard(where, nameless=kind == "images"):
            identity = need(record, "id", (int, float, str))
            need(record, key, (str, int))
            if identity in found:
                raise Malformed(f"has the id {identity!r} of {found[identity][0]}", "give each record an id of its own")
            found[identity] = (where, record)
    return found


def _boxes(
    collector: Collector, file: Path, records: list[Any], names: Mapping[Any, Any], images: Mapping[Any, Any]
) -> tuple[dict[Any, list[Box]], dict[Any, list[str]]]:
    """The boxes of each image by its id, and why others of it do not count."""
    found: dict[Any, list[Box]] = defaultdict(list)
    refused: dict[Any, list[str]] = defaultdict(list)
    crowds = segments = 0
    for number, record in enumerate(records):
        where = f"{file}: annotations[{number}]"
        with collector.guard(where, nameless=True):
            image = need(record, "image_id", (int, float, str))
            if image not in images:
                raise Malformed(f"names the image_id {image!r}, which `images` lacks")
            where = f"{where} of {images[image][1]['file_name']}"
            if record.get("iscrowd"):
                crowds += 1
                refused[image].append("a crowd region")
                continue
            segments += bool(record.get("segmentation"))
            with collector.guard(where, refused[image]):
                found[image].append(_box(collector, record, names))
    if crowds or segments:
        unread = {"segmentations": segments, "crowd regions": crowds}
        told = " and ".join(f"{count} {what}" for what, count in unread.items() if count)
        collector.warn(
            file,
            f"{told} were not read; boxes were",
            "give masks as PNG or TIFF of class indices (format mask) where they are needed",
        )
    return found, refused


def _box(collector: Collector, record: Mapping[str, Any], names: Mapping[Any, Any]) -> Box:
    category = need(record, "category_id", (int, float, str))
    if category not in names:
        raise UnknownClass(f"names the category_id {category!r}, which `categories` lacks")
    name = str(names[category][1]["name"])
    if not name.strip():
        raise UnknownClass(f"names the category_id {category!r}, whose name is empty", "name it in `categories`")
    bbox = need(record, "bbox", list)
    try:
        x, y, width, height = (float(value) for value in bbox)
    except (TypeError, ValueError, OverflowError) as error:
        raise Malformed(f"bbox is {bbox!r}; it holds four numbers: x, y, width, height") from error
    corners = (x, y, x + width, y + height)
    return collector.box(name, corners, value_text(record.get("level")), texts(record.get("attributes")))


def write(annotations: Iterable[Annotation], path: Path, *, labels: Sequence[str] = ()) -> None:
    """Write one COCO file; categories are numbered from 1 in the order of `labels`, then of appearance.

    It cannot hold masks. Levels, values, patients and splits are written as the extra keys named above.
    """
    annotations = tuple(annotations)
    names = tuple(dict.fromkeys([*labels, *(box.label for found in annotations for box in found.boxes)]))
    boxes = [(number, box) for number, found in enumerate(annotations, start=1) for box in found.boxes]
    content = {
        "images": [_image_record(number, found) for number, found in enumerate(annotations, start=1)],
        "categories": [{"id": number, "name": name} for number, name in enumerate(names, start=1)],
        "annotations": [
            {"id": number, "image_id": image, "category_id": names.index(box.label) + 1, **_box_record(box)}
            for number, (image, box) in enumerate(boxes, start=1)
        ],
    }
    write_json(content, path)


def _image_record(number: int, annotation: Annotation) -> dict[str, Any]:
    told = {
        "patient_id": annotation.patient,
        "sequence": annotation.sequence,
        "split": annotation.split,
        "labels": dict(annotation.labels),
    }
    size = {"height": annotation.size[0], "width": annotation.size[1]} if annotation.size else {}
    return {"id": number, "file_name": annotation.image, **size, **{key: value for key, value in told.items() if value}}


def _box_record(box: Box) -> dict[str, Any]:
    width, height = box.x1 - box.x0, box.y1 - box.y0
    told = {"level": box.level, "attributes": dict(box.values)}
    return {
        "bbox": [box.x0, box.y0, width, height],
        "area": width * height,
        "iscrowd": 0,
        **{key: value for key, value in told.items() if value},
    }
