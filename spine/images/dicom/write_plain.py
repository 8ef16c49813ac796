"""Pixels -> single DICOM images that belong to no volume: an axial CT slice, a radiograph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from spine.images.dicom.write import new_dataset, set_pixels

__all__ = ["PlainImage", "write_image"]


@dataclass(frozen=True)
class PlainImage:
    """What the tags of one image tell; `tags` are those of its modality, keyword -> value.

    Equal patient, study and numbers give equal UIDs.
    """

    modality: str  # CT or CR
    patient: str
    study: str
    series: int
    number: int  # of the image in its series
    description: str
    body_part: str
    years: int
    window: tuple[float, float]  # centre and width, after the rescale
    intercept: float = 0.0
    tags: Mapping[str, Any] = field(default_factory=dict)


def write_image(pixels: np.ndarray, image: PlainImage, path: Path) -> None:
    """Write stored values (H, W) uint16 of 12 bits as CT or Computed Radiography Image Storage.

    Raises ValueError where the pixels are not, or the modality is another.
    """
    from pydicom.uid import ComputedRadiographyImageStorage, CTImageStorage

    classes = {"CT": CTImageStorage, "CR": ComputedRadiographyImageStorage}
    if image.modality not in classes:
        raise ValueError(f"modality is {image.modality!r}; it is one of {', '.join(classes)}")
    if pixels.ndim != 2 or pixels.dtype != np.uint16 or pixels.max(initial=0) >= 2**12:
        raise ValueError(f"pixels are {pixels.shape} {pixels.dtype}; (H, W) uint16 below {2**12} must hold")
    names = (image.patient, image.study, image.series)
    dataset = new_dataset(
        classes[image.modality], image.modality, names, image.description, image.body_part, image.years
    )
    dataset.BitsStored, dataset.HighBit = 12, 11
    dataset.RescaleSlope, dataset.RescaleIntercept = 1.0, image.intercept
    dataset.WindowCenter, dataset.WindowWidth = image.window
    for keyword, value in image.tags.items():
        setattr(dataset, keyword, value)
    set_pixels(dataset, pixels, names, image.number)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
