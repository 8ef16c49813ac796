"""Masks of class indices, one file an image: 8- or 16-bit PNG or TIFF, or a multi-page TIFF of one page a class.

Value 0 is background, value i + 1 is `labels[i]`. In a multi-page TIFF page i is `labels[i]`, wherever it is not 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from spine.annotations.collector import Collector
from spine.annotations.sources import is_image, stem_of
from spine.annotations.types import Annotation, Box, Malformed, Reading
from spine.pictures import read_mask, read_pages, write_mask
from spine.problems import SpineError

__all__ = ["boxes_from_mask", "load_mask", "read", "write"]

_SUFFIXES = (".png", ".tif", ".tiff")


def read(
    path: Path,
    *,
    labels: Sequence[str],
    images: Path | None = None,
    pattern: str = "{stem}",
    boxes: bool = False,
    min_area: int = 1,
) -> Reading:
    """Read the masks below the folder `path`, each matched to the picture of `images` in the same subfolder.

    `pattern` is a mask's stem, `{stem}` standing for its picture's: `{stem}_mask`. Without `images` the picture is
    named like the mask, with the mask's suffix. With `boxes`, every connected component of at least `min_area` pixels
    gives a box. An empty mask is kept, with a warning.
    """
    if not path.is_dir():
        raise SpineError(f"{path} is not a folder; give the folder of the masks")
    expression = _expression(pattern)
    pictures = None if images is None else _pictures(images)
    collector = Collector(images=images)
    for file in sorted(file for file in path.rglob("*") if is_image(file) and file.suffix.lower() in _SUFFIXES):
        match = expression.fullmatch(stem_of(file))
        if match is None and path == images:
            continue  # pictures and masks share the folder: this is a picture
        with collector.guard(file):
            if match is None:
                raise Malformed(f"does not match the pattern {pattern!r}", "rename it, or correct the pattern")
            image = _image_of(file, match["stem"], path, pictures)
            collector.add(file, _annotation(collector, file, image, labels, boxes, min_area))
    return collector.reading()


def _expression(pattern: str) -> re.Pattern[str]:
    before, found, after = pattern.partition("{stem}")
    if not found:
        raise SpineError(f"pattern {pattern!r} lacks {{stem}}, the picture's own stem, as in {{stem}}_mask")
    return re.compile(f"{re.escape(before)}(?P<stem>.+){re.escape(after)}")


def _pictures(images: Path) -> dict[str, list[str]]:
    """Pictures below a folder by their path without its suffix."""
    found: dict[str, list[str]] = {}
    for file in sorted(file for file in images.rglob("*") if is_image(file)):
        name = PurePosixPath(file.relative_to(images).as_posix())
        found.setdefault(str(name.parent / stem_of(name)), []).append(str(name))
    return found


def _image_of(file: Path, stem: str, root: Path, pictures: Mapping[str, list[str]] | None) -> str:
    name = PurePosixPath(file.relative_to(root).as_posix()).parent / stem
    if pictures is None:
        return f"{name}{file.suffix}"
    if str(name) not in pictures:
        raise Malformed(f"no picture is called {name}", "put it into the image folder, or remove the mask")
    if len(pictures[str(name)]) > 1:
        raise Malformed(f"several pictures are called so: {', '.join(pictures[str(name)])}", "rename all but one")
    return pictures[str(name)][0]


def _annotation(
    collector: Collector, file: Path, image: str, labels: Sequence[str], boxes: bool, min_area: int
) -> Annotation:
    try:
        mask = load_mask(file, labels)
    except SpineError as error:
        raise Malformed(str(error), "correct the mask, or the list of labels") from error
    if not mask.any():
        collector.warn(file, "the mask is empty: all of it is background", "see whether the structure is truly absent")
    found = boxes_from_mask(mask, labels, min_area) if boxes else ()
    height, width = mask.shape
    return Annotation(image, found, mask=file, mask_labels=tuple(labels), size=(height, width))


def load_mask(path: Path, mask_labels: Sequence[str]) -> np.ndarray:
    """A mask file as (H, W) uint8 class indices; in a multi-page TIFF later pages lie over earlier ones.

    With a single label the greatest value of the file's depth (255 or 65535) also stands for it: masks drawn in black
    and white. SpineError where the file cannot be read, has an index beyond the labels, or another number of pages.
    """
    if not 1 <= len(mask_labels) <= 255:
        raise SpineError(f"{len(mask_labels)} mask labels were given; a mask of 8 bits holds 1 to 255")
    pages = read_pages(path) if path.suffix.lower() in (".tif", ".tiff") else np.empty(0)
    if len(pages) > 1:
        return _flatten(pages, path, mask_labels)
    mask = read_mask(path)
    indices = np.flatnonzero(np.bincount(mask.ravel()))
    if len(mask_labels) == 1 and indices[-1] in (255, 65535) and set(indices) <= {0, indices[-1]}:
        return (mask > 0).astype(np.uint8)
    strangers = [int(index) for index in indices if index > len(mask_labels)]
    if strangers:
        raise SpineError(
            f"{path} holds unknown class indices {strangers}; 1 to {len(mask_labels)} are {', '.join(mask_labels)}"
        )
    return mask.astype(np.uint8)


def _flatten(pages: np.ndarray, path: Path, labels: Sequence[str]) -> np.ndarray:
    if len(pages) != len(labels):
        raise SpineError(f"{path} has {len(pages)} pages; one a label is expected: {', '.join(labels)}")
    mask = np.zeros(pages.shape[1:], np.uint8)
    for index, page in enumerate(pages, start=1):
        mask[page > 0] = index
    return mask


def boxes_from_mask(mask: np.ndarray, labels: Sequence[str], min_area: int = 1) -> tuple[Box, ...]:
    """A box round each 8-connected component of each class of a (H, W) mask, by class, then from the top down.

    `labels[i]` names value i + 1; components of fewer than `min_area` pixels are left out.
    """
    found: list[Box] = []
    for index, label in enumerate(labels, start=1):
        of_class = (mask == index).astype(np.uint8)
        _, _, components, _ = cv2.connectedComponentsWithStats(of_class, connectivity=8)
        corners = [(x, y, x + width, y + height) for x, y, width, height, area in components[1:] if area >= min_area]
        boxes = [Box(label, float(x0), float(y0), float(x1), float(y1)) for x0, y0, x1, y1 in corners]
        found += sorted(boxes, key=lambda box: (box.y0, box.x0))
    return tuple(found)


def write(annotations: Iterable[Annotation], path: Path) -> None:
    """Write each mask as an 8-bit PNG `<path>/<image without suffix>.png`; annotations without a mask are left out.

    It can hold nothing but masks: no boxes (but those that `read` finds again), labels, patients, sequences, splits,
    nor the names of the classes, which `read` is given.
    """
    for annotation in annotations:
        if annotation.mask is not None:
            image = PurePosixPath(annotation.image)
            place = path / image.parent / f"{stem_of(image)}.png"
            write_mask(load_mask(annotation.mask, annotation.mask_labels), place)
