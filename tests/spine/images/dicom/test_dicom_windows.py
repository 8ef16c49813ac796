"""Which window is used, what it cuts off, and what a source can ask for."""

import numpy as np
import pandas as pd
import pytest
from pydicom import Dataset

from spine.core.problems import SpineError
from spine.images.dicom.pixels import Clipped, iterate_frames
from spine.images.dicom.windows import Window, checked_choice
from spine.intake import DataConfig, build
from spine.intake.config import Source
from spine.intake.reading import read_images
from tests.spine.images.dicom.dicom_samples import sample, save

STORED = [[0, 100, 1000], [2000, 3000, 4095]]


def linear(centre, width):
    """LINEAR of PS3.3 C.11.2.1.2.1."""
    return [[round(min(max((x - (centre - 0.5)) / (width - 1) + 0.5, 0), 1) * 65535) for x in row] for row in STORED]


def lut(entries, name=""):
    item = Dataset()
    item.LUTDescriptor, item.LUTData = [len(entries), 0, 16], list(entries)
    item["LUTDescriptor"].VR = item["LUTData"].VR = "US"
    if name:
        item.LUTExplanation = name
    return item


def ct(**elements):
    windows = {"WindowCenter": [500, 2000], "WindowWidth": [400, 3000]}
    names = {"WindowCenterWidthExplanation": ["SOFT TISSUE", "Bone"]}
    return sample(STORED, bits=12, **{**windows, **names, **elements})


def frame(dataset, window):
    return next(iterate_frames(dataset, window=window))


TABLES = {"VOILUTSequence": [lut([7, 8, 9]), lut([70, 80], "Steep")]}


@pytest.mark.parametrize(
    ("window", "elements", "pixels", "view"),
    [
        ("file", {}, linear(500, 400), "window 500/400"),
        ("none", {}, STORED, ""),
        ("none", TABLES, STORED, ""),
        ("SOFT TISSUE", {}, linear(500, 400), "window 500/400"),
        ("bone", {}, linear(2000, 3000), "window 2000/3000"),
        (" BONE ", {}, linear(2000, 3000), "window 2000/3000"),
        (0, {}, linear(500, 400), "window 500/400"),
        (1, {}, linear(2000, 3000), "window 2000/3000"),
        ((1000.0, 1500.0), {}, linear(1000, 1500), "window 1000/1500"),
        ((1000.0, 1500.0), {"WindowCenter": None, "WindowWidth": None}, linear(1000, 1500), "window 1000/1500"),
        ("file", TABLES, [[7, 9, 9], [9, 9, 9]], "VOI LUT 0"),
        (2, TABLES, [[7, 9, 9], [9, 9, 9]], "VOI LUT 0"),
        (3, TABLES, [[70, 80, 80], [80, 80, 80]], "VOI LUT 1"),
        ("steep", TABLES, [[70, 80, 80], [80, 80, 80]], "VOI LUT 1"),
        ("bone", TABLES, linear(2000, 3000), "window 2000/3000"),
        ("file", {"WindowWidth": [0, 3000]}, linear(2000, 3000), "window 2000/3000"),
        ("file", {"WindowWidth": [0, -1]}, STORED, ""),
        ("file", {"WindowWidth": 400}, linear(500, 400), "window 500/400"),
        ("Bone", {"WindowCenterWidthExplanation": ["", "Bone"]}, linear(2000, 3000), "window 2000/3000"),
    ],
)
def test_the_window_that_is_asked_for_is_used_and_noted(window, elements, pixels, view):
    shown = frame(ct(**elements), window)
    assert shown.pixels.tolist() == pixels
    assert (shown.view, shown.note) == (view, view)


@pytest.mark.parametrize(
    ("window", "elements", "reason"),
    [
        ("BRAIN", {}, r"no window 'BRAIN': it has 0: window 500/400 'SOFT TISSUE', 1: window 2000/3000 'Bone'; name"),
        ("BRAIN", TABLES, r"2: VOI LUT, 3: VOI LUT 'Steep'"),
        (2, {}, "no window 2: it has 0: window"),
        ("bone", {"WindowCenter": None, "WindowWidth": None}, "no window 'bone': it has none"),
        ("SOFT TISSUE", {"WindowWidth": [0, 3000]}, "cannot use the window 'SOFT TISSUE': it has 0: unusable"),
        (1, {"WindowWidth": 400}, "no window 1: it has 0: window 500/400"),
    ],
)
def test_a_window_that_the_file_lacks_is_an_error_that_lists_what_it_has(window, elements, reason):
    with pytest.raises(SpineError, match=reason):
        frame(ct(**elements), window)


def test_a_window_is_of_the_rescaled_values():
    dataset = ct(RescaleSlope=1, RescaleIntercept=-1000)
    assert frame(dataset, (0.0, 4001.0)).pixels.tolist() == linear(1000, 4001)
    shown = frame(dataset, "none")
    assert shown.pixels.tolist() == (np.array(STORED) - 1000 + 32768).tolist()
    assert shown.note == "values shifted by 32768"


@pytest.mark.parametrize(
    ("window", "ends"),
    [
        (Window(500, 400), (300, 700)),
        (Window(500, 400, "LINEAR_EXACT"), (300, 700)),
        (Window(500, 400, "SIGMOID"), (-np.inf, np.inf)),
        (Window(500, 0.5), (499.75, 500.25)),
    ],
)
def test_what_lies_outside_a_window_is_clipped(window, ends):
    assert window.ends == ends
    if np.isfinite(ends).all():
        assert window(np.array([ends[0] - 1, ends[0], ends[1], ends[1] + 1])).tolist() == [0, 0, 65535, 65535]


def test_clipped_pixels_are_counted_by_their_side():
    assert frame(ct(), "file").clipped == Clipped(below=2, above=4, pixels=6), "of 300 to 700"
    assert frame(ct(), "none").clipped == Clipped()
    assert frame(ct(**TABLES), "file").clipped == Clipped(below=0, above=5, pixels=6)  # the table tells 0..2 apart
    assert frame(ct(VOILUTFunction="SIGMOID"), "file").clipped == Clipped(0, 0, 6)
    assert frame(ct(), (2047.85, 4095.5)).clipped == Clipped(0, 0, 6), (
        "0 in a window from 0.1 on: half a unit is rounding"
    )
    padded = frame(ct(PixelPaddingValue=4095), "file")
    assert padded.clipped == Clipped(below=2, above=3, pixels=5), "padding is no pixel of the image"


def stack(folder, top, count=4, **elements):
    """Slices of 10 x 10 whose values run from 100, with `top` pixels of 900; a window of 0..800."""
    for number in range(count):
        values = np.full((10, 10), 100 + number)
        values.flat[:top] = 900
        dataset = sample(values, WindowCenter=400, WindowWidth=800, VOILUTFunction="LINEAR_EXACT", **elements)
        dataset.SeriesInstanceUID, dataset.SOPInstanceUID = f"1.2.{top}.{count}", f"1.2.{top}.{count}.{number}"
        dataset.InstanceNumber = number
        save(dataset, folder / f"{number}.dcm")


def test_of_many_series_that_are_clipped_it_is_told_once(tmp_path):
    for number in range(11):
        stack(tmp_path / f"p{number:02d}", top=2 + number, count=1, PatientID=str(number))
    images = read_images(tmp_path)
    assert len(list(images)) == 11
    (problem,) = images.problems
    assert problem.path == str(tmp_path)
    assert "of 11 series of 11" in problem.reason
    assert "most of p10/0.dcm: 12.0% of the pixels" in problem.reason


def test_what_is_shown_as_a_hundredth_is_not_more(tmp_path):
    values = np.full((50, 50), 100)
    values.flat[:26] = 900  # 1.04 %
    save(sample(values, WindowCenter=400, WindowWidth=800, VOILUTFunction="LINEAR_EXACT"), tmp_path / "x.dcm")
    images = read_images(tmp_path)
    assert len(list(images)) == 1
    assert images.problems == []


def test_more_than_a_hundredth_clipped_is_told_once_a_series(tmp_path):
    stack(tmp_path / "much", top=2)
    stack(tmp_path / "little", top=1, PatientID="6")
    images = read_images(tmp_path)
    for _ in range(2):  # a second loop counts no pixel twice
        assert len(list(images)) == 8
        (problem,) = images.problems
        assert problem.severity == "warning"
        assert problem.path == str(tmp_path / "much" / "0.dcm")
        assert problem.reason.startswith("2.0% of the pixels of its series (4 images) lie outside its window 400/800")
        assert "0.0% below and 2.0% above" in problem.reason
    images = read_images(tmp_path, window="none")
    assert len(list(images)) == 8
    assert images.problems == []


def test_odd_values_of_many_files_are_told_together(tmp_path):
    for count in (10, 11):
        stack(tmp_path / str(count), top=0, count=count, PixelSpacing=[0.5, 0.5], PixelPaddingRangeLimit=count)
    images = read_images(tmp_path)
    for _ in range(2):
        assert len(list(images)) == 21
        told = [problem for problem in images.problems if "without a PixelPaddingValue" in problem.reason]
        files = sorted(str(tmp_path / "10" / f"{number}.dcm") for number in range(10))
        assert sorted(problem.path for problem in told) == [*files, str(tmp_path / "11")]
        assert told[-1].reason.startswith("11 files in it, 0.dcm, 1.dcm, 10.dcm and 8 more, are alike in this: it has")


def test_a_window_without_dicom_is_told(tmp_path):
    import cv2

    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((4, 4), np.uint8))
    images = read_images(tmp_path, window=(40, 400))
    assert len(list(images)) == 1
    assert "no DICOM is there" in images.problems[0].reason


@pytest.mark.parametrize("value", ["file", "none", "BONE", 0, 3, [300, 1500], [300.5, 1], (-600, 1500)])
def test_what_a_source_can_ask_for(value):
    asked = Source(name="a", images="x", window=value).window
    assert asked == (tuple(value) if isinstance(value, list) else value)
    assert type(asked) is (tuple if isinstance(value, list) else type(value))
    assert Source.model_validate(Source(name="a", images="x", window=value).model_dump(mode="json")).window == asked


@pytest.mark.parametrize(
    "value",
    [None, "", " ", True, -1, 1.5, [300], [300, 0], [300, -5], [1, 2, 3], ["a", "b"], [float("nan"), 5], [True, 5], {}],
)
def test_what_a_source_cannot_ask_for(value):
    with pytest.raises(ValueError, match=r"is .*give file, none|is not a"):
        checked_choice(value)
    with pytest.raises(ValueError, match="window"):
        Source(name="a", images="x", window=value)


def test_a_window_of_a_source_without_dicom_is_refused():
    for read in ("picture", "volume", "tfrecord"):
        with pytest.raises(ValueError, match="which is for DICOM"):
            Source(name="a", images="x", read=read, window=[40, 400])
    with pytest.raises(ValueError, match="windw"):
        Source(name="a", images="x", windw="none")


def built(tmp_path, window):
    config = DataConfig(
        name="a",
        output=tmp_path / "out",
        sources=[{"name": "s", "images": tmp_path / "in", "slices": None, "window": window}],
        splits={"train": 1.0, "validation": 0.0, "test": 0.0},
    )
    return build(config)


def test_a_dataset_notes_the_window_of_each_slice(tmp_path):
    save(ct(), tmp_path / "in" / "a.dcm")
    lacking = ct(WindowCenterWidthExplanation=["SOFT TISSUE", "Lung"])
    lacking.SeriesInstanceUID = lacking.SOPInstanceUID = "1.2.9"
    save(lacking, tmp_path / "in" / "b.dcm")
    result = built(tmp_path, "Bone")
    assert pd.read_csv(result.root / "notes.csv")["note"].tolist() == ["window 2000/3000"]
    (error,) = (problem for problem in result.problems if problem.severity == "error")
    assert error.path.endswith("b.dcm")
    assert "no window 'Bone'" in error.reason
    assert "'Lung'" in error.reason
    assert "[40.0, 400.0]" not in (tmp_path / "out.build" / "config.yaml").read_text()
