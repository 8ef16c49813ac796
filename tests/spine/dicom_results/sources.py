"""DICOM files that results are made for: of each way in which a frame may lie in a patient, or nowhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    generate_uid,
)

from spine.dicom_results.source import Source
from spine.images.dicom.write import MRSeries, write_mr_series

SHAPE = (24, 20)
TURN = np.radians(20)
ORIENTATIONS = {
    "sagittal": ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0)),
    "axial": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    "tilted": ((np.sin(TURN), np.cos(TURN), 0.0), (0.0, 0.0, -1.0)),
    "upside down": ((0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "mirrored": ((0.0, -1.0, 0.0), (0.0, 0.0, -1.0)),
}
KINDS = (*ORIENTATIONS, "enhanced", "radiograph", "digital radiograph", "frames without a place")


def write_source(kind: str, directory: Path) -> Source:
    """One frame, which is neither the first nor the last of its series or file where there are several."""
    pixels = np.random.default_rng(1).integers(0, 1000, (4, *SHAPE)).astype(np.uint16)
    orientation = ORIENTATIONS.get(kind, ORIENTATIONS["tilted"])
    series = MRSeries("p1^", "1", 3, "T2", (-40.0, 12.5, 80.25), orientation, spacing=(0.75, 0.5))
    files = write_mr_series(pixels, series, directory)
    if kind in ORIENTATIONS:
        return Source(files[2])
    datasets = [dcmread(file) for file in files]
    for file in files:
        file.unlink()
    if kind in ("enhanced", "frames without a place"):
        whole = _enhanced(datasets) if kind == "enhanced" else _frames(datasets)
        whole.save_as(directory / "whole.dcm", enforce_file_format=True)
        return Source(directory / "whole.dcm", 2)
    _radiograph(datasets[0], kind).save_as(directory / "ray.dcm", enforce_file_format=True)
    return Source(directory / "ray.dcm")


def _radiograph(dataset: Dataset, kind: str) -> Dataset:
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"):
        delattr(dataset, keyword)
    del dataset.FrameOfReferenceUID, dataset.SpacingBetweenSlices
    dataset.ImagerPixelSpacing = [0.15, 0.15]
    dataset.PatientOrientation = ["L", "F"]
    dataset.Modality, dataset.SOPClassUID = "CR", ComputedRadiographyImageStorage
    if kind == "digital radiograph":
        dataset.Modality, dataset.SOPClassUID = "DX", DigitalXRayImageStorageForPresentation
    return dataset


def _frames(datasets: list[Dataset]) -> Dataset:
    whole = _radiograph(datasets[0], "frames")
    whole.Modality, whole.SOPClassUID = "OT", MultiFrameGrayscaleWordSecondaryCaptureImageStorage
    whole.NumberOfFrames = len(datasets)
    whole.PixelData = b"".join(dataset.PixelData for dataset in datasets)
    return whole


def _enhanced(datasets: list[Dataset]) -> Dataset:
    whole = _root(datasets)
    shared, measures, orientation = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = datasets[0].PixelSpacing, datasets[0].SliceThickness
    orientation.ImageOrientationPatient = datasets[0].ImageOrientationPatient
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    whole.SharedFunctionalGroupsSequence = [shared]
    whole.PerFrameFunctionalGroupsSequence = [_group(dataset) for dataset in datasets]
    return whole


def _root(datasets: list[Dataset]) -> Dataset:
    first, whole = datasets[0], Dataset()
    whole.file_meta = FileMetaDataset()
    whole.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for element in first:
        if element.keyword not in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"):
            whole.add(element)
    whole.SOPClassUID, whole.SOPInstanceUID = EnhancedMRImageStorage, generate_uid(entropy_srcs=["enhanced"])
    whole.file_meta.MediaStorageSOPClassUID = whole.SOPClassUID
    whole.file_meta.MediaStorageSOPInstanceUID = whole.SOPInstanceUID
    whole.NumberOfFrames = len(datasets)
    whole.PixelData = b"".join(dataset.PixelData for dataset in datasets)
    return whole


def _group(dataset: Dataset) -> Dataset:
    group, position, content = Dataset(), Dataset(), Dataset()
    position.ImagePositionPatient = dataset.ImagePositionPatient
    content.StackID, content.InStackPositionNumber = "1", int(dataset.InstanceNumber)
    group.PlanePositionSequence, group.FrameContentSequence = [position], [content]
    return group
