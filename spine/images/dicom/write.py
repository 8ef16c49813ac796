"""Pixels -> an MR series as DICOM files, with the geometry that a reader chooses slices by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["SAGITTAL", "MRSeries", "new_dataset", "set_pixels", "write_mr_series"]

# Columns run towards posterior (+y), rows towards the feet (-z): PS3.3 C.7.6.2.1.1.
SAGITTAL = ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0))
_DATE, _TIME = "20200101", "120000"


@dataclass(frozen=True)
class MRSeries:
    """What the tags of one MR series tell. Lengths in mm, times in ms, in the patient's coordinates (LPS).

    Equal series get equal UIDs, hashed from patient, study and number. Slices lie `gap` apart along the normal of
    `orientation` (directions of rising column and rising row), the first with its first pixel's centre at `position`.
    """

    patient: str
    study: str
    number: int
    description: str
    position: tuple[float, float, float]
    orientation: tuple[tuple[float, float, float], tuple[float, float, float]] = SAGITTAL
    spacing: tuple[float, float] = (1.0, 1.0)  # of rows, of columns
    gap: float = 4.0
    window: tuple[float, float] = (500.0, 1000.0)  # centre and width, after the rescale
    slope: float = 1.0
    intercept: float = 0.0
    scanning: str = "SE"  # ScanningSequence: SE or GR
    repetition_time: float = 3500.0
    echo_time: float = 100.0
    flip_angle: float = 90.0
    years: int = 50
    body_part: str = "LSPINE"

    def __post_init__(self) -> None:
        places = (*self.position, *self.orientation[0], *self.orientation[1], *self.spacing, self.gap)
        if not np.isfinite((*places, *self.window, self.slope, self.intercept)).all():
            raise ValueError(f"series {self.number} of {self.study} has numbers that are not finite: {self}")

    @property
    def normal(self) -> np.ndarray:
        """Unit vector from one slice to the next."""
        return np.cross(*self.orientation)

    def position_of(self, index: int) -> np.ndarray:
        """ImagePositionPatient of a slice, in mm."""
        return np.asarray(self.position) + index * self.gap * self.normal


def write_mr_series(
    pixels: np.ndarray, series: MRSeries, directory: Path, order: Sequence[int] | None = None
) -> list[Path]:
    """Write stored values (S, H, W) uint16 as MR Image Storage; gives the file of each slice, in the order of `pixels`.

    `order` lists slices as they were acquired, which numbers the files (IM0001.dcm, ...); None: as in `pixels`. Raises
    ValueError where the pixels are not (S, H, W) uint16, or `order` is not a permutation of the slices.
    """
    order = range(len(pixels)) if order is None else order
    if pixels.ndim != 3 or pixels.dtype != np.uint16:
        raise ValueError(f"pixels are {pixels.shape} {pixels.dtype}; (S, H, W) uint16 must hold")
    if sorted(order) != list(range(len(pixels))):
        raise ValueError(f"order is {list(order)}; it names each of the {len(pixels)} slices once")
    directory.mkdir(parents=True, exist_ok=True)
    dataset = _series_dataset(series)
    dataset.BitsStored = 12 if pixels.max(initial=0) < 2**12 else 16
    dataset.HighBit = dataset.BitsStored - 1
    files = [directory] * len(pixels)
    for number, index in enumerate(order, start=1):
        files[index] = directory / f"IM{number:04d}.dcm"
        _set_slice(dataset, pixels[index], series, index, number)
        dataset.save_as(files[index], enforce_file_format=True)
    return files


def _series_dataset(series: MRSeries) -> Dataset:
    """What all slices share."""
    from pydicom.uid import MRImageStorage

    names = (series.patient, series.study, series.number)
    dataset = new_dataset(MRImageStorage, "MR", names, series.description, series.body_part, series.years)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
    _set_acquisition(dataset, series)
    return dataset


def new_dataset(
    sop_class: str, modality: str, names: tuple[str, str, int], description: str, body_part: str, years: int
) -> Dataset:
    """What the files of one series share, whatever they hold; `names` are patient, study and the series' number.

    Equal names give equal UIDs.
    """
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    patient, study, number = names
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = sop_class
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.Modality = modality
    dataset.PatientID = dataset.PatientName = patient
    dataset.PatientAge = f"{years:03d}Y"
    dataset.PatientPosition = "HFS"
    dataset.StudyID = study
    dataset.StudyInstanceUID = _uid(patient, study)
    dataset.SeriesInstanceUID = _uid(*names)
    dataset.FrameOfReferenceUID = _uid(patient, study, "frame")
    dataset.SeriesNumber = number
    dataset.SeriesDescription = description
    dataset.BodyPartExamined = body_part
    for name in ("Study", "Series", "Acquisition", "Content"):
        setattr(dataset, f"{name}Date", _DATE)
        setattr(dataset, f"{name}Time", _TIME)
    return dataset


def set_pixels(dataset: Dataset, pixels: np.ndarray, names: tuple[str, str, int], number: int) -> None:
    """Stored values (H, W) uint16 of the image `number` of a series, whose UID follows from its names."""
    dataset.SOPInstanceUID = _uid(*names, number)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.InstanceNumber = number
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated, dataset.PixelRepresentation = 16, 0
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.PixelData = pixels.astype("<u2").tobytes()
    dataset["PixelData"].VR = "OW"


def _set_acquisition(dataset: Dataset, series: MRSeries) -> None:
    dataset.ScanningSequence = series.scanning
    dataset.SequenceVariant = "SK" if series.scanning == "SE" else "SP"
    dataset.MRAcquisitionType = "2D"
    dataset.RepetitionTime = series.repetition_time
    dataset.EchoTime = series.echo_time
    dataset.FlipAngle = series.flip_angle
    dataset.MagneticFieldStrength = 1.5
    dataset.SliceThickness = round(0.9 * series.gap, 3)
    dataset.SpacingBetweenSlices = series.gap
    dataset.PixelSpacing = list(series.spacing)
    dataset.ImageOrientationPatient = [round(float(value), 8) for value in np.ravel(series.orientation)]
    dataset.RescaleSlope, dataset.RescaleIntercept = series.slope, series.intercept
    dataset.WindowCenter, dataset.WindowWidth = series.window


def _set_slice(dataset: Dataset, pixels: np.ndarray, series: MRSeries, index: int, number: int) -> None:
    position = series.position_of(index)
    dataset.ImagePositionPatient = [round(float(value), 4) for value in position]
    dataset.SliceLocation = round(float(position @ series.normal), 4)
    set_pixels(dataset, pixels, (series.patient, series.study, series.number), number)


def _uid(*parts: object) -> str:
    from pydicom.uid import generate_uid

    return str(generate_uid(entropy_srcs=["spine", *map(str, parts)]))
