"""Tiny DICOM objects of known geometry and values, for the tests of the reader."""

from pathlib import Path

import numpy as np
from pydicom import Dataset, FileMetaDataset
from pydicom.data import get_testdata_file
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.tag import BaseTag
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage

SAGITTAL = [0, 1, 0, 0, 0, -1]  # rows lead to the back, columns to the feet: the normal leads to the right
AXIAL = [1, 0, 0, 0, 1, 0]


def real(name: str) -> Path:
    """A real file that ships with pydicom or pydicom-data; never downloaded."""
    path = get_testdata_file(name, download=False)
    assert path, f"{name} is missing: install pydicom-data"
    return Path(path)


def sample(stored=((0, 1), (2, 3)), bits=16, signed=False, **elements) -> Dataset:
    """An MR image of stored values, MONOCHROME2 unless told otherwise; `elements` are set on the dataset."""
    stored = np.asarray(stored)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = CTImageStorage if elements.get("Modality") == "CT" else MRImageStorage
    dataset.Modality = "MR"
    dataset.PatientID, dataset.PatientName = "12345", "Doe^Jane"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID = "1.2.1", "1.2.1.1", "1.2.1.1.1"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = stored.shape[-2:]
    if stored.ndim == 3:
        dataset.NumberOfFrames = len(stored)
    allocated = 8 if bits <= 8 else 16
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = allocated, bits, bits - 1
    dataset.PixelRepresentation = int(signed)
    data = stored.astype(f"<{'i' if signed else 'u'}{allocated // 8}").tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    dataset["PixelData"].VR = "OW"
    return dataset


def save(dataset: Dataset, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def save_stack(folder: Path, positions, orientation=SAGITTAL, axis=0, series="1.2.1.1", **elements) -> list[Path]:
    """One file a position along a patient axis, in a shuffled order of names and numbers; pixels tell the index."""
    order = np.random.default_rng(len(positions)).permutation(len(positions))
    paths = []
    for name, index in enumerate(order):
        origin = [0.0, 0.0, 0.0]
        origin[axis] = positions[index]
        dataset = sample(np.full((2, 2), index), **elements)
        dataset.SeriesInstanceUID, dataset.SOPInstanceUID = series, f"{series}.{index}"
        dataset.ImageOrientationPatient, dataset.ImagePositionPatient = orientation, origin
        dataset.InstanceNumber = name + 1
        paths.append(save(dataset, folder / f"{name:03d}.dcm"))
    return paths


def save_slices(folder: Path, edit=lambda dataset, k: None, count=15, gap=4.0, **elements) -> list[Path]:
    """A sagittal T2 series as it should be: slice k in IM<k>.dcm with pixels of k + 1, `gap` mm apart around x = 0.

    `edit` may spoil the header of each slice.
    """
    paths = []
    for k in range(count):
        dataset = sample(np.full((2, 2), k + 1), Modality="MR", SeriesDescription="SAG T2", SeriesNumber=3)
        dataset.ImageOrientationPatient = SAGITTAL
        dataset.ImagePositionPatient = [gap * (k - (count - 1) / 2), 0, 0]
        dataset.SOPInstanceUID, dataset.InstanceNumber = f"1.2.1.1.{k + 1}", k + 1
        dataset.PixelSpacing = [0.5, 0.5]
        for keyword, value in elements.items():
            setattr(dataset, keyword, value)
        edit(dataset, k)
        paths.append(save(dataset, folder / f"IM{k:03d}.dcm"))
    return paths


def put_raw(dataset: Dataset, keyword: str, text: str) -> None:
    """Set an element to a text that pydicom would refuse to write as a number."""
    tag = tag_for_keyword(keyword)
    assert tag is not None
    text += " " * (len(text) % 2)
    dataset[tag] = RawDataElement(BaseTag(tag), dictionary_VR(tag), len(text), text.encode(), 0, False, True)
