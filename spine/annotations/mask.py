"""Masks of class indices, one file an image: 8- or 16-bit PNG or TIFF, or a multi-page TIFF of one page a class.

Value 0 is background, value i + 1 is `labels[i]`. In a multi-page TIFF page i is `labels[i]`, wherever it is not 0. Of
a single label the mask may be drawn in any grey from 64 up, such as white.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from spine.annotations.collector import Collector
from spine.annotations.sources import is_image, may_be_picture, stem_of
from spine.annotations.types import PASSED_OVER, Annotation, Box, Malformed, Reading, as_malformed
from spine.core.files import walk
from spine.core.names import composed, slice_of
from spine.core.problems import SpineError
from spine.images.pictures import read_mask_pages, write_mask

__all__ = ["boxes_from_mask", "load_mask", "pictures_by_place", "pictures_of", "read", "write"]

_SUFFIXES = (".png", ".tif", ".tiff")
_DRAWN = 64  # the least grey that is drawn rather than a class's index: few tasks have as many classes
_WHITE = (1, 255, 65535)  # what stands for the foreground in whatever file
_MOST_TOLD = 8


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
    named like the mask, with the mask's suffix. The mask of a slice, page or frame is called so: `p1#7`. With
    `boxes`, every connected component of at least `min_area` pixels gives a box. A mask that is empty, or drawn in one
    grey all over, is kept, with a warning. SpineError where `path` is no folder or holds no image at all.
    """
    if not path.is_dir():
        raise SpineError(f"{path} is not a folder; give the folder of the masks")
    expression = _expression(pattern)
    files = list(_files(path, images))
    if not files:
        raise SpineError(f"{path} holds no mask (.png, .tif or .tiff); give the folder that does")
    pictures = None if images is None else pictures_by_place(images)
    collector, lost, drawn_in = Collector(images=images), set[str](), dict[int, Path]()
    for file in files:
        match = expression.fullmatch(composed(stem_of(file)))
        if match is None and path == images:
            continue  # pictures and masks share the folder: this is a picture
        with collector.guard(file):
            if match is None:
                raise Malformed(f"{PASSED_OVER}it does not match the pattern {pattern!r}", "rename it, or correct it")
            if file.suffix.lower() not in _SUFFIXES:
                reason = f"{PASSED_OVER}it is a {file.suffix} file, and masks are PNG or TIFF"
                raise Malformed(reason, "save it as PNG, which keeps every value, or remove it")
            image = _image_of(file, match["stem"], path, pictures)
            lost.add(image)  # unless what follows holds
            with as_malformed(file):
                loaded = _load(file, labels)
            _look(collector, file, loaded)
            drawn_in.setdefault(loaded.grey, file)
            height, width = loaded.mask.shape
            found = boxes_from_mask(loaded.mask, labels, min_area) if boxes else ()
            collector.add(file, Annotation(image, found, mask=file, mask_labels=tuple(labels), size=(height, width)))
            lost.remove(image)
    _compare(collector, path, labels, drawn_in)
    return replace(collector.reading(), lost_masks=frozenset(lost))


def _files(path: Path, images: Path | None) -> Iterator[Path]:
    """What may be masks: images below `path`, but not those of a picture folder within it."""
    pictures_within = images if images is not None and images != path and images.is_relative_to(path) else None
    for file in walk(path).files:
        if is_image(file) and not (pictures_within and file.is_relative_to(pictures_within)):
            yield file


def _expression(pattern: str) -> re.Pattern[str]:
    before, found, after = composed(pattern).partition("{stem}")
    if not found:
        raise SpineError(f"pattern {pattern!r} lacks {{stem}}, the picture's own stem, as in {{stem}}_mask")
    return re.compile(f"{re.escape(before)}(?P<stem>.+){re.escape(after)}", re.DOTALL)


def pictures_by_place(images: Path) -> dict[str, list[str]]:
    """Pictures below a folder by their path without its suffix, its letters composed."""
    by_stem: dict[str, list[str]] = {}
    for file in walk(images).files:
        if may_be_picture(file):
            name = PurePosixPath(file.relative_to(images).as_posix())
            by_stem.setdefault(composed(str(name.parent / stem_of(name))), []).append(str(name))
    return by_stem


def _image_of(file: Path, stem: str, root: Path, pictures: Mapping[str, list[str]] | None) -> str:
    name = PurePosixPath(file.relative_to(root).as_posix()).parent / stem
    if pictures is None:
        return f"{name}{file.name[len(stem_of(file)) :]}"
    called = pictures_of(str(name), pictures)
    if not called:
        raise Malformed(f"no picture is called {name}", "put it into the image folder, or remove the mask")
    if len(called) > 1:
        raise Malformed(f"several pictures are called so: {', '.join(called)}", "rename all but one")
    return called[0]


def pictures_of(name: str, pictures: Mapping[str, list[str]]) -> list[str]:
    """The pictures, of `pictures_by_place`, that a mask is called like: its place without its suffix."""
    return pictures.get(composed(name), []) or _slices_of(name, pictures)


def _slices_of(name: str, pictures: Mapping[str, list[str]]) -> list[str]:
    """What a mask may be of that is called as a slice, page or frame: `p1#7` or `p1.nii.gz#7`, of `p1.nii.gz`."""
    whole, number = slice_of(name)
    place = PurePosixPath(whole)
    files = pictures.get(composed(str(place.parent / stem_of(place))), []) if number else []
    exact = [file for file in files if composed(file) == composed(whole)]
    return [f"{file}#{number}" for file in exact or files]


@dataclass(frozen=True)
class _Loaded:
    """A mask (H, W) uint8 of class indices, the pixels that several pages claim, and the grey that was drawn in."""

    mask: np.ndarray
    shared: int = 0
    grey: int = 1


def _look(collector: Collector, file: Path, loaded: _Loaded) -> None:
    """Warn of what a mask may not mean."""
    if not loaded.mask.any():
        collector.warn(file, "the mask is empty: all of it is background", "see whether the structure is truly absent")
    if loaded.mask.all() and loaded.grey > 1:
        reason = f"the mask has no background: all of it is of the grey {loaded.grey}"
        collector.warn(file, reason, "see whether it was drawn so, and not in a channel that was lost")
    if loaded.shared:
        reason = f"{loaded.shared} pixels are in several pages, of different classes; the later page holds there"
        collector.warn(file, reason, "see whether the later class is right, or draw each pixel in one page")


def _compare(collector: Collector, path: Path, labels: Sequence[str], drawn_in: Mapping[int, Path]) -> None:
    """Warn where files of one label are drawn in several greys: they may be indices of different classes."""
    greys = {grey: file for grey, file in drawn_in.items() if grey not in _WHITE}
    if len(greys) > 1:
        told = ", ".join(f"{grey} in {file.name}" for grey, file in sorted(greys.items())[:_MOST_TOLD])
        reason = f"the masks are drawn in different greys ({told}), each taken for {labels[0]!r}"
        collector.warn(path, reason, "see whether they are classes of their own, and give a label for each")


def load_mask(path: Path, mask_labels: Sequence[str]) -> np.ndarray:
    """A mask file as (H, W) uint8 class indices; in a multi-page TIFF later pages lie over earlier ones.

    With a single label a mask of 0 and one grey from 64 up is read too, as masks are drawn: 255, 128 or 65535. Greys
    that are spread over several labels are no indices, and are not guessed. SpineError where the file cannot be read,
    has an index beyond the labels, or another number of pages.
    """
    return _load(path, mask_labels).mask


def _load(path: Path, labels: Sequence[str]) -> _Loaded:
    if not 1 <= len(labels) <= 255:
        raise SpineError(f"{len(labels)} mask labels were given; a mask of 8 bits holds 1 to 255")
    pages = read_mask_pages(path)
    if len(pages) > 1:
        return _flatten(pages, path, labels)
    mask = pages[0]
    indices = [int(index) for index in np.flatnonzero(np.bincount(mask.ravel()))]
    strangers = [index for index in indices if index > len(labels)]
    if not strangers:
        return _Loaded(mask.astype(np.uint8))
    if len(labels) == 1 and set(indices) <= {0, strangers[0]} and strangers[0] >= _DRAWN:
        return _Loaded((mask > 0).astype(np.uint8), grey=strangers[0])
    more = ", ..." if len(strangers) > _MOST_TOLD else ""
    shown = f"[{', '.join(map(str, strangers[:_MOST_TOLD]))}{more}]"
    if strangers[-1] >= _DRAWN:
        drawn, advice = ", and greys stand for no class", "save indices, or a file a class"
    else:
        drawn, advice = "", "correct the mask, or the list of labels"
    known = f"1 is {labels[0]}" if len(labels) == 1 else f"1 to {len(labels)} are {', '.join(labels)}"
    raise SpineError(f"{path} holds unknown class indices {shown} where {known}{drawn}; {advice}")


def _flatten(pages: np.ndarray, path: Path, labels: Sequence[str]) -> _Loaded:
    if len(pages) != len(labels):
        raise SpineError(
            f"{path} has {len(pages)} pages where one a label is expected: {', '.join(labels)}; save it so"
        )
    mask = np.zeros(pages.shape[1:], np.uint8)
    for index, page in enumerate(pages, start=1):
        mask[page > 0] = index
    return _Loaded(mask, shared=int(((pages > 0).sum(axis=0) > 1).sum()))


def boxes_from_mask(mask: np.ndarray, labels: Sequence[str], min_area: int = 1) -> tuple[Box, ...]:
    """A box round each 8-connected component of each class of a (H, W) mask, by class, then from the top down.

    `labels[i]` names value i + 1; components of fewer than `min_area` pixels are left out.
    """
    all_boxes: list[Box] = []
    for index, label in enumerate(labels, start=1):
        of_class = (mask == index).astype(np.uint8)
        _, _, components, _ = cv2.connectedComponentsWithStats(of_class, connectivity=8)
        corners = [(x, y, x + width, y + height) for x, y, width, height, area in components[1:] if area >= min_area]
        boxes = [Box(label, float(x0), float(y0), float(x1), float(y1)) for x0, y0, x1, y1 in corners]
        all_boxes += sorted(boxes, key=lambda box: (box.y0, box.x0))
    return tuple(all_boxes)


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
