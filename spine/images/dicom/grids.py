"""Where the pixels of a frame lie in the patient, and how the pixels of one frame lie on those of another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spine.images.dicom.image import Image, orientation_of, origin_of, spacing_of
from spine.images.dicom.values import Header

__all__ = ["Grid"]

_SAME = 0.05  # pixels and mm: what lies closer is one place, written with other digits


@dataclass(frozen=True)
class Grid:
    """The centre of the first pixel, and the steps from a row to the next and from a column to the next; in mm (3,)."""

    origin: tuple[float, ...]
    orientation: tuple[float, ...]
    spacing: tuple[float, ...]

    @classmethod
    def of(cls, header: Header, frame: int) -> Grid | None:
        """That of a frame of a file; None where it says not all of it."""
        orientation = orientation_of(header.macro("PlaneOrientationSequence", frame))
        origin = origin_of(header.macro("PlanePositionSequence", frame))
        spacing = spacing_of(header, frame)
        return cls(origin, orientation, spacing) if origin and orientation and spacing else None

    @classmethod
    def of_image(cls, image: Image) -> Grid | None:
        """That of an image; None where it says not all of it."""
        known = image.origin and image.orientation and image.spacing
        return cls(image.origin, image.orientation, image.spacing) if known else None  # type: ignore[arg-type]

    @property
    def steps(self) -> np.ndarray:
        """(3, 2): from a row to the next, from a column to the next."""
        along_row, along_column = np.reshape(self.orientation, (2, 3))
        return np.stack([along_column * self.spacing[0], along_row * self.spacing[1]], axis=1)

    def placed(self, pixels: np.ndarray, other: Grid, shape: tuple[int, int]) -> np.ndarray | None:
        """Pixels (H, W) of this grid as those of another of that shape, turned and flipped as it needs.

        None where they do not lie on all of its pixels, each on one.
        """
        between = np.subtract(self.origin, other.origin)
        if abs(np.cross(*np.reshape(other.orientation, (2, 3))) @ between) > _SAME:
            return None  # another slice, as most are
        inverse = np.linalg.pinv(other.steps)
        turn, start = inverse @ self.steps, inverse @ between
        whole, first = np.rint(turn).astype(int), np.rint(start).astype(int)
        size = max(pixels.shape)
        faults = (
            np.abs(turn - whole).max() * size,
            np.abs(other.steps @ turn - self.steps).max() * size,
            np.abs(start - first).max(),
            np.abs(other.steps @ start - between).max(),
        )
        if max(faults) > _SAME or sorted(np.abs(whole).ravel().tolist()) != [0, 0, 1, 1] or not np.linalg.det(whole):
            return None
        turned = pixels.T if whole[0, 0] == 0 else pixels
        backwards = whole.sum(axis=1) < 0
        starts = np.where(backwards, np.array(shape) - 1, 0)
        if turned.shape != shape or (first != starts).any():
            return None
        return turned[:: -1 if backwards[0] else 1, :: -1 if backwards[1] else 1]
