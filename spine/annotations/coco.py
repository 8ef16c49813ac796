"""COCO JSON: `images`, `categories` and `annotations` with `bbox` as x, y, width, height in 0-based pixels.

Beyond the standard keys an image may tell `patient_id`, `sequence`, `split` and `labels` (target -> value), a box its
`level` and `attributes` (target -> value, as CVAT writes them). Of a `segmentation` (polygons, RLE) only the bounds are
read, where an object has no `bbox`, and crowd regions (`iscrowd`) are left out; a warning says how many.
Format: https://cocodataset.org/#format-data
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from spine.annotations.coco_records import Record, Records, identity_of
from spine.annotations.coco_segmentation import bounds
from spine.annotations.collector import Collector
from spine.annotations.grouping import Corners
from spine.annotations.safe_json import brief_repr, need, parse_json
from spine.annotations.sources import image_name, size_of, source_files, split_named, split_of
from spine.annotations.types import Annotation, Box, Malformed, Reading, UnknownClass, known_text
from spine.core.files import write_json
from spine.core.numbers import finite
from spine.core.problems import brief
from spine.core.words import enumerated

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
    images = Records(collector, file, "images", records["images"], "file_name")
    drawn = _Drawn(collector, images, Records(collector, file, "categories", records["categories"], "name"))
    for number, record in enumerate(records["annotations"]):
        drawn.take(f"{file}: annotations[{number}]", record)
    drawn.warn(file)
    for image in images:
        with collector.guard(image.where, nameless=True):
            collector.add(image.where, _annotation(collector, image, folder, drawn, patient, sequence))


def _annotation(
    collector: Collector, image: Record, folder: PurePath, drawn: _Drawn, patient: str, sequence: str
) -> Annotation:
    record = image.content
    name = image_name(str(record["file_name"]), folder)
    return Annotation(
        name,
        tuple(drawn.boxes[image.where]),
        labels=collector.values(image.where, record.get("labels")),
        patient=known_text(record.get(patient)) if patient else "",
        sequence=known_text(record.get(sequence)) if sequence else "",
        split=split_named(known_text(record.get("split"))) or split_of(name),
        size=size_of(record.get("height"), record.get("width")),
        refused=drawn.refused_of(image),
    )


@dataclass
class _Drawn:
    """The boxes of each image of a file by the image's place, and why others of it do not count."""

    collector: Collector
    images: Records
    names: Records
    boxes: dict[str, list[Box]] = field(default_factory=lambda: defaultdict(list))
    refused: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    stray: list[str] = field(default_factory=list)  # why annotations are of no image that is known
    crowds: int = 0
    segments: int = 0
    apart: list[str] = field(default_factory=list)  # boxes that are not those of their segmentation

    def take(self, where: str, record: Any) -> None:
        """Take one annotation."""
        image = None
        with self.collector.guard(where, self.stray, nameless=True):
            image = self._image(record)
        if image is None:
            return
        where = f"{where} of {brief(str(image.content['file_name']), 80)}"
        with self.collector.guard(where, self.refused[image.where]):
            if _flag(record, "iscrowd"):
                self.crowds += 1
                self.refused[image.where].append("a crowd region")
            else:
                self.boxes[image.where].append(self._box(where, record))

    def _image(self, record: Any) -> Record | None:
        identity = identity_of(record, "image_id")
        images = self.images.of(identity)
        if not images:
            raise Malformed(f"names the image_id {brief_repr(record['image_id'])}, which `images` lacks")
        if len(images) == 1:
            return images[0]
        for image in images:
            self.refused[image.where].append(f"{len(images)} images have its id {identity}, and boxes name it")
        return None

    def _box(self, where: str, record: Any) -> Box:
        corners = self._corners(where, record)
        values = self.collector.values(where, record.get("attributes"))
        level = self.collector.values(where, {"level": record.get("level")})
        return self.collector.box(self._name(record), corners, level.get("level", ""), values)

    def _name(self, record: Any) -> str:
        names = {str(one.content["name"]) for one in self.names.of(identity_of(record, "category_id"))}
        fault = f"names the category_id {brief_repr(record['category_id'])}"
        if not names:
            raise UnknownClass(f"{fault}, which `categories` lacks")
        if len(names) > 1:
            raise UnknownClass(f"{fault}, which is that of {enumerated(sorted(names))}", "give each an id of its own")
        if not known_text(*names):
            raise UnknownClass(f"{fault}, whose name is empty", "name it in `categories`")
        return names.pop()

    def _corners(self, where: str, record: Any) -> Corners:
        """Those of `bbox` or, without one, those around the segmentation."""
        self.segments += bool(record.get("segmentation"))
        if not record.get("bbox") and record.get("segmentation"):
            return bounds(record["segmentation"]) or (0, 0, 0, 0)
        bbox = need(record, "bbox", list)
        try:
            x, y, width, height = (finite(value) for value in bbox)
        except ValueError as error:
            raise Malformed(f"bbox is {brief_repr(bbox)}; it holds four numbers: x, y, width, height") from error
        corners = (x, y, x + width, y + height)
        with suppress(Malformed):  # the box is told, whatever its segmentation
            if _differ(corners, bounds(record.get("segmentation"))):
                self.apart.append(where)
        return corners

    def refused_of(self, image: Record) -> tuple[str, ...]:
        """Why boxes of an image do not count; of one without any, those of unknown images may be."""
        reasons = tuple(self.refused[image.where])
        if self.boxes[image.where] or not self.stray:
            return reasons
        return (*reasons, f"{len(self.stray)} annotations name no image, and may be of this one: {self.stray[0]}")

    def warn(self, file: Path) -> None:
        """Warn of what was not read, and of what is told twice in different ways."""
        unread = {"segmentations": self.segments, "crowd regions": self.crowds}
        left_out = enumerated(f"{count} {what}" for what, count in unread.items() if count)
        if left_out:
            self.collector.warn(
                file,
                f"{left_out} were not read; boxes were",
                "give masks as PNG or TIFF of class indices (format mask) where they are needed",
            )
        if self.apart:
            more = f" (and those of {len(self.apart) - 1} more)" if len(self.apart) > 1 else ""
            reason = f"bbox and segmentation lie apart{more}; bbox was read"
            self.collector.warn(self.apart[0], reason, "see which is right: bbox holds x, y, width, height")


def _flag(record: Any, key: str) -> bool:
    """Whether a record sets a flag, as 1, true or their text; Malformed where it is neither that nor 0."""
    text = known_text(record.get(key)).lower()
    if text not in ("", "0", "1", "true", "false"):
        raise Malformed(f"{key!r} holds {text!r}; it is 0 or 1")
    return text in ("1", "true")


def _differ(bbox: Corners, around: Corners | None) -> bool:
    """Whether two boxes of one object are further apart than rounding: by two pixels, or a tenth of the box."""
    if around is None:
        return False
    width, height = bbox[2] - bbox[0], bbox[3] - bbox[1]
    room = (max(2, width / 10), max(2, height / 10)) * 2
    return any(abs(one - other) > most for one, other, most in zip(bbox, around, room, strict=True))


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
    optional = {
        "patient_id": annotation.patient,
        "sequence": annotation.sequence,
        "split": annotation.split,
        "labels": dict(annotation.labels),
    }
    size = {"height": annotation.size[0], "width": annotation.size[1]} if annotation.size else {}
    return {
        "id": number,
        "file_name": annotation.image,
        **size,
        **{key: value for key, value in optional.items() if value},
    }


def _box_record(box: Box) -> dict[str, Any]:
    width, height = box.x1 - box.x0, box.y1 - box.y0
    optional = {"level": box.level, "attributes": dict(box.values)}
    return {
        "bbox": [box.x0, box.y0, width, height],
        "area": width * height,
        "iscrowd": 0,
        **{key: value for key, value in optional.items() if value},
    }
