"""CSV tables as spreadsheets and pandas write them: empty rows, columns without a name, encodings and separators."""

import csv

import pytest

from spine.annotations import Box, table
from spine.core.problems import SpineError

CORNERS = ["xmin", "ymin", "xmax", "ymax"]
HEADER = "image,xmin,ymin,xmax,ymax,grade"
ROW = "a.png,1,2,5,8,4"
BOX = Box("disc", 1, 2, 5, 8, values={"grade": "4"})


def read(tmp_path, *lines, encoding="utf-8", **settings):
    path = tmp_path / "a.csv"
    path.write_text("\n".join(lines) + "\n", encoding=encoding, errors="surrogateescape")
    return table.read(path, **{"label": "disc", "box": CORNERS, "targets": ["grade"]} | settings)


@pytest.mark.parametrize(
    "empty", ["", ",", ",,,,,", ",,,,,,,,", "  ", " , ,\t,", '"",,', '" "', "\r", ",,,,,\u00a0", '"","","","","",""']
)
def test_an_empty_row_is_none_whatever_its_length(tmp_path, empty):
    reading = read(tmp_path, HEADER, empty, ROW, empty)
    assert reading.annotations[0].boxes == (BOX,)
    assert reading.problems == ()


def test_a_row_of_which_no_column_is_read_is_none(tmp_path):
    reading = read(tmp_path, f",{HEADER},remark", f"0,{ROW},good", "1,,,,,,,to be read again")
    assert reading.annotations[0].boxes == (BOX,)
    assert reading.problems == ()


@pytest.mark.parametrize(
    "lines",
    [
        (HEADER, f"{ROW},", f"{ROW},,,"),
        (f"{HEADER},", ROW),
        (f"{HEADER},,", f"{ROW},", ROW),
        ("", HEADER, ROW),
        (",,,", HEADER, ROW),
    ],
)
def test_separators_at_an_end_part_nothing(tmp_path, lines):
    reading = read(tmp_path, *lines, repeated="all")
    assert set(reading.annotations[0].labels) == set()
    assert {box.values["grade"] for box in reading.annotations[0].boxes} == {"4"}
    assert reading.problems == ()


@pytest.mark.parametrize("line", [f"{ROW},,x", "a.png,1,2,5,8", "a.png", "a.png,,,"])
def test_a_row_of_more_or_fewer_cells_is_told(tmp_path, line):
    reading = read(tmp_path, HEADER, line, ROW)
    assert reading.annotations[0].boxes == (BOX,)
    assert "cells where the header has 6" in reading.problems[0].reason


@pytest.mark.parametrize("empty", [None, ""])
def test_no_column_is_not_the_column_without_a_name(tmp_path, empty):
    rows = [f"{number},{name}.png,1,2,5,8,4" for number, name in enumerate("aabb")]
    settings = dict.fromkeys(("patient", "sequence", "split", "level"), empty)
    reading = read(tmp_path, f",{HEADER}", *rows, repeated="all", **settings)
    assert [(one.patient, one.sequence, one.split) for one in reading.annotations] == [("", "", "")] * 2
    assert [box.level for one in reading.annotations for box in one.boxes] == [""] * 4
    assert reading.problems == ()


@pytest.mark.parametrize("settings", [{"image": ""}, {"box": ["", *CORNERS[1:]]}, {"targets": [""]}])
def test_a_column_that_is_needed_has_a_name(tmp_path, settings):
    with pytest.raises(SpineError, match="has the empty name of a column"):
        read(tmp_path, f",{HEADER}", f"0,{ROW}", **settings)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_an_encoding_that_is_told_is_read(tmp_path, encoding):
    reading = read(tmp_path, HEADER, "Körper.png,1,2,5,8,4", encoding=encoding)
    assert reading.annotations[0].image == "Körper.png"


def test_a_row_in_an_encoding_that_nothing_tells_is_told_and_the_others_are_read(tmp_path):
    reading = read(tmp_path, HEADER, "Körper.png,1,2,5,8,4", ROW, encoding="cp1252")
    assert [one.image for one in reading.annotations] == ["a.png"]
    (problem,) = reading.problems
    assert problem.path == f"{tmp_path / 'a.csv'}: line 2"
    assert "K\\xf6rper.png" in problem.reason


def test_zero_bytes_are_told(tmp_path):
    reading = read(tmp_path, HEADER, "a\0.png,1,2,5,8,4")
    assert reading.annotations == ()
    assert "holds zero bytes" in reading.problems[0].reason


@pytest.mark.parametrize("right", [";", "\t", "|"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_another_separator_is_named(tmp_path, right, quote):
    lines = [right.join(f"{quote}{cell}{quote}" for cell in line.split(",")) for line in (HEADER, ROW)]
    try:
        told = read(tmp_path, *lines).problems[0].reason  # quotes that the wrong separator breaks
    except SpineError as error:
        told = str(error)
    assert f"its cells are parted by {right!r}: set `separator` to that" in told
    assert read(tmp_path, *lines, separator=right).annotations[0].boxes == (BOX,)


def test_a_quote_that_never_closes_tells_the_lines_that_it_took(tmp_path):
    reading = read(tmp_path, HEADER, ROW, 'b.png,1,2,5,8,"4', *["c.png,1,2,5,8,4"] * 5)
    assert [one.image for one in reading.annotations] == ["a.png"]
    assert [one.path for one in reading.problems] == [f"{tmp_path / 'a.csv'}: line 3"]
    assert reading.problems[0].reason == "is no row of CSV: unexpected end of data, read up to line 8"


def test_a_cell_without_end_is_told(tmp_path):
    reading = read(tmp_path, HEADER, ROW, f"{'b' * (csv.field_size_limit() + 1)},1,2,5,8,4", "c.png,1,2,5,8,4")
    assert [one.image for one in reading.annotations] == ["a.png", "c.png"]
    assert "field larger than field limit" in reading.problems[0].reason


@pytest.mark.parametrize("grade", ["inf", "-Infinity", "1_0", "1e999"])
def test_a_grade_that_is_no_value_is_told_and_its_box_kept(tmp_path, grade):
    reading = read(tmp_path, HEADER, f"a.png,1,2,5,8,{grade}", "b.png,1,2,5,8,4")
    assert [one.boxes for one in reading.annotations] == [(Box("disc", 1, 2, 5, 8),), (BOX,)]
    (problem,) = reading.problems
    assert (problem.path, problem.severity) == (f"{tmp_path / 'a.csv'}: line 2: grade", "error")


def test_grades_and_patients_of_nan_are_not_known_and_counted(tmp_path):
    rows = [f"{name}.png,1,2,5,8,{grade},{who}" for name, grade, who in [("a", "nan", "nan"), ("b", "NaN", "7.0")]]
    reading = read(tmp_path, f"{HEADER},who", *rows, patient="who")
    assert [one.boxes[0].values for one in reading.annotations] == [{}, {}]
    assert [one.patient for one in reading.annotations] == ["", "7"]
    (problem,) = reading.problems
    assert (problem.reason, problem.severity) == ("tells 'grade' as NaN (and 1 more)", "warning")


@pytest.mark.parametrize("corner", ["nan", "inf", "1_0", "1e999", "", "0x10", "9" * 5000])
def test_a_corner_that_is_no_finite_number_is_told(tmp_path, corner):
    reading = read(tmp_path, HEADER, f"a.png,1,2,{corner},8,4", "b.png,1,2,5,8,4")
    assert [one.boxes for one in reading.annotations] == [(), (BOX,)]
    assert reading.annotations[0].refused != ()
    assert "number" in reading.problems[0].reason


@pytest.mark.parametrize(("corner", "right"), [("1,5", 1.5), ("-0,25", -0.25), ("1", 1), ("1.5", 1.5)])
def test_a_decimal_comma_is_read_where_commas_part_no_cells_and_told(tmp_path, corner, right):
    reading = read(tmp_path, HEADER.replace(",", ";"), f"a.png;{corner};2;5,5;8;4", separator=";")
    assert reading.annotations[0].boxes == (Box("disc", right, 2, 5.5, 8, values={"grade": "4"}),)
    (problem,) = reading.problems
    assert (problem.severity, problem.path) == ("warning", f"{tmp_path / 'a.csv'}: line 2")
    assert "decimal comma" in problem.reason


@pytest.mark.parametrize("corner", ["1,5,5", "1,", ",5", "1.000,5", "1,5e3"])
def test_what_is_no_number_with_a_decimal_comma_is_told(tmp_path, corner):
    reading = read(tmp_path, HEADER.replace(",", ";"), f"a.png;{corner};2;5;8;4", separator=";")
    assert reading.annotations[0].boxes == ()
    assert "is not a number" in reading.problems[0].reason
