"""Pascal VOC XML: one file an image, corners 1-based and inclusive, converted to 0-based half-open and back.

The first pixel of a row is xmin = 1 in VOC, so (xmin, ymin, xmax, ymax) becomes (xmin - 1, ymin - 1, xmax, ymax). An
object's `<attributes>` (as CVAT writes them) become its values, the attribute `level` its level. Format: the PASCAL VOC
development kit, http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path, PurePath
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from spine.annotations.collector import Collector, read_files
from spine.annotations.grouping import in_agreement
from spine.annotations.safe_xml import child, child_text
from spine.annotations.types import Annotation, Box, Reading, value_text
from spine.annotations.xml_image import read_image, write_images
from spine.core.numbers import finite

__all__ = ["read", "write"]


def read(path: Path, *, labels: Collection[str] | None = None, images: Path | None = None) -> Reading:
    """Read a VOC file, or all below a folder; folders named train, valid or test tell the split."""
    return read_files(path, ".xml", labels, images, _annotation)


def _annotation(collector: Collector, file: Path, folder: PurePath) -> Annotation:
    return read_image(collector, file, folder, _objects, _box, ("size/height", "size/width"))


def _objects(root: Element) -> Iterator[tuple[str, Element]]:
    return ((str(number), element) for number, element in enumerate(root.findall("object"), start=1))


def _box(collector: Collector, where: str, element: Element) -> Box:
    label, bounds = child_text(element, "name"), child(element, "bndbox")
    corners = [child_text(bounds, tag) for tag in ("xmin", "ymin", "xmax", "ymax")]
    values = collector.values(where, _attributes(element))
    level = values.pop("level", "")
    box = collector.box(label, _half_open(corners), level, values)
    if box.x1 - box.x0 == 1 or box.y1 - box.y0 == 1:
        collector.warn(where, f"box {corners} of {label!r} is one pixel thin", "see whether it was drawn by mistake")
    return box


def _half_open(corners: list[str]) -> list[object]:
    try:
        xmin, ymin, xmax, ymax = map(finite, corners)
    except ValueError:
        return list(corners)  # the collector tells which of them is no number
    return [xmin - 1, ymin - 1, xmax, ymax]


def _attributes(element: ElementTree.Element) -> dict[str, str]:
    """Target -> value; Malformed where one is told twice, and differently."""
    pairs = ((found.findtext("name"), found.findtext("value")) for found in element.findall("attributes/attribute"))
    return in_agreement({name.strip(): (value or "").strip()} for name, value in pairs if name)


def write(annotations: Iterable[Annotation], path: Path) -> None:
    """Write `<path>/<image>.xml` for each image, in the image's own folder below `path`.

    It cannot hold masks, labels of the whole image, patients or sequences; a split only as a folder in the image's
    name.
    """
    write_images(annotations, path, _describe)


def _describe(root: Element, annotation: Annotation) -> None:
    if annotation.size:
        height, width = annotation.size
        _children(SubElement(root, "size"), {"width": width, "height": height, "depth": 1})
    for box in annotation.boxes:
        element = SubElement(root, "object")
        _children(element, {"name": box.label, "difficult": 0})
        corners = {"xmin": box.x0 + 1, "ymin": box.y0 + 1, "xmax": box.x1, "ymax": box.y1}
        _children(SubElement(element, "bndbox"), {tag: value_text(value) for tag, value in corners.items()})
        attributes = {"level": box.level, **box.values} if box.level else box.values
        if attributes:
            parent = SubElement(element, "attributes")
            for name, value in attributes.items():
                _children(SubElement(parent, "attribute"), {"name": name, "value": value})


def _children(parent: Element, texts: dict[str, object]) -> None:
    for tag, text in texts.items():
        SubElement(parent, tag).text = str(text)
