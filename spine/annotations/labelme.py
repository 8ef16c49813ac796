"""LabelMe JSON (the desktop tool's): one file an image, shapes in 0-based pixels, of which the bounding box is taken.

Rectangles, polygons and circles are read; points, lines and brushed masks are problems. The image's `flags` become
labels "1" and "0". Extra keys, which the tool keeps: `patient_id` and `sequence` of the image, `attributes` of a shape
(target -> value, and `level`). Format: https://github.com/wkentaro/labelme
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

from spine.annotations.collector import Collector, need, parse_json, read_files, size_of, texts
from spine.annotations.sources import image_name, split_of
from spine.annotations.types import Annotation, Box, Malformed, Reading, value_text
from spine.files import write_json

__all__ = ["read", "write"]


def read(path: Path, *, labels: Collection[str] | None = None, images: Path | None = None) -> Reading:
    """Read a LabelMe JSON file, or all below a folder; folders named train, valid or test tell the split."""
    return read_files(path, ".json", labels, images, _annotation)


def _annotation(collector: Collector, file: Path, folder: PurePath) -> Annotation:
    content = parse_json(file)
    shapes = need(content, "shapes", list)
    image = image_name(need(content, "imagePath", str), folder)
    boxes: list[Box] = []
    refused: list[str] = []
    for number, shape in enumerate(shapes):
        with collector.guard(f"{file}: shapes[{number}]", refused):
            boxes.append(_box(collector, shape))
    return Annotation(
        image,
        tuple(boxes),
        labels=texts(content.get("flags")),
        patient=value_text(content.get("patient_id")),
        sequence=value_text(content.get("sequence")),
        split=split_of(image),
        size=size_of(content.get("imageHeight"), content.get("imageWidth")),
        refused=tuple(refused),
    )


def _box(collector: Collector, shape: Any) -> Box:
    label = str(need(shape, "label", (str, int)))
    points = _points(need(shape, "points", list))
    values = texts(shape.get("attributes"))
    level = values.pop("level", "")
    return collector.box(label, _bounds(shape.get("shape_type", "polygon"), points), level, values)


def _points(raw: list[Any]) -> list[tuple[float, float]]:
    try:
        return [(float(x), float(y)) for x, y in raw]
    except (TypeError, ValueError, OverflowError) as error:
        raise Malformed(f"points is {raw!r}; it holds pairs of numbers x, y") from error


def _bounds(kind: str, points: list[tuple[float, float]]) -> tuple[float, float, float, float]:
    """x0, y0, x1, y1 of a shape; a circle is given by its centre and a point on its edge."""
    if kind not in ("rectangle", "polygon", "circle"):
        raise Malformed(f"shape_type {kind!r} has no bounding box here", "draw a rectangle, a polygon or a circle")
    if len(points) < 2:
        raise Malformed(f"{kind} of {len(points)} points; it needs two or more")
    if kind == "circle":
        (x, y), edge = points[:2]
        radius = math.dist((x, y), edge)
        return x - radius, y - radius, x + radius, y + radius
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def write(annotations: Iterable[Annotation], path: Path) -> None:
    """Write `<path>/<image>.json` for each image, boxes as rectangles, labels "0" and "1" as flags.

    It cannot hold masks, or labels of the whole image with other values than "0" and "1"; a split only as a folder in
    the image's name.
    """
    for annotation in annotations:
        image = PurePosixPath(annotation.image)
        write_json(_content(annotation), path / image.with_suffix(".json"))


def _content(annotation: Annotation) -> dict[str, Any]:
    height, width = annotation.size or (None, None)
    told = {"patient_id": annotation.patient, "sequence": annotation.sequence}
    return {
        "version": "5.5.0",
        "flags": {name: value == "1" for name, value in annotation.labels.items() if value in ("0", "1")},
        "shapes": [_shape(box) for box in annotation.boxes],
        "imagePath": PurePosixPath(annotation.image).name,
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
        **{key: value for key, value in told.items() if value},
    }


def _shape(box: Box) -> dict[str, Any]:
    attributes: Mapping[str, str] = {"level": box.level, **box.values} if box.level else box.values
    return {
        "label": box.label,
        "points": [[box.x0, box.y0], [box.x1, box.y1]],
        "group_id": None,
        "shape_type": "rectangle",
        "flags": {},
        **({"attributes": dict(attributes)} if attributes else {}),
    }
