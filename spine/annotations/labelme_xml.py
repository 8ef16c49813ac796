"""LabelMe XML (the web tool's): one file an image, polygons in 0-based pixels, of which the bounding box is taken.

Format: Russell et al., "LabelMe: a database and web-based tool for image annotation", IJCV 2008.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path, PurePath, PurePosixPath
from xml.etree.ElementTree import Element, SubElement

from spine.annotations.collector import Collector, read_files, size_of
from spine.annotations.safe_xml import child, child_text, integer, parse_xml, write_xml
from spine.annotations.sources import image_name, split_of
from spine.annotations.types import Annotation, Box, Malformed, Reading, value_text

__all__ = ["read", "write"]


def read(path: Path, *, labels: Collection[str] | None = None, images: Path | None = None) -> Reading:
    """Read a LabelMe XML file, or all below a folder; objects that were deleted in the tool are left out."""
    return read_files(path, ".xml", labels, images, _annotation)


def _annotation(collector: Collector, file: Path, folder: PurePath) -> Annotation:
    root = parse_xml(file)
    image = image_name(child_text(root, "filename"), folder)
    boxes: list[Box] = []
    refused: list[str] = []
    for number, element in enumerate(root.findall("object"), start=1):
        if integer(element, "deleted"):
            continue
        with collector.guard(f"{file}: object {number}", refused):
            boxes.append(_box(collector, element))
    height, width = integer(root, "imagesize/nrows"), integer(root, "imagesize/ncols")
    size = size_of(height, width)
    return Annotation(image, tuple(boxes), split=split_of(image), size=size, refused=tuple(refused))


def _box(collector: Collector, element: Element) -> Box:
    points = child(element, "polygon").findall("pt")
    try:
        xs = [float(child_text(point, "x")) for point in points]
        ys = [float(child_text(point, "y")) for point in points]
    except ValueError as error:
        raise Malformed(f"a point of the polygon is no number: {error}") from error
    if len(points) < 2:
        raise Malformed(f"the polygon has {len(points)} points; a box needs two or more")
    return collector.box(child_text(element, "name"), (min(xs), min(ys), max(xs), max(ys)))


def write(annotations: Iterable[Annotation], path: Path) -> None:
    """Write `<path>/<image>.xml` for each image, a box as a polygon of its four corners.

    It cannot hold masks, levels, values, labels of the whole image, patients or sequences; a split only as a folder in
    the image's name.
    """
    for annotation in annotations:
        image = PurePosixPath(annotation.image)
        write_xml(_root(annotation), path / image.with_suffix(".xml"))


def _root(annotation: Annotation) -> Element:
    root = Element("annotation")
    SubElement(root, "filename").text = PurePosixPath(annotation.image).name
    if annotation.size:
        size = SubElement(root, "imagesize")
        SubElement(size, "nrows").text, SubElement(size, "ncols").text = map(str, annotation.size)
    for number, box in enumerate(annotation.boxes):
        element = SubElement(root, "object")
        SubElement(element, "name").text = box.label
        SubElement(element, "deleted").text = "0"
        SubElement(element, "id").text = str(number)
        polygon = SubElement(element, "polygon")
        for x, y in ((box.x0, box.y0), (box.x1, box.y0), (box.x1, box.y1), (box.x0, box.y1)):
            point = SubElement(polygon, "pt")
            SubElement(point, "x").text, SubElement(point, "y").text = value_text(x), value_text(y)
    return root
