"""LabelMe XML (the web tool's): one file an image, polygons in 0-based pixels, of which the bounding box is taken.

Objects of one name that are parts of each other (`<parts>`) are one object, of one box.
Format: Russell et al., "LabelMe: a database and web-based tool for image annotation", IJCV 2008.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path, PurePath
from xml.etree.ElementTree import Element, SubElement

from spine.annotations.collector import Collector, read_files
from spine.annotations.grouping import Corners, around, around_points
from spine.annotations.safe_xml import child, child_text
from spine.annotations.types import Annotation, Box, Malformed, Reading, value_text
from spine.annotations.xml_image import read_image, write_images
from spine.core.numbers import finite

__all__ = ["read", "write"]


def read(path: Path, *, labels: Collection[str] | None = None, images: Path | None = None) -> Reading:
    """Read a LabelMe XML file, or all below a folder; objects that were deleted in the tool are left out."""
    return read_files(path, ".xml", labels, images, _annotation)


def _annotation(collector: Collector, file: Path, folder: PurePath) -> Annotation:
    return read_image(collector, file, folder, _objects, _box, ("imagesize/nrows", "imagesize/ncols"))


def _objects(root: Element) -> list[tuple[str, list[Element]]]:
    """The elements of each object that is not deleted, with their numbers from 1, as problems name them."""
    elements = {n: element for n, element in enumerate(root.findall("object"), start=1) if not _is_deleted(element)}
    whole = {number: number for number in elements}  # number -> another of its object, or itself
    by_id = {(element.findtext("id") or "").strip(): number for number, element in elements.items()}
    for number, element in elements.items():
        for identity in _linked(element):
            other = by_id.get(identity)
            if other is not None and _name(elements[other]) == _name(element):
                whole[_first(whole, other)] = _first(whole, number)
    objects: dict[int, list[int]] = {}
    for number in elements:
        objects.setdefault(_first(whole, number), []).append(number)
    return [(", ".join(map(str, some)), [elements[number] for number in some]) for some in objects.values()]


def _first(whole: dict[int, int], number: int) -> int:
    """The object that stands for all that a number is joined with."""
    while whole[number] != number:
        whole[number] = number = whole[whole[number]]  # shorter, the next time
    return number


def _is_deleted(element: Element) -> bool:
    return (element.findtext("deleted") or "").strip() not in ("", "0")


def _linked(element: Element) -> list[str]:
    """The ids of the objects that one is part of, or has as its parts."""
    told = [element.findtext("parts/ispartof") or "", element.findtext("parts/hasparts") or ""]
    return [identity.strip() for identity in ",".join(told).split(",") if identity.strip()]


def _name(element: Element) -> str:
    return (element.findtext("name") or "").strip()


def _box(collector: Collector, where: str, parts: list[Element]) -> Box:
    return collector.box(child_text(parts[0], "name"), around([_bounds(part) for part in parts]))


def _bounds(element: Element) -> Corners:
    points = [point for polygon in element.findall("polygon") or [child(element, "polygon")] for point in polygon]
    points = [point for point in points if point.tag == "pt"]
    if len(points) < 2:
        raise Malformed(f"the polygon has {len(points)} points; a box needs two or more")
    try:
        corners = [(finite(child_text(point, "x")), finite(child_text(point, "y"))) for point in points]
    except ValueError as error:
        raise Malformed(f"a point of the polygon is no number: {error}") from error
    return around_points(corners)


def write(annotations: Iterable[Annotation], path: Path) -> None:
    """Write `<path>/<image>.xml` for each image, a box as a polygon of its four corners.

    It cannot hold masks, levels, values, labels of the whole image, patients or sequences; a split only as a folder in
    the image's name.
    """
    write_images(annotations, path, _describe)


def _describe(root: Element, annotation: Annotation) -> None:
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
