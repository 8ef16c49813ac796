"""DICOM segmentations as masks of the images that they were drawn on, as viewers write them and as we do.

A segmentation names the images of its frames by their SOPInstanceUID; where it does not, the image of the same frame of
reference that lies at the frame's place is meant. A frame that lies otherwise on its image, as some viewers turn it, is
turned back, pixel for pixel.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from spine.annotations.collector import Collector
from spine.annotations.mask import boxes_from_mask, load_mask
from spine.annotations.types import EXPORT_AGAIN, Annotation, Malformed, Reading, as_malformed
from spine.core.files import walk
from spine.core.names import composed
from spine.core.problems import SpineError, brief, examples
from spine.images.dicom.grids import Grid
from spine.images.dicom.image import Image
from spine.images.dicom.segments import Plane, Segmentation, read_segmentation
from spine.images.kinds import kind_of
from spine.images.pictures import write_mask
from spine.intake.dicom_places import SAVE, ElsewhereError, Places

__all__ = ["read_segmentations"]

_MOST_LABELS = 255  # that a mask of 8 bits holds


def read_segmentations(
    path: Path,
    images: Path,
    scratch: Path,
    *,
    labels: Collection[str] | None = None,
    rename: Mapping[str, str | None] | None = None,
    boxes: bool = False,
    min_area: int = 1,
) -> Reading:
    """Masks (files in `scratch`) of the DICOM images below `images`, from a segmentation or all that lie below `path`.

    A segment's SegmentLabel is its class; `rename` has other names for them, and null for those that are background.
    `labels` are the known classes. `boxes` and `min_area` are those of `spine.annotations.mask`. Several segmentations
    of one image add to its mask, each classes of its own. SpineError where `path` holds no segmentation at all.
    """
    renamed = _renamed(rename)
    files = [file for file in walk(path).files if kind_of(file) == "dicom"]
    reader = _Reader(Collector(labels, images), Places(images), scratch, labels, renamed)
    if sum(map(reader.read, files)) == 0:
        raise SpineError(f"{path} holds no DICOM segmentation; give the file or the folder that does")
    return reader.reading(boxes, min_area)


def _renamed(rename: object) -> dict[str, str | None]:
    if not isinstance(rename, Mapping | None):
        raise SpineError(f"rename is {rename!r}; it maps SegmentLabels to classes, such as {{Segment_1: disc}}")
    return {composed(str(name)): None if new is None else composed(str(new)) for name, new in (rename or {}).items()}


@dataclass
class _Drawn:
    """The mask of one image so far: its file, the classes of its indices from 1 on, and what it was read from."""

    mask: Path
    labels: list[str]
    sources: list[Path]
    size: tuple[int, int]


@dataclass
class _Reader:
    """Reads segmentations one after another, and writes the mask of each image."""

    collector: Collector
    places: Places
    scratch: Path
    known: Collection[str] | None
    renamed: Mapping[str, str | None]
    drawn: dict[str, _Drawn] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)

    def read(self, file: Path) -> int:
        """Read a file; how many segmentations that were: one that is damaged counts, another object does not."""
        found = 1
        with self.collector.guard(file):
            with as_malformed(file):
                segmentation = read_segmentation(file)
            if segmentation is None:
                found = 0
            else:
                self._take(segmentation)
        return found

    def reading(self, boxes: bool, min_area: int) -> Reading:
        """What all of them say."""
        empty: list[str] = []
        for name, one in self.drawn.items():
            if name in self.lost:
                continue
            mask = load_mask(one.mask, one.labels)
            empty += [] if mask.any() else [name]
            found = boxes_from_mask(mask, one.labels, min_area) if boxes else ()
            told = Annotation(name, found, mask=one.mask, mask_labels=tuple(one.labels), size=one.size)
            self.collector.add(one.sources[0], told)
        if empty:
            reason = f"nothing is drawn on {len(empty)} images that segmentations name: {examples(empty)}"
            advice = "all of them is background: see whether the structures are truly absent"
            self.collector.warn(self.places.root, reason, advice)
        read = frozenset(str(source) for one in self.drawn.values() for source in one.sources)
        return replace(self.collector.reading(), lost_masks=frozenset(self.lost), read=read)

    def _take(self, segmentation: Segmentation) -> None:
        targets, is_whole = self._targets(segmentation)
        holding = targets.keys() - self.lost if is_whole else set()  # a frame may be of any of them
        self.lost |= targets.keys()  # unless what follows holds
        classes = self._classes(segmentation)
        if segmentation.kind == "FRACTIONAL":
            reason = "is FRACTIONAL: a pixel counts from half of MaximumFractionalValue on"
            self.collector.warn(segmentation.path, reason, "see whether the masks are right, or save it as BINARY")
        for name, (image, planes) in targets.items():
            with self.collector.guard(segmentation.path), as_malformed(segmentation.path):
                self._draw(segmentation, name, image, planes, classes)
                self.lost -= {name} & holding

    def _targets(self, segmentation: Segmentation) -> tuple[dict[str, tuple[Image, list[Plane]]], bool]:
        """The planes of each image, by its name, and whether these are all that may be of them.

        Planes that are of no image are problems, told once for all.
        """
        targets: dict[str, tuple[Image, list[Plane]]] = {}
        is_whole = True
        faults: dict[tuple[str, str], list[int]] = defaultdict(list)
        for plane in segmentation.planes:
            try:
                image = self.places.of(plane, segmentation)
                targets.setdefault(self.places.name_of(image), (image, []))[1].append(plane)
            except Malformed as fault:
                is_whole &= isinstance(fault, ElsewhereError)
                faults[str(fault), fault.advice].append(plane.index)
        for (reason, advice), indices in faults.items():
            more = f" (and {len(indices) - 1} more frames)" if len(indices) > 1 else ""
            self.collector.error(f"{segmentation.path}: frame {indices[0]}", f"{reason}{more}", advice)
        return targets, is_whole

    def _classes(self, segmentation: Segmentation) -> dict[int, str]:
        """The class of each segment that counts, by its number."""
        classes, known = {}, None if self.known is None else {composed(label): label for label in self.known}
        for number, label in segmentation.labels.items():
            name = self.renamed.get(composed(label), composed(label))
            if name is None:
                continue
            if known is not None and name not in known:
                raise Malformed(
                    f"has the segment {brief(label, 80)!r}; the labels are {', '.join(known)}",
                    "add it to the labels, or say in `rename` which of them it is, null for background",
                )
            classes[number] = name if known is None else known[name]
        return classes

    def _draw(
        self,
        segmentation: Segmentation,
        name: str,
        image: Image,
        planes: Sequence[Plane],
        classes: Mapping[int, str],
    ) -> None:
        own = list(dict.fromkeys(classes.values()))
        before = self.drawn.get(name)
        if before and (shared := [label for label in own if label in before.labels]):
            told = f"draws {', '.join(shared)} on {name}, as {before.sources[0]} does"
            raise Malformed(told, "leave the one of the two that is right, or name what differs in `rename`")
        labels = [*(before.labels if before else []), *own]
        if len(labels) > _MOST_LABELS:
            raise Malformed(f"{name} would have {len(labels)} classes; a mask holds {_MOST_LABELS}", EXPORT_AGAIN)
        mask = load_mask(before.mask, before.labels) if before else None
        index_of = {number: labels.index(label) + 1 for number, label in classes.items()}
        for plane, numbers in segmentation.drawn(planes):
            placed = _resampled_to_image(plane, numbers, image)
            mask = np.zeros(placed.shape, np.uint8) if mask is None else mask
            self._lay(mask, placed, index_of, name)
        if mask is None:
            raise ValueError(f"{name} has no plane")
        target = before.mask if before else self.scratch / f"{len(self.drawn)}.png"
        write_mask(mask, target)
        sources = [*(before.sources if before else []), segmentation.path]
        self.drawn[name] = _Drawn(target, labels, sources, (mask.shape[0], mask.shape[1]))

    def _lay(self, mask: np.ndarray, numbers: np.ndarray, index_of: Mapping[int, int], name: str) -> None:
        if numbers.shape != mask.shape:
            raise Malformed(f"is {numbers.shape} on {name}, on which another is {mask.shape} (height, width)", SAVE)
        for number in map(int, np.unique(numbers)):
            if (index := index_of.get(number, 0)) == 0:
                continue
            inside = numbers == number
            if (shared := int((inside & (mask > 0) & (mask != index)).sum())) > 0:
                raise Malformed(f"gives {shared} pixels of {name} two classes", "draw each pixel in one segment")
            mask[inside] = index


def _resampled_to_image(plane: Plane, numbers: np.ndarray, image: Image) -> np.ndarray:
    """What is drawn in a plane, on the pixels of its image."""
    other = Grid.of_image(image)
    if plane.grid is None or other is None:
        return numbers
    if (placed := plane.grid.placed(numbers, other, image.shape)) is None:
        raise Malformed(f"its frame {plane.index} lies otherwise than {image.path.name}, the image that it names", SAVE)
    return placed
