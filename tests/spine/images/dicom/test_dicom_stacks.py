"""Slices whose UIDs do not say that they form a stack, or say that all do: the middle is the right one all the same."""

import time
from pathlib import Path

import numpy as np
import pytest

from spine.images.dicom.image import Image
from spine.images.dicom.series import find_series
from spine.images.dicom.stacks import stacks_of
from tests.spine.images.dicom.dicom_choice import MIDDLE, NOBODY, OWN, STUDY, choose, deleting, own, setting
from tests.spine.images.dicom.dicom_samples import AXIAL, save_slices

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's, of what these tests write on purpose


@pytest.mark.parametrize(
    "edit",
    [
        setting(),
        setting(SeriesInstanceUID=""),
        deleting("SeriesInstanceUID"),
        setting(**OWN),
        setting(**OWN, **STUDY),
        setting(**OWN, SeriesNumber=lambda k: k + 1),
        setting(**OWN, **STUDY, SeriesNumber=None, SeriesDescription="", EchoTime=100, RepetitionTime=3500),
        setting(**OWN, **STUDY, **NOBODY),
        setting(SeriesInstanceUID="", StudyInstanceUID="", **NOBODY),
        setting(SeriesInstanceUID=lambda k: "" if k < 6 else "1.9"),  # some lost it
        setting(SeriesInstanceUID=lambda k: f"1.9.{k % 2}"),  # the even and the odd slices have one each
        setting(**OWN, ImageOrientationPatient=lambda k: [0, 1, 0.001 * (k % 3), 0, 0, -1]),  # rounding
        setting(Modality="", SeriesInstanceUID=""),  # the object's class tells that it is MR
        setting(ImageOrientationPatient=lambda k: [0, 1, 0, 0, 0, 1 if k == 3 else -1]),  # one is mirrored
        setting(EchoTime=lambda k: 191 if k == 12 else 101),
        setting(EchoTime=lambda k: 101 + 0.01 * k),
        setting(InstanceNumber=lambda k: 15 - k),
        setting(InstanceNumber=lambda k: (k * 4) % 15 + 1),  # interleaved
        setting(InstanceNumber=1),
    ],
)
def test_the_middle_is_found_without_a_warning(tmp_path, edit):
    save_slices(tmp_path, edit)
    assert choose(tmp_path) == ([MIDDLE], [])
    assert sorted(choose(tmp_path, 3)[0]) == [7, 8, 9]


@pytest.mark.parametrize("shift", [0.0, 2.0])
def test_series_that_share_one_uid_come_apart(tmp_path, shift):
    save_slices(tmp_path / "t2")
    t1 = {"SeriesDescription": "SAG T1", "SeriesNumber": 4, "SOPInstanceUID": own("1.6")}
    place = {"ImagePositionPatient": lambda k: [4.0 * k - 28 + shift, 0, 0]}
    save_slices(tmp_path / "t1", setting(**t1, **place))
    series, problems = find_series(sorted(tmp_path.rglob("*.dcm")))
    assert [(one.sequence, len(one.slices)) for one in series] == [("T1W", 15), ("T2W", 15)]
    assert problems == []
    assert choose(tmp_path) == ([MIDDLE], [])


def test_patients_that_share_one_uid_come_apart(tmp_path):
    save_slices(tmp_path / "a")
    save_slices(tmp_path / "b", setting(SOPInstanceUID=own("1.6")), PatientID="B")
    assert choose(tmp_path) == ([MIDDLE, MIDDLE], [])


@pytest.mark.parametrize("uids", [{}, OWN, {"SeriesInstanceUID": ""}])
def test_echoes_come_apart_whatever_their_uids(tmp_path, uids):
    for name, echo in (("pd", 15), ("t2", 90)):
        tags = {**uids, "EchoTime": echo, "RepetitionTime": 3000, "SeriesDescription": "sag"}
        save_slices(tmp_path / name, setting(**tags, SOPInstanceUID=own(f"1.6.{echo}")))
    series, _ = find_series(sorted(tmp_path.rglob("*.dcm")))
    assert sorted((one.sequence, len(one.slices)) for one in series) == [("PDW", 15), ("T2W", 15)]


def test_repetitions_at_one_place_are_one_slice_the_first_that_was_acquired(tmp_path):
    save_slices(tmp_path / "first")
    again = {"SOPInstanceUID": own("1.6"), "InstanceNumber": lambda k: k + 16}
    for path in save_slices(tmp_path / "again", setting(**again)):
        path.rename(tmp_path / "first" / f"A{path.name}")
    values, problems = choose(tmp_path, 3)
    assert sorted(values) == [7, 8, 9]
    assert problems == []
    (series,), _ = find_series(sorted(tmp_path.rglob("*.dcm")))
    assert {one[0].number for one in series.layers} == set(range(1, 16))


def test_stations_of_a_long_spine_in_one_series_come_apart(tmp_path):
    save_slices(tmp_path / "s", setting(ImagePositionPatient=lambda k: [4.0 * (k % 8), 0, 250.0 * (k // 8)]), count=16)
    series, _ = find_series(sorted(tmp_path.rglob("*.dcm")))
    assert [len(one.slices) for one in series] == [8, 8]


def test_two_planes_in_one_series_without_uids_come_apart(tmp_path):
    save_slices(tmp_path / "sag", setting(SeriesInstanceUID=""))
    axial = {"ImageOrientationPatient": AXIAL, "ImagePositionPatient": lambda k: [0, 0, 4.0 * k]}
    save_slices(tmp_path / "ax", setting(**axial, SeriesInstanceUID="", SOPInstanceUID=own("1.6")), count=20)
    assert choose(tmp_path) == ([MIDDLE], [])


@pytest.mark.parametrize(
    "uid",
    [lambda k: "1.2.3", lambda k: f"1.2.{k}", lambda k: "", lambda k: f"1.2.{k // 15}"],
    ids=["one", "each", "none", "every 15"],
)
def test_a_tree_of_20000_slices_is_no_work_of_minutes(uid):
    rng = np.random.default_rng(1)
    images = []
    for k in range(20_000):
        row = rng.normal(size=3) if k % 2 else np.array([0.0, 1.0, 0.0])  # half of the planes lead anywhere
        row /= np.linalg.norm(row)
        column = np.cross(row, [1.0, 0.0, 0.0])
        column /= np.linalg.norm(column)
        images.append(_image(k, uid(k), (*row, *column)))
    start = time.perf_counter()
    stacks = stacks_of(images)
    assert time.perf_counter() - start < 30
    assert sum(map(len, stacks)) == 20_000


def _image(k, uid, orientation):
    texts = dict.fromkeys(("study", "series_number", "reference", "description", "sequence", "date", "stack"), "")
    known = {"patient": "P", "uid": uid, "instance": f"1.{k}", "modality": "MR", "size": ("2", "2"), "number": k}
    flags = {"localizer": False}
    place = {"place": k, "orientation": orientation, "origin": (4.0 * k, 0.0, 0.0)}
    return Image(Path(f"{k // 15}/{k:05d}"), 0, 1, **texts, **known, **flags, **place)


@pytest.mark.parametrize(
    ("kinds", "chosen"),
    [
        (["F\\F", "W\\W"], 1),
        (["DIXON\\OPP_PHASE", "DIXON\\FAT", "DIXON\\IN_PHASE", "DIXON\\WATER"], 2),
        (["PHASE MAP\\P", "M_FFE\\M"], 1),
    ],
)
def test_of_images_of_several_kinds_at_one_place_that_which_is_graded_is_chosen(tmp_path, kinds, chosen):
    for number, kind in enumerate(kinds):

        def edit(dataset, k, number=number, kind=kind):
            dataset.ImageType = ["DERIVED", "PRIMARY", *kind.split("\\")]
            dataset.SOPInstanceUID, dataset.InstanceNumber = f"1.7.{number}.{k}", len(kinds) * k + number + 1
            dataset.PixelData = np.full((2, 2), 10 * number + k, "<u2").tobytes()

        save_slices(tmp_path / str(number), edit, count=5)
    assert choose(tmp_path) == ([10 * chosen + 2], [])


def test_a_phase_image_is_told_where_there_is_no_other(tmp_path):
    save_slices(tmp_path, ImageType=["ORIGINAL", "PRIMARY", "PHASE MAP", "P", "FFE"])
    values, (problem,) = choose(tmp_path)
    assert values == [MIDDLE]
    assert "its ImageType is ORIGINAL/PRIMARY/PHASE MAP/P/FFE: a phase, part or fat image was taken" in problem.reason
