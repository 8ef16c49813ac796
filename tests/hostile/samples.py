"""Small good inputs of every kind of picture: three patients, one file each, of which `p1` is the one to mutate.

make = PICTURES["png"]         # writes p1.png, p2.png, p3.png into a folder
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import SimpleITK as sitk
from PIL import Image
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from tests.spine.images.dicom.dicom_samples import SAGITTAL, sample, save

__all__ = ["PATIENTS", "PICTURES", "grey", "write_png"]

PATIENTS = ("p1", "p2", "p3")
HEIGHT, WIDTH = 20, 24


def grey(number: int, bits: int = 12) -> np.ndarray:
    """(H, W) uint16, a slope under a little noise: no two pictures alike."""
    random = np.random.default_rng(number)
    slope = np.add.outer(np.arange(HEIGHT) * 20, np.arange(WIDTH) * 30) + 100 * number
    values = (slope + random.integers(0, 200, slope.shape)).astype(np.uint16)
    return values if bits > 8 else (values >> 3).clip(0, 255).astype(np.uint8)


def write_png(folder: Path, number: int) -> None:
    cv2.imwrite(str(folder / f"p{number}.png"), grey(number))


def _png(folder: Path, number: int, mode: str) -> None:
    Image.fromarray(grey(number, 8)).convert(mode).save(folder / f"p{number}.png")


def _jpeg(folder: Path, number: int) -> None:
    picture = np.kron(grey(number, 8), np.ones((4, 4), np.uint8))
    cv2.imwrite(str(folder / f"p{number}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 95])


def _tiff(folder: Path, number: int, **options) -> None:
    Image.fromarray(grey(number)).save(folder / f"p{number}.tif", **options)


def _tiff_pages(folder: Path, number: int) -> None:
    pages = [Image.fromarray(grey(number + 10 * page)) for page in range(2)]
    pages[0].save(folder / f"p{number}.tif", save_all=True, append_images=pages[1:])


def _tiff_colour(folder: Path, number: int) -> None:
    Image.fromarray(np.dstack([grey(number, 8)] * 3)).save(folder / f"p{number}.tif")


def _tiff_of_libtiff(folder: Path, number: int, pixels: np.ndarray) -> None:
    cv2.imwrite(str(folder / f"p{number}.tif"), pixels, [cv2.IMWRITE_TIFF_COMPRESSION, 5])


def _volume(folder: Path, number: int, suffix: str, compressed: bool = False, kind: type = np.int16) -> None:
    slices = np.stack([grey(number + 10 * k) for k in range(3)]).astype(kind)
    volume = sitk.GetImageFromArray(slices)
    volume.SetSpacing((0.5, 0.7, 4.0))
    volume.SetDirection((0, 0, 1, 1, 0, 0, 0, 1, 0))
    sitk.WriteImage(volume, str(folder / f"p{number}{suffix}"), compressed)


def _dicom_file(folder: Path, dataset: Dataset, number: int) -> Path:
    return save(dataset, folder / f"p{number}.dcm")


def _dicom(number: int, bits: int = 12, **elements) -> Dataset:
    """A sagittal T2W slice of its own patient, study and series."""
    told = {
        **{"PatientID": f"p{number}", "SeriesDescription": "T2 sag", "InstanceNumber": 1, "SliceThickness": 4},
        **{"StudyInstanceUID": f"1.2.{number}", "SeriesInstanceUID": f"1.2.{number}.1"},
        **{"SOPInstanceUID": f"1.2.{number}.1.1", "PixelSpacing": [0.5, 0.7], "RescaleSlope": 1, "RescaleIntercept": 0},
        **{"ImageOrientationPatient": SAGITTAL, "ImagePositionPatient": [1.0, 2.0, 3.0]},
        **{"RepetitionTime": 3000, "EchoTime": 100, "ScanningSequence": "SE"},
        **elements,
    }
    return sample(grey(number, bits), bits, **told)


def _native(folder: Path, number: int) -> None:
    window = {"WindowCenter": 700, "WindowWidth": 1400}
    _dicom_file(folder, _dicom(number, **(window if number == 1 else {})), number)


def _tables(folder: Path, number: int) -> None:
    """A modality LUT and a VOI LUT."""
    modality, voi = _table([2048, 0, 16], np.arange(0, 4096, 2)), _table([4096, 0, 12], np.arange(4095, -1, -1))
    modality.ModalityLUTType = "US"
    _dicom_file(folder, _dicom(number, ModalityLUTSequence=[modality], VOILUTSequence=[voi]), number)


def _table(descriptor: list[int], values: np.ndarray) -> Dataset:
    table = Dataset()
    table.add_new("LUTDescriptor", "US", descriptor)
    table.add_new("LUTData", "OW", values.astype("<u2").tobytes())
    return table


def _stack(folder: Path, number: int) -> None:
    """Three slices a patient, so that one is chosen; the first patient's middle one is mutated."""
    for k in range(3):
        place = {
            "ImagePositionPatient": [4.0 * k, 2.0, 3.0],
            "InstanceNumber": k + 1,
            "SOPInstanceUID": f"1.2.{number}.1.{k}",
        }
        dataset = _dicom(number, **place)
        save(dataset, folder / (f"p{number}.dcm" if k == 1 else f"s{number}{k}.dcm"))


def _in_syntax(folder: Path, number: int, syntax: str) -> None:
    dataset = _dicom(number)
    if syntax in (RLELossless, JPEGLSLossless):
        dataset.compress(syntax)
    dataset.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRBigEndian:
        dataset.PixelData = grey(number).astype(">u2").tobytes()
    little, implicit = syntax != ExplicitVRBigEndian, syntax == ImplicitVRLittleEndian
    dataset.save_as(folder / f"p{number}.dcm", enforce_file_format=True, little_endian=little, implicit_vr=implicit)


def _of_gdcm(folder: Path, number: int, syntax: str) -> None:
    import gdcm

    path = str(_dicom_file(folder, _dicom(number), number))
    reader = gdcm.ImageReader()
    reader.SetFileName(path)
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, syntax)))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(path)
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()


def _jpeg_dicom(folder: Path, number: int) -> None:
    dataset = _dicom(number, 8)
    _, stream = cv2.imencode(".jpg", grey(number, 8))
    dataset.PixelData = encapsulate([stream.tobytes()])
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    _dicom_file(folder, dataset, number)


def _frames(folder: Path, number: int) -> None:
    frames = np.stack([grey(number + 10 * k) for k in range(2)])
    dataset = _dicom(number, NumberOfFrames=2, Modality="US")
    del dataset.ImageOrientationPatient, dataset.ImagePositionPatient
    dataset.PixelData = frames.astype("<u2").tobytes()
    _dicom_file(folder, dataset, number)


def _three(write: Callable[[Path, int], None], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, 1 + len(PATIENTS)):
        write(folder, number)


def _three_of(write: Callable[..., None], **options) -> Callable[[Path], None]:
    return partial(_three, partial(write, **options))


def _gzipped(folder: Path, number: int) -> None:
    _volume(folder, number, ".nii")
    file = folder / f"p{number}.nii"
    (folder / f"p{number}.nii.gz").write_bytes(gzip.compress(file.read_bytes(), mtime=0))
    file.unlink()


def _tiff_float(folder: Path, number: int) -> None:
    _tiff_of_libtiff(folder, number, grey(number).astype(np.float32) / 7)


PICTURES: dict[str, tuple[str, str, Callable[[Path], None]]] = {  # reader -> suffix, kind of mutations, maker
    "dicom native": (".dcm", "dicom", _three_of(_native)),
    "dicom tables": (".dcm", "dicom", _three_of(_tables)),
    "dicom stack": (".dcm", "dicom", _three_of(_stack)),
    "dicom frames": (".dcm", "dicom", _three_of(_frames)),
    "dicom implicit": (".dcm", "", _three_of(_in_syntax, syntax=ImplicitVRLittleEndian)),
    "dicom big endian": (".dcm", "", _three_of(_in_syntax, syntax=ExplicitVRBigEndian)),
    "dicom deflated": (".dcm", "deflated dicom", _three_of(_in_syntax, syntax=DeflatedExplicitVRLittleEndian)),
    "dicom RLE": (".dcm", "dicom", _three_of(_in_syntax, syntax=RLELossless)),
    "dicom JPEG": (".dcm", "dicom", _three_of(_jpeg_dicom)),
    "dicom JPEG lossless": (".dcm", "dicom", _three_of(_of_gdcm, syntax="JPEGLosslessProcess14_1")),
    "dicom JPEG-LS": (".dcm", "dicom", _three_of(_in_syntax, syntax=JPEGLSLossless)),
    "dicom JPEG 2000": (".dcm", "dicom", _three_of(_of_gdcm, syntax="JPEG2000Lossless")),
    "png": (".png", "png", _three_of(write_png)),
    "png colour": (".png", "png", _three_of(_png, mode="RGBA")),
    "png palette": (".png", "png", _three_of(_png, mode="P")),
    "jpeg": (".jpg", "jpeg", _three_of(_jpeg)),
    "tiff": (".tif", "tiff", _three_of(_tiff)),
    "tiff pages": (".tif", "tiff", _three_of(_tiff_pages)),
    "tiff colour": (".tif", "tiff", _three_of(_tiff_colour)),
    "tiff deflate": (".tif", "tiff", _three_of(_tiff, compression="tiff_adobe_deflate")),
    "tiff lzw": (".tif", "tiff", _three_of(_tiff, compression="tiff_lzw")),
    "tiff float": (".tif", "tiff", _three_of(_tiff_float)),
    "nifti": (".nii", "nifti", _three_of(_volume, suffix=".nii")),
    "nifti float": (".nii", "nifti", _three_of(_volume, suffix=".nii", kind=np.float32)),
    "nifti.gz": (".nii.gz", "nifti.gz", _three_of(_gzipped)),
    "mha": (".mha", "header", _three_of(_volume, suffix=".mha")),
    "mha packed": (".mha", "packed header", _three_of(_volume, suffix=".mha", compressed=True)),
    "mhd": (".mhd", "header", _three_of(_volume, suffix=".mhd")),
    "nrrd": (".nrrd", "header", _three_of(_volume, suffix=".nrrd")),
    "nrrd packed": (".nrrd", "packed header", _three_of(_volume, suffix=".nrrd", compressed=True)),
    "nhdr": (".nhdr", "header", _three_of(_volume, suffix=".nhdr")),
}
