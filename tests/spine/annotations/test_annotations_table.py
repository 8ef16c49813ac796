"""CSV of labels and boxes."""

import csv

import pytest

from spine.annotations import Annotation, Box, table
from spine.core.problems import SpineError

CORNERS = ["xmin", "ymin", "xmax", "ymax"]
SETTINGS = {"patient": "who", "level": "at", "box": CORNERS, "label": "disc", "targets": ["pfirrmann", "bulging"]}
HEADER = "image,who,at,xmin,ymin,xmax,ymax,pfirrmann,bulging"


def written(tmp_path, *lines, header=HEADER, encoding="utf-8"):
    path = tmp_path / "a.csv"
    path.write_text("\n".join([header, *lines, ""]), encoding=encoding)
    return path


def test_rows_with_boxes_become_boxes_and_the_others_labels(tmp_path):
    path = written(
        tmp_path,
        "a.png,007,1.0,1,2,5,8,4.0,1",
        "a.png,007,2,1,10,5,18.5,,0",
        "b.png,008,,,,,,,1",
        encoding="utf-8-sig",
    )
    reading = table.read(path, **SETTINGS)
    first = Box("disc", 1, 2, 5, 8, "1", {"pfirrmann": "4", "bulging": "1"})
    second = Box("disc", 1, 10, 5, 18.5, "2", {"bulging": "0"})
    assert reading.annotations == (
        Annotation("a.png", (first, second), patient="007"),
        Annotation("b.png", labels={"bulging": "1"}, patient="008"),
    )
    assert reading.problems == ()


def test_a_label_is_a_column_where_there_is_one(tmp_path):
    path = written(tmp_path, "a.png;1;2;5;8;vertebra", header="image;xmin;ymin;xmax;ymax;class")
    (found,) = table.read(path, box=CORNERS, label="class", separator=";").annotations
    assert found.boxes == (Box("vertebra", 1, 2, 5, 8),)


def test_round_trip(tmp_path):
    annotations = (
        Annotation(
            "sub/a, b.png",
            (Box("disc", 0.5, 1, 4, 8.25, "3", {"pfirrmann": "4"}), Box("vertebra", -1, 0, 9, 9)),
            labels={"view": 'lateral "left"'},
            patient="007",
            sequence="t2",
            split="test",
        ),
        Annotation("b.png"),
    )
    table.write(annotations, tmp_path / "a.csv")
    reading = table.read(tmp_path / "a.csv", **table.COLUMNS, targets=["pfirrmann", "view"])
    assert reading.annotations == annotations
    assert reading.problems == ()
    with pytest.raises(SpineError, match="targets split are called like columns"):
        table.write([Annotation("b.png", labels={"split": "x"})], tmp_path / "b.csv")


GOOD = "a.png,007,1,1,2,5,8,4,1"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("a.png,007,2,1,2,1,8,4,1", "has no area"),
        ("a.png,007,2,1,2,0,8,4,1", "has a negative size"),
        ("a.png,007,2,1,,5,8,4,1", "'' is not a number"),
        ("a.png,007,2,1,2,5", "has 6 cells where the header has 9"),
        ("a.png,007,2,1,2,5,8,4,1,extra", "has 10 cells where the header has 9"),
        (",007,2,1,2,5,8,4,1", "has no image"),
        ("a.png,008,2,1,2,5,8,4,1", "tells patient = '008', but"),
        ('"a"x.png,007,2,1,2,5,8,4,1', "is no row of CSV"),
    ],
)
def test_a_bad_row_is_listed_with_its_line_and_the_good_ones_kept(tmp_path, bad, reason):
    path = written(tmp_path, GOOD, bad, "b.png,007,1,1,2,5,8,4,1")
    reading = table.read(path, **SETTINGS)
    assert [(found.image, len(found.boxes)) for found in reading.annotations] == [("a.png", 1), ("b.png", 1)]
    (problem,) = reading.problems
    assert problem.path == f"{path}: line 3"
    assert problem.severity == "error"
    assert reason in problem.reason


def test_an_open_quote_swallows_nothing_in_silence(tmp_path):
    reading = table.read(written(tmp_path, GOOD, 'b.png,007,1,1,2,5,8,4,"1', GOOD), **SETTINGS)
    assert [found.image for found in reading.annotations] == ["a.png"]
    assert "is no row of CSV" in reading.problems[0].reason


def test_an_unknown_label_is_listed(tmp_path):
    reading = table.read(written(tmp_path, GOOD), labels=["vertebra"], **SETTINGS)
    assert reading.annotations[0].boxes == ()
    assert reading.problems[0].reason == "unknown label 'disc'; known are vertebra"


def test_an_image_labelled_twice(tmp_path):
    rows = ["a.png,4", "a.png,4", "a.png,3"]
    reading = table.read(written(tmp_path, *rows, header="image,grade"), targets=["grade"])
    assert reading.annotations == (Annotation("a.png", labels={"grade": "4"}),)
    assert [(p.path.partition(": ")[2], p.severity) for p in reading.problems] == [
        ("line 3", "warning"),
        ("line 4", "error"),
    ]


@pytest.mark.parametrize(
    ("repeated", "kept", "severities"),
    [("error", [], ["error"]), ("first", [1], ["warning"]), ("last", [2], ["warning"]), ("all", [1, 2], [])],
)
def test_one_level_told_twice(tmp_path, repeated, kept, severities):
    path = written(tmp_path, "a.png,007,1,1,2,5,8,4,1", "a.png,007,1,2,2,5,8,4,1")
    reading = table.read(path, repeated=repeated, **SETTINGS)
    assert [box.x0 for box in reading.annotations[0].boxes] == kept
    assert [problem.severity for problem in reading.problems] == severities


def test_files_that_are_no_table_are_listed(tmp_path):
    path = tmp_path / "a.csv"
    path.touch()
    assert "it has no header" in table.read(path).problems[0].reason
    path.write_bytes(b"image\n\xff\xff\n")
    assert "save it again as CSV in UTF-8" in table.read(path).problems[0].advice


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"patient": "name"}, "lacks the columns name; it has image, who, at"),
        ({"targets": ["modic"]}, "lacks the columns modic"),
        ({"box": ["xmin", "ymin"], "label": "disc"}, r"box is \['xmin', 'ymin'\]; it is the four columns"),
        ({"box": CORNERS}, "and label is not given; give a column of labels"),
        ({"repeated": "both"}, "it is one of error, first, last, all"),
        ({"separator": ", "}, "it is one character"),
    ],
)
def test_settings_that_cannot_hold_are_refused(tmp_path, settings, message):
    with pytest.raises(SpineError, match=message):
        table.read(written(tmp_path, GOOD), **settings)


def test_real_spider_discs(spine_data):
    path = spine_data / "spider-lumbar" / "t2space" / "discs.csv"
    targets = ["herniation", "bulging", "narrowing", "pfirrmann"]
    settings = {"patient": "patient_id", "sequence": "sequence", "level": "ivd_level", "targets": targets}
    reading = table.read(path, box=CORNERS, label="disc", **settings)
    assert reading.problems == ()
    boxes = [box for found in reading.annotations for box in found.boxes]
    assert (len(reading.annotations), len(boxes)) == (145, 1107)
    assert sum("pfirrmann" in box.values for box in boxes) == 858
    with path.open() as stream:
        rows = list(csv.DictReader(stream))
    assert [box.values.get("pfirrmann", "") for box in boxes] == [row["pfirrmann"] for row in rows]
    assert [box.x1 for box in boxes] == [float(row["xmax"]) for row in rows]
