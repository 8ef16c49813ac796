"""Headers that do not tell where slices lie, or tell it wrongly: the middle is right, or a warning says why not."""

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import ImplicitVRLittleEndian

from spine.intake.reading import read_images
from tests.spine.images.dicom.dicom_choice import MIDDLE, OWN, choose, deleting, setting, told
from tests.spine.images.dicom.dicom_samples import AXIAL, SAGITTAL, put_raw, sample, save, save_slices, save_stack

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's, of what these tests write on purpose


@pytest.mark.parametrize(
    ("edit", "word"),
    [
        (setting(ImagePositionPatient=[0, 0, 0], SliceLocation=lambda k: 4.0 * k), "SliceLocation"),
        (setting(ImagePositionPatient=None, SliceLocation=lambda k: 4.0 * k, InstanceNumber=1), "SliceLocation"),
        (setting(ImagePositionPatient=[0, 0, 0]), "InstanceNumber"),
        (deleting("ImagePositionPatient"), "InstanceNumber"),
        (deleting("ImagePositionPatient", "ImageOrientationPatient"), "InstanceNumber"),  # its description says SAG
        (setting(ImagePositionPatient=[0, 0, 0], **OWN), "InstanceNumber"),
        (setting(ImagePositionPatient=None, SeriesInstanceUID=""), "InstanceNumber"),
        (setting(ImagePositionPatient=lambda k: None if k == 0 else [4.0 * k, 0, 0]), "InstanceNumber"),
    ],
)
def test_what_else_tells_the_order_is_taken_and_told(tmp_path, edit, word):
    save_slices(tmp_path, edit)
    values, problems = choose(tmp_path)
    assert values == [MIDDLE]
    assert [problem.severity for problem in problems] == ["warning"]
    assert told(problems, str(tmp_path), f"the order of its slices is that of {word}")


def test_positions_on_a_line_tell_the_plane_where_the_orientation_is_missing(tmp_path):
    save_slices(tmp_path, setting(ImageOrientationPatient=None, SeriesDescription="T2"))
    assert choose(tmp_path) == ([MIDDLE], [])
    save_stack(tmp_path / "axial", [0, 4, 8], axis=2, PatientID="B", SeriesDescription="T2")
    for path in (tmp_path / "axial").iterdir():
        save(_without_orientation(path), path)
    assert told(choose(tmp_path / "axial")[1], "no sagittal series")


def _without_orientation(path):
    dataset = dcmread(path)
    del dataset.ImageOrientationPatient
    return dataset


@pytest.mark.parametrize(
    "text", ["nan\\0\\0", "inf\\0\\0", "1e30\\0\\0", "left\\0\\0", "28\\0", "\\0\\0", "1_0\\0\\0", "99999\\0\\0"]
)
@pytest.mark.parametrize("k", [0, 7, 14])
def test_a_damaged_position_is_told_and_does_not_move_the_middle(tmp_path, text, k):
    save_slices(tmp_path, lambda dataset, at: at == k and put_raw(dataset, "ImagePositionPatient", text))
    values, problems = choose(tmp_path)
    assert values == [MIDDLE]  # the numbers run along the other positions, so they tell
    assert told(problems, f"IM{k:03d}.dcm", "ImagePositionPatient", "damaged")
    assert len(list(read_images(tmp_path))) == 15  # where every slice is wanted, none is lost


def test_a_damaged_position_among_interleaved_numbers_leaves_its_slice_out_of_the_choice(tmp_path):
    def edit(dataset, k):
        dataset.InstanceNumber = (k * 4) % 15 + 1
        if k == 14:
            put_raw(dataset, "ImagePositionPatient", "nan\\0\\0")

    save_slices(tmp_path, edit)
    values, problems = choose(tmp_path)
    assert values == [MIDDLE]  # the middle of 1..14 lies between 7 and 8; 8 is the lower along the normal, -x
    assert told(problems, "1 of 15 slices do not tell where they lie", "IM014")


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("ImageOrientationPatient", "nan\\1\\0\\0\\0\\-1"),
        ("ImageOrientationPatient", "0\\2\\0\\0\\0\\-1"),  # no unit vector
        ("ImageOrientationPatient", "0\\1\\0\\0\\0.7\\-0.7"),  # no right angle
        ("ImageOrientationPatient", "0\\0\\0\\0\\0\\0"),
        ("ImageOrientationPatient", "0\\1\\0"),
        ("InstanceNumber", "three"),
        ("InstanceNumber", "1e30"),
        ("InstanceNumber", "2.5"),
        ("EchoTime", "inf"),
        ("PixelSpacing", "0.5"),
        ("SliceLocation", "nan"),
    ],
)
def test_other_damaged_values_are_told_and_do_not_move_the_middle(tmp_path, keyword, text):
    save_slices(tmp_path, lambda dataset, k: k == 14 and put_raw(dataset, keyword, text))
    values, problems = choose(tmp_path)
    assert values == [MIDDLE]
    assert [problem.severity for problem in told(problems, "IM014.dcm", keyword, "damaged")] == ["warning"]


def test_a_value_that_all_slices_have_damaged_is_told_once(tmp_path):
    save_slices(tmp_path, lambda dataset, k: put_raw(dataset, "InstanceNumber", "no number"))
    values, (problem,) = choose(tmp_path)
    assert values == [MIDDLE]
    assert problem.path == str(tmp_path)
    assert problem.reason.startswith("15 files in it, IM000.dcm, IM001.dcm, IM002.dcm and 12 more, are alike in this: ")
    assert "InstanceNumber is 'no number', which is not a finite number" in problem.reason


@pytest.mark.parametrize("text", ["0,5\\0,5", "0.5", "half\\half"])
def test_a_spacing_is_told_once_though_header_and_pixels_are_read(tmp_path, text):
    save_slices(tmp_path, lambda dataset, k: put_raw(dataset, "PixelSpacing", text), count=3)
    values, problems = choose(tmp_path, slices=None)
    assert values == [1, 2, 3]
    assert sorted(problem.path for problem in problems) == [str(tmp_path / f"IM00{k}.dcm") for k in range(3)]


def test_a_decimal_comma_is_read_and_told(tmp_path):
    save_slices(tmp_path, lambda dataset, k: put_raw(dataset, "ImagePositionPatient", f"{4 * k},5\\0\\0"))
    values, (problem,) = choose(tmp_path)
    assert values == [MIDDLE]
    assert "decimal comma" in problem.reason


def test_a_gap_is_told(tmp_path):
    for k, path in enumerate(save_slices(tmp_path)):
        if k in (3, 4):
            path.unlink()
    values, (problem,) = choose(tmp_path)
    assert values == [MIDDLE]
    assert "4 mm apart, and two of them 12 mm" in problem.reason
    assert problem.severity == "warning"


def test_a_position_that_is_a_number_and_wrong_shows_as_a_gap(tmp_path):
    save_slices(tmp_path, lambda dataset, k: k == 0 and setattr(dataset, "ImagePositionPatient", [-928, 0, 0]))
    assert told(choose(tmp_path)[1], "two of them 904 mm")


def test_an_image_of_the_series_that_is_in_no_stack_is_told(tmp_path):
    turned = {"ImageOrientationPatient": lambda k: AXIAL if k == 14 else SAGITTAL}
    save_slices(tmp_path, setting(**turned))
    values, (problem,) = choose(tmp_path)
    assert values == [MIDDLE]  # of 1..14 the middle lies between 7 and 8
    assert "IM014.dcm" in problem.reason


def test_a_series_of_which_nothing_tells_the_plane_is_refused(tmp_path):
    save_slices(tmp_path, setting(ImageOrientationPatient=None, ImagePositionPatient=None, SeriesDescription="T2"))
    values, (problem,) = choose(tmp_path)
    assert values == []
    assert "without ImageOrientationPatient" in problem.reason


def enhanced(positions, places=None):
    """A sagittal multi-frame object; frame k has pixels of k + 1, and a position or none."""
    count = len(positions)
    dataset = sample(np.arange(1, count + 1).reshape(-1, 1, 1) * np.ones((count, 2, 2)), SeriesDescription="T2 sag")
    groups = []
    for k, x in enumerate(positions):
        group = Dataset()
        if x is not None:
            group.PlanePositionSequence = [Dataset()]
            group.PlanePositionSequence[0].ImagePositionPatient = [x, 0, 0]
        if places:
            group.FrameContentSequence = [Dataset()]
            group.FrameContentSequence[0].InStackPositionNumber = places[k]
        groups.append(group)
    shared, orientation = Dataset(), Dataset()
    orientation.ImageOrientationPatient = SAGITTAL
    shared.PlaneOrientationSequence = [orientation]
    dataset.PerFrameFunctionalGroupsSequence, dataset.SharedFunctionalGroupsSequence = groups, [shared]
    return dataset


@pytest.mark.parametrize(
    ("positions", "places", "middle", "warned"),
    [
        ([0, 8, 4], None, 3, False),
        ([None] * 5, None, 3, True),
        ([None] * 5, [1, 5, 2, 4, 3], 5, True),  # by the frames' numbers in the stack
        ([0] * 5, None, 3, True),
        ([0, 4, None, 12, 16], None, 3, True),
    ],
)
def test_frames_without_positions_are_in_the_order_of_the_stack(tmp_path, positions, places, middle, warned):
    save(enhanced(positions, places), tmp_path / "a.dcm")
    values, problems = choose(tmp_path)
    assert values == [middle]
    assert bool(problems) is warned


def test_data_of_another_vr_than_stated_is_whole(tmp_path):
    """Explicit VR is stated, and the data is implicit: its last element has a header of 8 bytes, and not of 12."""
    stored = np.arange(48).reshape(6, 8)
    stated, data = (save(sample(stored, Modality="DX"), tmp_path / name) for name in ("stated.dcm", "data.dcm"))
    implicit = sample(stored, Modality="DX")
    implicit.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    save(implicit, data)
    head = stated.read_bytes()
    body = _behind_meta(data.read_bytes())
    stated.write_bytes(head[: len(head) - len(_behind_meta(head))] + body)
    data.unlink()
    (picture,) = read_images(stated)
    assert picture.pixels.tolist() == stored.tolist()
    stated.write_bytes(stated.read_bytes()[:-1])
    images = read_images(stated)
    assert list(images) == []
    assert "lacks the last 1 bytes" in images.problems[0].reason


def _behind_meta(data):
    """The dataset behind the file meta information, whose length its first element states."""
    return data[132 + 12 + int.from_bytes(data[140:144], "little") :]


def test_a_mosaic_is_told(tmp_path):
    save_slices(tmp_path, ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"], count=3)
    values, problems = choose(tmp_path, slices=None)
    assert values == [1, 2, 3]
    assert len(told(problems, "it is a mosaic")) == 3


def test_frames_without_number_that_are_damaged_alike_are_told_once(tmp_path):
    dataset = sample(np.zeros((40, 2, 2)))
    dataset.PerFrameFunctionalGroupsSequence = [Dataset() for _ in range(40)]
    for k, group in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        place = Dataset()
        place.ImagePositionPatient = [20_000 + k, 0, 0]
        group.PlanePositionSequence = [place]
    save(dataset, tmp_path / "a.dcm")
    values, (problem,) = choose(tmp_path, slices=None)
    assert len(values) == 40
    assert problem.reason.startswith("ImagePositionPatient is '20000")
    assert "which is no place within 10 m" in problem.reason
