"""An image's annotation in an XML file: its name, its size and its objects, which VOC and LabelMe write alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path, PurePath, PurePosixPath
from typing import TypeVar
from xml.etree.ElementTree import Element, SubElement

from spine.annotations.collector import Collector
from spine.annotations.safe_xml import child_text, parse_xml, write_xml
from spine.annotations.sources import image_name, size_of, split_of
from spine.annotations.types import Annotation, Box

__all__ = ["read_image", "write_images"]

Object = TypeVar("Object")


def read_image(
    collector: Collector,
    file: Path,
    folder: PurePath,
    objects: Callable[[Element], Iterable[tuple[str, Object]]],
    box: Callable[[Collector, str, Object], Box],
    size: tuple[str, str],
) -> Annotation:
    """What a file in `folder` tells of its image; a box that does not hold is a problem, and the others go on.

    `objects` gives those of the root, each with its number as problems name it, `box` the box of one, met at a place;
    `size` are the paths of height and width below the root.
    """
    root = parse_xml(file)
    image = image_name(child_text(root, "filename"), folder)
    boxes: list[Box] = []
    refused: list[str] = []
    for number, element in objects(root):
        where = f"{file}: object {number}"
        with collector.guard(where, refused):
            boxes.append(box(collector, where, element))
    height, width = map(root.findtext, size)
    return Annotation(image, tuple(boxes), split=split_of(image), size=size_of(height, width), refused=tuple(refused))


def write_images(
    annotations: Iterable[Annotation], path: Path, describe: Callable[[Element, Annotation], None]
) -> None:
    """Write `<path>/<image>.xml` for each image: its name, and what `describe` adds to the root."""
    for annotation in annotations:
        image = PurePosixPath(annotation.image)
        root = Element("annotation")
        SubElement(root, "filename").text = image.name
        describe(root, annotation)
        write_xml(root, path / image.with_suffix(".xml"))
