"""Which DICOM image a frame of a segmentation was drawn on."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from spine.annotations.types import Malformed
from spine.core.files import walk
from spine.core.problems import examples
from spine.images.dicom.copies import without_copies
from spine.images.dicom.grids import Grid
from spine.images.dicom.headers import quiet
from spine.images.dicom.image import Image, images_of
from spine.images.dicom.segments import Plane, Segmentation
from spine.images.kinds import kind_of

__all__ = ["SAVE", "ElsewhereError", "Places"]

SAVE = "save the segmentation again on the images' own grid"


class ElsewhereError(Malformed):
    """A frame was drawn on an image that is not there, so on none of those that are."""


@dataclass
class Places:
    """The DICOM images below a folder: by what segmentations name them by, and by where they lie."""

    root: Path
    images: list[Image] = field(init=False)
    by_name: dict[str, list[Image]] = field(init=False)

    def __post_init__(self) -> None:
        found = []
        for file in walk(self.root).files:
            if kind_of(file) == "dicom":
                with quiet():
                    found += _good_images(file)
        self.images = without_copies(found)[0]
        self.by_name = defaultdict(list)
        for image in self.images:
            self.by_name[image.instance].append(image)

    def name_of(self, image: Image) -> str:
        """As the intake calls the picture of it."""
        base = self.root if self.root.is_dir() else self.root.parent
        name = image.path.relative_to(base).as_posix()
        return name if image.frames == 1 else f"{name}#{image.frame}"

    def of(self, plane: Plane, segmentation: Segmentation) -> Image:
        """The image that a frame was drawn on; Malformed where none is, or where it is not plain which."""
        named = [image for reference in plane.references for image in self._named(*reference)]
        if len(named) == 1:
            return named[0]
        if plane.references and not named:
            instances = examples([instance for instance, _ in plane.references])
            advice = "add the images that it was drawn on, or remove the segmentation"
            raise ElsewhereError(f"was drawn on {instances}, which is not among the images", advice)
        there = [image for image in named or self._near(segmentation) if _lies_on(plane, image)]
        if len(there) != 1:
            told = f": {examples([self.name_of(image) for image in there])}" if there else ""
            reason = (
                f"names {len(named) or 'none'} of the images, and lies at the place of {len(there) or 'none'}{told}"
            )
            raise Malformed(reason, f"it is not plain which one it was drawn on: {SAVE}")
        return there[0]

    def _named(self, instance: str, frame: int | None) -> list[Image]:
        return [image for image in self.by_name.get(instance, []) if frame in (None, image.frame)]

    def _near(self, segmentation: Segmentation) -> list[Image]:
        reference = segmentation.reference
        return [image for image in self.images if reference and image.reference == reference]


def _good_images(file: Path) -> list[Image]:
    """None of a file that cannot be read, or is no image: who reads the pictures tells of it."""
    try:
        return images_of(file)
    except Exception:
        return []


def _lies_on(plane: Plane, image: Image) -> bool:
    own, other = plane.grid, Grid.of_image(image)
    if own is None or other is None:
        return False
    shape = image.shape
    return any(own.placed(np.zeros(one), other, shape) is not None for one in (shape, shape[::-1]))
