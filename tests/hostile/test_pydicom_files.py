"""pydicom's 244 test files as one tree: each is read with the standard's values, or told, with its reason.

176 files come with pydicom and 68 with pydicom-data. Eleven more are fetched from the internet by pydicom on first use
(its urls.json, less what pydicom-data holds): they are not here, and nothing is fetched.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import data_store
import numpy as np
import pydicom.data
import pytest
from pydicom import dcmread
from pydicom.pixels import get_decoder

from spine.intake.reading import read_images
from tests.hostile.standard_grey import expected

pytestmark = pytest.mark.slow

PLACES = {
    "bundled": Path(pydicom.data.__file__).parent / "test_files",
    "more": Path(data_store.__file__).parent / "data",
}
NO_PICTURES = ("*README*", "*.icc", "*.dump", "*.json", "*.gz", "*/DICOMDIR*")  # passed over in silence
TOLD = {  # file -> words of the reason, the first pattern that fits
    "*_32bit*.dcm": "32 bits",
    "*/JPEG-lossy.dcm": "JPEG of 12 bits",  # of which no installed codec knows
    "*/JPGExtended.dcm": "JPEG of 12 bits",
    "*/JPEG2000-embedded-sequence-delimiter.dcm": "its compressed pixel data states",  # bytes like a delimiter cut it
    "*/emri_small_jpeg_2k_lossless_too_short.dcm": "BitsAllocated is missing",  # cut within its header
    "*/MR_truncated.dcm": "lacks the last 62 bytes",
    "*/TINY_ALPHA/*/IM*": "ends before its image",  # headers whose pixels were taken out
    "*/no_meta.dcm": "is no DICOM file",
    "*/ExplVR_*NoMeta.dcm": "without an image (RT Ion Plan",
    "*/rtdose*.dcm": "without an image (RT Dose",
    "*/badVR.dcm": "without an image (RT Dose",
    "*/rtplan*.dcm": "without an image (RT Plan",
    "*/rtstruct.dcm": "without an image (RT Structure Set",
    "*/liver*.dcm": "without an image (Segmentation",
    "*/reportsi*.dcm": "without an image (Basic Text SR",
    "*/test-SR.dcm": "without an image (Comprehensive SR",
    "*/waveform_ecg.dcm": "without an image (12-lead ECG",
    **dict.fromkeys(
        [
            *("*/UN_sequence.dcm", "*/empty_charset_LEI.dcm", "*/meta_missing_tsyntax.dcm", "*/nested_priv_SQ.dcm"),
            *("*/no_meta_group_length.dcm", "*/priv_SQ.dcm"),
        ],
        "without an image (unknown class)",
    ),
}
COPIES = 46  # files of an image that another file holds in another encoding: of those the first is taken


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    """All files under one root."""
    root = tmp_path_factory.mktemp("pydicom")
    for place, folder in PLACES.items():
        for file in (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
            (root / place / file.relative_to(folder)).parent.mkdir(parents=True, exist_ok=True)
            (root / place / file.relative_to(folder)).symlink_to(file)
    return root


@pytest.fixture(scope="module")
def read(tree):
    """What is read of the tree: frames by file, problems by file."""
    frames, told = defaultdict(dict), defaultdict(list)
    images = read_images(tree, slices=None)
    for picture in images:
        name, _, number = picture.name.partition("#")
        frames[name][int(number or 0)] = picture.pixels
    for problem in images.problems:
        told[Path(problem.path)].append(problem.reason)
    return dict(frames), dict(told)


def names(tree: Path) -> list[str]:
    return sorted(path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file())


def fits(name: str, patterns) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def copies(tree: Path, frames) -> list[str]:
    """The pictures that were not read and should not be refused."""
    return [name for name in names(tree) if name not in frames and not fits(name, (*NO_PICTURES, *TOLD))]


def test_there_are_244_files(tree):
    assert len(names(tree)) == 244


def test_every_file_is_read_told_with_its_reason_or_no_picture_at_all(tree, read):
    frames, told = read
    wrong = []
    for name in names(tree):
        reasons = " | ".join(told.get(tree / name, []))
        reason = next((words for pattern, words in TOLD.items() if fnmatch(name, pattern)), None)
        if fits(name, NO_PICTURES):
            good = name not in frames and not reasons
        else:
            good = reason is None or (name not in frames and reason in reasons)
        wrong += [] if good else [f"{name}: {'read' if name in frames else 'not read'}, told: {reasons or 'nothing'}"]
    assert not wrong, "\n".join(wrong)


def test_copies_are_counted(tree, read):
    frames, told = read
    assert len(copies(tree, frames)) == COPIES
    assert any(f"and so are {COPIES - 1} more" in reason for reasons in told.values() for reason in reasons)


def test_values_are_those_of_the_standard(tree, read):
    frames, _ = read
    wrong, compared = [], 0
    for name in (*frames, *copies(tree, frames)):
        wanted = _wanted(tree / name)
        found = frames.get(name) or _original(tree, name, wanted, frames)
        compared += len(wanted)
        wrong += [f"{name}: {len(found)} of {len(wanted)} frames were read"] if len(found) != len(wanted) else []
        wrong += [
            f"{name} frame {number}: off by up to {_apart(wanted[number], pixels)}"
            for number, pixels in found.items()
            if not np.array_equal(wanted[number], pixels)
        ]
    assert not wrong, "\n".join(wrong)
    assert compared > 300


def _original(tree: Path, name: str, wanted: list[np.ndarray], frames) -> dict[int, np.ndarray]:
    """The frames of the file that was read in place of a copy: of the same image, with the same values."""
    instance = _instance(tree / name)
    same = [found for other, found in frames.items() if _instance(tree / other) == instance]
    alike = (found for found in same if len(found) == len(wanted))
    return next((found for found in alike if all(np.array_equal(wanted[k], found[k]) for k in found)), {})


@cache
def _instance(path: Path) -> str:
    return str(dcmread(path, force=True, stop_before_pixels=True).get("SOPInstanceUID", path))


def _wanted(path: Path) -> list[np.ndarray]:
    """The frames of a file by the standard; the codecs are pydicom's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = dcmread(path, force=True)
        if "TransferSyntaxUID" not in dataset.file_meta:
            dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2" + ("" if dataset.original_encoding[0] else ".1")
        decoder = get_decoder(dataset.file_meta.TransferSyntaxUID)
        stored, known = decoder.as_array(dataset, raw=True)
    frames = stored if known["number_of_frames"] > 1 else stored[None]
    photometric = known["photometric_interpretation"]
    return [expected(dataset, frame, str(photometric), number) for number, frame in enumerate(frames)]


def _apart(wanted: np.ndarray, pixels: np.ndarray) -> object:
    same = wanted.shape == pixels.shape
    return np.abs(wanted - pixels).max() if same else f"shapes {wanted.shape} and {pixels.shape}"
