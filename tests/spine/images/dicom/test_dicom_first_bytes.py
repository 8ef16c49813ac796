"""Files without the preamble of PS3.10: which are DICOM, and what lies beside them."""

import numpy as np
import pytest
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from spine.images.dicom.first_bytes import begins_as_dataset, is_text
from spine.intake.reading import kind_of, read_images
from tests.spine.images.dicom.dicom_samples import real, sample, save_slices

DATASETS = {
    "group length, implicit": b"\x08\0\0\0\4\0\0\0\xa8\0\0\0",
    "group length, explicit": b"\x08\0\0\0UL\4\0\xa8\0\0\0",
    "file meta without preamble": b"\2\0\0\0UL\4\0\xa8\0\0\0",
    "character set, explicit": b"\x08\0\5\0CS\x0a\0ISO_IR 100",
    "image type, implicit": b"\x08\0\x08\0\x10\0\0\0ORIGINAL\\PRIMARY",
    "character set, big endian": b"\0\x08\0\5CS\0\x0aISO_IR 100",
    "language codes, a sequence": b"\x08\0\6\0SQ\0\0\xff\xff\xff\xff",
}
OTHERS = {
    "nothing": b"",
    "few bytes": b"\x08\0\5\0CS",
    "text": b"Readme: these are the slices of",
    "no group of a beginning": b"\x28\0\x10\0US\2\0\0\1",
    "an odd length": b"\x08\0\5\0CS\x0b\0ISO_IR 100",
    "a length beyond all elements": b"\x08\0\x08\0\0\0\x10\0ORIGINAL",
    "words of 16 bits": np.array([8, 700, 9, 31], "<u2").tobytes(),
    "no VR": b"\x08\0\5\0cs\x0a\0ISO_IR 100",
    "zeros": bytes(352),
}


@pytest.mark.parametrize("what", DATASETS)
def test_what_begins_as_a_dataset(what):
    assert begins_as_dataset(DATASETS[what])


@pytest.mark.parametrize("what", OTHERS)
def test_what_does_not(what):
    assert not begins_as_dataset(OTHERS[what])


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("name", ["IM0001", "1.2.840.113619.2.5", "scan.bin"])
def test_a_dataset_alone_is_read_whatever_its_name_and_syntax(tmp_path, syntax, name):
    dataset = sample([[1, 2], [3, 4]])
    if syntax == ExplicitVRBigEndian:
        dataset.PixelData = np.array([[1, 2], [3, 4]], ">u2").tobytes()
    del dataset.file_meta
    implicit, little = syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian
    dataset.save_as(tmp_path / name, implicit_vr=implicit, little_endian=little)
    assert kind_of(tmp_path / name) == "dicom"
    for kind in ("auto", "dicom"):
        (picture,) = read_images(tmp_path, kind)
        assert picture.pixels.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("name", ["ExplVR_LitEndNoMeta.dcm", "MR_small_implicit.dcm", "JPGExtended.dcm"])
def test_real_files_are_told_by_their_bytes(tmp_path, name):
    path = tmp_path / "IM1"
    path.write_bytes(real(name).read_bytes())
    assert kind_of(path) == "dicom"


TEXTS = {"README": b"Slices of a spine.\n\tSee the papers.\n", "LIESMICH": "Schädel\r\n".encode(), "VERSION": b"1"}


@pytest.mark.parametrize("name", ["viewer.exe", "Thumbs.db", "study.gz", "1.2.3.doc"])
def test_what_has_another_suffix_is_passed_over(tmp_path, name):
    save_slices(tmp_path, count=3)
    (tmp_path / name).write_bytes(b"MZ\x90\0\3" + bytes(500))
    images = read_images(tmp_path, "dicom")
    assert len(list(images)) == 3
    assert images.problems == []


def test_texts_beside_slices_are_passed_over(tmp_path):
    save_slices(tmp_path, count=3)
    for path in sorted(tmp_path.glob("IM*")):
        path.rename(path.with_suffix(""))
    for name, data in {**TEXTS, "NOTES": "Wirbel".encode("utf-16"), "Makefile.am": b"all:\n"}.items():
        assert is_text(data)
        (tmp_path / name).write_bytes(data)
    images = read_images(tmp_path, "dicom")
    assert len(list(images)) == 3
    assert images.problems == []


@pytest.mark.parametrize("data", [b"", bytes(1000), b"PK\3\4" + bytes(500)])
def test_a_damaged_slice_without_a_suffix_is_an_error(tmp_path, data):
    save_slices(tmp_path, count=3)
    names = ("IM9", "1.2.840.9")
    for name in names:
        (tmp_path / name).write_bytes(data)
    images = read_images(tmp_path, "dicom")
    assert len(list(images)) == 3
    told = {(problem.path, problem.severity) for problem in images.problems}
    assert told == {(str(tmp_path / name), "error") for name in names}


def test_a_picture_with_an_empty_list_of_records_is_no_directory(tmp_path):
    dataset = sample([[1, 2], [3, 4]], DirectoryRecordSequence=[])
    dataset.save_as(tmp_path / "IM1", enforce_file_format=True)
    (picture,) = read_images(tmp_path, "dicom")
    assert picture.pixels.tolist() == [[1, 2], [3, 4]]
