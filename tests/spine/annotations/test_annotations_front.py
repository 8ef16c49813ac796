"""The front of spine.annotations: names, options, and the types that every reader speaks."""

from importlib import import_module
from inspect import signature
from pathlib import Path

import pytest

from spine.annotations import FORMATS, Annotation, Box, read_annotations, write_annotations
from spine.annotations.collector import Collector
from spine.annotations.sources import image_name, size_of, split_named, split_of
from spine.annotations.types import Malformed, UnknownClass, known_text, value_text
from spine.core.problems import SpineError


@pytest.mark.parametrize("format", sorted(FORMATS))
def test_every_format_reads_and_writes_with_the_same_shape(format):
    module = import_module(FORMATS[format])
    assert list(signature(module.read).parameters)[:3] == ["path", "labels", "images"]
    assert list(signature(module.write).parameters)[:2] == ["annotations", "path"]
    assert {"read", "write"} <= set(module.__all__)


@pytest.mark.parametrize("format", sorted(set(FORMATS) - {"mask"}))
def test_a_path_that_does_not_exist_is_told(format, tmp_path):
    with pytest.raises(SpineError, match="nowhere"):
        read_annotations(format, tmp_path / "nowhere")


@pytest.mark.parametrize("format", ["coco", "labelme", "labelme-xml", "voc"])
def test_a_file_cut_anywhere_gives_a_problem_and_nothing_else(format, tmp_path):
    box = Box("disc", 1, 2, 8, 9, "3", {"pfirrmann": "4"})
    suffix = ".xml" if format in ("voc", "labelme-xml") else ".json"
    whole = tmp_path / f"a{suffix}"
    write_annotations(format, [Annotation("a.png", (box,))], whole if format == "coco" else tmp_path)
    data = whole.read_bytes().rstrip()
    for length in range(0, len(data), 7):
        whole.write_bytes(data[:length])
        reading = read_annotations(format, tmp_path)
        assert reading.annotations == ()
        assert [problem.path for problem in reading.problems] == [str(whole)]


def test_an_unknown_format_or_option_lists_the_known_ones(tmp_path):
    with pytest.raises(SpineError, match="'kitti' is not known; it is one of coco, folders, labelme"):
        read_annotations("kitti", tmp_path)
    with pytest.raises(SpineError, match="'yolo' has no option 'classes'; its options are labels, images, names"):
        read_annotations("yolo", tmp_path, classes=["disc"])
    with pytest.raises(SpineError, match="'mask' needs the option 'labels'"):
        read_annotations("mask", tmp_path)
    with pytest.raises(SpineError, match="'folders' needs the option 'images'"):
        write_annotations("folders", [], tmp_path)
    with pytest.raises(SpineError, match=r"'labels' is the text 'disc'; it is a list, such as \[disc\]"):
        read_annotations("coco", tmp_path, labels="disc")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((4, "4"), (4.0, "4"), ("4.0", "4"), ("-2.000", "-2"), (0.5, "0.5"), ("1.10", "1.10"), ("005", "005")),
        *((True, "1"), (False, "0"), (" a ", "a"), ("v1.0", "v1.0"), (None, ""), (float("nan"), ""), ("", "")),
    ],
)
def test_values_are_text(value, text):
    assert value_text(value) == text


@pytest.mark.parametrize("value", [None, float("nan"), "nan", " NaN ", "<NA>", "", " "])
def test_what_says_that_it_is_not_known_is_no_value(value):
    assert value_text(value) == ""
    assert known_text(value) == ""


@pytest.mark.parametrize(
    "value", ["inf", "-inf", "Infinity", "1_0", "1e999", float("inf"), "\u0664", [4], {"grade": 4}, "a\ud800"]
)
def test_what_is_no_finite_number_and_no_word_is_no_value(value):
    with pytest.raises(Malformed, match="holds"):
        value_text(value)


def test_a_name_may_look_like_a_number_that_is_none():
    assert [known_text(name) for name in ("1_0", "inf", 7.0, "007")] == ["1_0", "inf", "7", "007"]


def test_a_value_that_does_not_hold_is_left_out_and_told_and_the_others_are_kept():
    collector = Collector()
    values = collector.values("a: box 1", {"grade": "inf", "side": "left", "modic": float("nan"), "none": None})
    assert values == {"side": "left"}
    assert [(one.path, one.reason, one.severity) for one in collector.reading().problems] == [
        ("a: box 1: grade", "holds no value: 'inf' is not a number", "error"),
        ("a: box 1", "tells 'modic' as NaN", "warning"),
    ]


@pytest.mark.parametrize("number", ["nan", "inf", "1_0", "1e999", float("nan"), float("-inf"), True, None, "", "10,5"])
def test_a_corner_that_is_no_finite_number_is_refused_by_name(number):
    with pytest.raises(Malformed, match=r"is not a (finite )?number"):
        Collector().box("disc", (0, 0, number, 1))


@pytest.mark.parametrize(
    ("size", "known"),
    [
        ((20, 30), (20, 30)),
        (("20", 30.0), (20, 30)),
        *((size, None) for size in ((0, 30), (None, 30), (20.5, 30), ("9" * 5000, 30), (float("inf"), 3), (True, 30))),
    ],
)
def test_a_size_is_of_whole_numbers_or_not_known(size, known):
    assert size_of(*size) == known


@pytest.mark.parametrize(
    ("stated", "folder", "name"),
    [
        ("a.png", ".", "a.png"),
        ("a.png", "train", "train/a.png"),
        ("sub\\a.png", ".", "sub/a.png"),
        ("../images/a.png", "labels", "images/a.png"),
        ("../images/a.png", ".", "a.png"),
        ("../../etc/passwd", "labels", "passwd"),
        ("/home/someone/a.png", "train", "train/a.png"),
        ("C:\\data\\a.png", ".", "a.png"),
    ],
)
def test_an_image_stays_below_its_folder(stated, folder, name):
    assert image_name(stated, Path(folder)) == name


@pytest.mark.parametrize("stated", ["", "  ", ".", "..", "a/"])
def test_an_image_without_a_name_is_malformed(stated):
    with pytest.raises(Malformed, match="is no image's name"):
        image_name(stated, Path())


def test_a_folder_tells_the_split():
    assert [split_of(name) for name in ("valid/a.png", "x/val/a.png", "test/images/a", "train.png", "a/train")] == [
        *("validation", "validation", "test", "", ""),
    ]


def test_a_box_without_area_and_a_negative_one_are_told_apart():
    with pytest.raises(ValueError, match="has no area"):
        Box("disc", 3, 1, 3, 2)
    with pytest.raises(ValueError, match="has a negative size"):
        Box("disc", 3, 1, 2, 2)
    with pytest.raises(ValueError, match="has no area; finite"):
        Box("disc", 0, 0, float("nan"), 2)


def test_an_image_told_twice_is_kept_once_and_the_second_is_listed():
    collector = Collector()
    first, second = Annotation("a.png", patient="1"), Annotation("a.png", patient="2")
    collector.add("one.xml", first)
    collector.add("two.xml", second)
    reading = collector.reading()
    assert reading.annotations == (first,)
    assert [(p.path, p.severity) for p in reading.problems] == [("two.xml", "error")]
    assert "the first, one.xml, was kept" in reading.problems[0].reason


def test_two_sizes_under_one_name_are_left_out_where_no_picture_can_settle_it():
    collector = Collector()
    collector.add("one", Annotation("a.png", size=(4, 4)))
    collector.add("two", Annotation("a.png", size=(5, 4)))
    reading = collector.reading()
    assert reading.annotations == ()
    assert [(p.path, p.severity) for p in reading.problems] == [("one", "error"), ("two", "error")]


@pytest.mark.parametrize("format", ["folders", "yolo"])
def test_a_split_is_no_way_out_of_the_folder_that_is_written(format, tmp_path):
    (tmp_path / "a.png").write_bytes(b"a picture")
    annotation = Annotation("a.png", labels={"class": "x"}, split="../../elsewhere", size=(2, 2))
    with pytest.raises(SpineError, match=r"split '\.\./\.\./elsewhere'"):
        write_annotations(format, [annotation], tmp_path / "out", images=tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.png"]


def test_splits_are_known_by_the_names_that_tools_give_them(tmp_path):
    assert [split_named(text) for text in ("train", "val", "Valid", "TEST", "holdout")] == [
        *("train", "validation", "validation", "test", "holdout")
    ]
    assert split_of("Train/a.png") == "train"
    (tmp_path / "t.csv").write_text("image,part\na.png,val\n")
    assert read_annotations("table", tmp_path / "t.csv", split="part").annotations[0].split == "validation"


def test_an_unknown_class_is_told_once_for_all_its_boxes():
    collector, refused = Collector(labels=["disc"]), []
    for number, label in enumerate(["hat", "disc", "hat", "shoe", "hat"]):
        with collector.guard(f"file: {number}", refused):
            collector.box(label, (0, 0, 1, 1))
    told = {problem.path: problem.reason for problem in collector.reading().problems}
    assert told == {
        "file: 0": "unknown label 'hat'; known are disc (and 2 more boxes)",
        "file: 3": "unknown label 'shoe'; known are disc",
    }
    assert len(refused) == 4


@pytest.mark.parametrize("labels", [None, ["disc"]])
def test_a_box_of_an_empty_label_is_of_no_class(labels):
    with pytest.raises(UnknownClass, match="has an empty label"):
        Collector(labels).box(" ", (0, 0, 1, 1))


def test_problems_without_end_are_counted_and_those_that_are_listed_are_short():
    collector = Collector()
    for number in range(10_003):
        collector.error(f"file: {number}", "x" * 5000, "fix it")
    *listed, last = collector.reading().problems
    assert (len(listed), len(listed[0].reason)) == (10_000, 1000 + len("..."))
    assert (last.severity, last.reason) == ("error", "3 problems more were met, and are not listed one by one")
