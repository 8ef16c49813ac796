"""LabelMe JSON (the desktop tool's): one file an image, shapes in 0-based pixels, of which the bounding box is taken.

Rectangles, polygons, circles and masks are read; points and lines are problems. Shapes of one label and one `group_id`
are one object, of one box. The image's `flags` become labels "1" and "0". Extra keys, which the tool keeps:
`patient_id` and `sequence` of the image, `attributes` of a shape (target -> value, and `level`).
Format: https://github.com/wkentaro/labelme
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

from spine.annotations.collector import Collector, read_files
from spine.annotations.grouping import Corners, around, around_points, in_agreement
from spine.annotations.safe_json import brief_repr, need, parse_json
from spine.annotations.sources import image_name, size_of, split_of
from spine.annotations.types import Annotation, Box, Malformed, Reading, known_text
from spine.core.files import write_json
from spine.core.numbers import finite

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
    for where, parts in _objects(shapes):
        where = f"{file}: {where}"
        with collector.guard(where, refused):
            boxes.append(_box(collector, where, parts))
    return Annotation(
        image,
        tuple(boxes),
        labels=collector.values(file, content.get("flags")),
        patient=known_text(content.get("patient_id")),
        sequence=known_text(content.get("sequence")),
        split=split_of(image),
        size=size_of(content.get("imageHeight"), content.get("imageWidth")),
        refused=tuple(refused),
    )


def _objects(shapes: list[Any]) -> list[tuple[str, list[Any]]]:
    """The shapes of each object, with the place that problems name: alone, or all of one label and group."""
    groups: dict[object, list[int]] = {}
    for number, shape in enumerate(shapes):
        groups.setdefault(_group(shape) or number, []).append(number)
    places = ((", ".join(f"shapes[{number}]" for number in numbers), numbers) for numbers in groups.values())
    return [(where, [shapes[number] for number in numbers]) for where, numbers in places]


def _group(shape: Any) -> tuple[str, str] | None:
    """Label and group, which may be text or a number; None where a shape is of no group, or none that can be told."""
    if not isinstance(shape, Mapping):
        return None
    label, group = shape.get("label"), shape.get("group_id")
    if not isinstance(label, (str, int, float)) or not isinstance(group, (str, int, float)):
        return None
    return (str(label), name) if (name := known_text(group)) else None


def _box(collector: Collector, where: str, parts: list[Any]) -> Box:
    label = str(need(parts[0], "label", (str, int)))
    corners = around([_bounds(part) for part in parts])
    values = in_agreement(collector.values(where, part.get("attributes")) for part in parts)
    level = values.pop("level", "")
    return collector.box(label, corners, level, values)


def _bounds(shape: Any) -> Corners:
    """x0, y0, x1, y1 of a shape; a circle is given by its centre and a point on its edge."""
    points = _points(need(shape, "points", list))
    kind = shape.get("shape_type", "polygon")
    if kind not in ("rectangle", "polygon", "circle", "mask"):
        raise Malformed(f"shape_type {kind!r} has no bounding box here", "draw a rectangle, a polygon or a circle")
    if len(points) < 2:
        raise Malformed(f"{kind} of {len(points)} points; it needs two or more")
    if kind == "circle":
        (x, y), edge = points[:2]
        radius = math.dist((x, y), edge)
        return x - radius, y - radius, x + radius, y + radius
    x0, y0, x1, y1 = around_points(points)
    last = 1 if kind == "mask" else 0  # its points are its first and its last pixel
    return x0, y0, x1 + last, y1 + last


def _points(raw: list[Any]) -> list[tuple[float, float]]:
    try:
        return [(finite(x), finite(y)) for x, y in raw]
    except (TypeError, ValueError) as error:
        raise Malformed(f"points is {brief_repr(raw)}; it holds pairs of numbers x, y") from error


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
    identity = {"patient_id": annotation.patient, "sequence": annotation.sequence}
    return {
        "version": "5.5.0",
        "flags": {name: value == "1" for name, value in annotation.labels.items() if value in ("0", "1")},
        "shapes": [_shape(box) for box in annotation.boxes],
        "imagePath": PurePosixPath(annotation.image).name,
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
        **{key: value for key, value in identity.items() if value},
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
