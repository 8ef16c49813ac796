"""A patient's planes -> an MR series of DICOM files, placed in the patient as its scanner lay."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spine.images.dicom.write import SAGITTAL, MRSeries, write_mr_series
from spine.phantom.scanner import Scanner
from spine.phantom.sequences import Sequence

__all__ = ["Owner", "describe_series", "slice_offsets", "write_sagittal"]


@dataclass(frozen=True)
class Owner:
    """Whose series it is, and of what."""

    patient: str
    years: int
    body_part: str  # BodyPartExamined


def slice_offsets(scanner: Scanner) -> np.ndarray:
    """How far beside the midline each slice lies, in mm."""
    return scanner.offset + scanner.gap * (np.arange(scanner.slices) - scanner.slices // 2)


def write_sagittal(
    pixels: np.ndarray,
    scanner: Scanner,
    sequence: Sequence,
    number: int,
    owner: Owner,
    folder: Path,
    rng: np.random.Generator,
) -> list[Path]:
    """Write stored values (S, H, W) of sagittal slices; gives the file of each, in the order of `pixels`."""
    orientation = _oblique(scanner.oblique)
    plane, normal = scanner.plane, np.cross(*orientation)
    # The foot of the spine lies near the scanner's origin.
    foot = plane.foot[0] * orientation[0] + plane.foot[1] * orientation[1]
    first = rng.normal(0, 15, 3) - foot - scanner.slices // 2 * scanner.gap * normal
    series = describe_series(owner, scanner, sequence, number, pixels, orientation, first)
    order = list(range(scanner.slices))
    if scanner.interleaved:
        order = order[0::2] + order[1::2]
    return write_mr_series(pixels, series, folder / sequence.folder, order)


def describe_series(
    owner: Owner,
    scanner: Scanner,
    sequence: Sequence,
    number: int,
    pixels: np.ndarray,
    orientation: np.ndarray,
    position: np.ndarray,
    spacing: float | None = None,
) -> MRSeries:
    """The tags of a series by who was scanned, how and where; `orientation` (2, 3) and `position` as DICOM has them."""
    bright = float(np.percentile(pixels, 99.5)) * scanner.slope
    return MRSeries(
        patient=owner.patient,
        study="1",
        number=number,
        description=sequence.description,
        position=(float(position[0]), float(position[1]), float(position[2])),
        orientation=(tuple(orientation[0]), tuple(orientation[1])),
        spacing=(spacing or scanner.plane.spacing,) * 2,
        gap=scanner.gap,
        window=(round(bright / 2, 1), round(bright, 1)),
        slope=scanner.slope,
        scanning=sequence.scanning,
        repetition_time=sequence.repetition_time,
        echo_time=sequence.echo_time,
        flip_angle=sequence.flip_angle,
        years=owner.years,
        body_part=owner.body_part,
    )


def _oblique(turns: tuple[float, float]) -> np.ndarray:
    """The sagittal directions of columns and rows, (2, 3), turned about the vertical and the front-to-back axis."""
    (cos_z, cos_y), (sin_z, sin_y) = np.cos(turns), np.sin(turns)
    about_z = np.array([[cos_z, -sin_z, 0], [sin_z, cos_z, 0], [0, 0, 1]])
    about_y = np.array([[cos_y, 0, sin_y], [0, 1, 0], [-sin_y, 0, cos_y]])
    return np.array(SAGITTAL) @ (about_z @ about_y).T
