"""Pascal VOC XML."""

import re

import pytest

from spine.annotations import Annotation, Box, voc

OBJECT = (
    "<object><name>{name}</name><bndbox>"
    "<xmin>{0}</xmin><ymin>{1}</ymin><xmax>{2}</xmax><ymax>{3}</ymax>"
    "</bndbox></object>"
)


def written(folder, *objects, name="a", head="<filename>a.png</filename>"):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.xml"
    path.write_text(f"<annotation>{head}{''.join(objects)}</annotation>")
    return path


def test_one_based_inclusive_corners_become_half_open(tmp_path):
    """The whole of a picture of 30 x 20 is 1, 1, 30, 20 in VOC; its first pixel 1, 1, 1, 1."""
    size = "<filename>a.png</filename><size><width>30</width><height>20</height><depth>1</depth></size>"
    whole, pixel = OBJECT.format(1, 1, 30, 20, name="disc"), OBJECT.format(1, 1, 1, 1, name="disc")
    reading = voc.read(written(tmp_path, whole, pixel, head=size))
    boxes = (Box("disc", 1 - 1, 1 - 1, 30, 20), Box("disc", 1 - 1, 1 - 1, 1, 1))
    assert reading.annotations == (Annotation("a.png", boxes, size=(20, 30)),)
    assert [(problem.path, problem.severity) for problem in reading.problems] == [
        (f"{tmp_path / 'a.xml'}: object 2", "warning")
    ]


def test_written_corners_are_one_based_inclusive(tmp_path):
    voc.write([Annotation("a.png", (Box("disc", 0, 2, 30, 20),))], tmp_path)
    text = (tmp_path / "a.xml").read_text()
    corners = [re.search(f"<{tag}>(.*)</{tag}>", text)[1] for tag in ("xmin", "ymin", "xmax", "ymax")]
    assert corners == [str(0 + 1), str(2 + 1), "30", "20"]


def test_round_trip(tmp_path):
    box = Box("disc & nucleus <5", 0.5, 1, 4, 8.25, "3", {"pfirrmann": "4"})
    annotations = (
        Annotation("b.png", (Box("disc", 0, 0, 9, 9), box), size=(20, 30)),
        Annotation("train/a.png", split="train"),
    )
    voc.write(annotations, tmp_path)
    reading = voc.read(tmp_path)
    assert reading.annotations == annotations
    assert reading.problems == ()


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (OBJECT.format(5, 1, 4, 9, name="disc"), "has no area"),
        (OBJECT.format(9, 1, 4, 9, name="disc"), "has a negative size"),
        (OBJECT.format("left", 1, 4, 9, name="disc"), "'left' is not a number"),
        (OBJECT.format("", 1, 4, 9, name="disc"), "<xmin> in <bndbox> is empty"),
        (OBJECT.format(1, 1, 4, 9, name="hat"), "unknown label 'hat'; known are disc"),
        ("<object><name>disc</name></object>", "<object> lacks <bndbox>; it has name"),
        ("<object/>", "<object> lacks <name>; it has nothing"),
    ],
)
def test_a_bad_object_is_listed_and_the_good_one_kept(tmp_path, bad, reason):
    reading = voc.read(written(tmp_path, bad, OBJECT.format(1, 1, 9, 9, name="disc")), labels=["disc"])
    assert reading.annotations[0].boxes == (Box("disc", 0, 0, 9, 9),)
    (problem,) = reading.problems
    assert problem.path == f"{tmp_path / 'a.xml'}: object 1"
    assert reason in problem.reason


BOMB = '<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;">]><annotation><filename>&y;</filename></annotation>'
FILE = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><annotation><filename>&x;</filename></annotation>'


@pytest.mark.parametrize("text", [BOMB, FILE, '<!DOCTYPE annotation SYSTEM "x.dtd"><annotation/>'])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_document_types_are_refused(tmp_path, text, encoding):
    (tmp_path / "bad.xml").write_text(text, encoding=encoding)
    written(tmp_path)
    reading = voc.read(tmp_path)
    assert [annotation.image for annotation in reading.annotations] == ["a.png"]
    (problem,) = reading.problems
    assert problem.path == str(tmp_path / "bad.xml")
    assert "declares a document type" in problem.reason


@pytest.mark.parametrize(
    "text", ["", "<annotation>", "not xml", "<annotation/>", "<other/>", "<annotation>&x;</annotation>"]
)
def test_a_file_that_is_no_voc_is_listed(tmp_path, text):
    (tmp_path / "bad.xml").write_text(text)
    written(tmp_path)
    reading = voc.read(tmp_path)
    assert [annotation.image for annotation in reading.annotations] == ["a.png"]
    assert [problem.path for problem in reading.problems] == [str(tmp_path / "bad.xml")]


def test_an_image_told_by_two_files_is_listed(tmp_path):
    written(tmp_path)
    written(tmp_path, name="b")
    reading = voc.read(tmp_path)
    assert len(reading.annotations) == 1
    assert [problem.path for problem in reading.problems] == [str(tmp_path / "b.xml")]


@pytest.mark.parametrize("width", ["9" * 5000, "wide", "nan", "30.5", "0", ""])
def test_a_width_that_is_none_leaves_the_size_unknown_and_the_boxes_are_read(tmp_path, width):
    size = f"<filename>a.png</filename><size><width>{width}</width><height>20</height></size>"
    reading = voc.read(written(tmp_path, OBJECT.format(1, 1, 9, 9, name="disc"), head=size))
    assert reading.annotations == (Annotation("a.png", (Box("disc", 0, 0, 9, 9),)),)


@pytest.mark.parametrize("number", ["nan", "inf", "1_0", "1e999", "9" * 5000])
def test_a_corner_that_is_no_finite_number_is_told(tmp_path, number):
    reading = voc.read(written(tmp_path, OBJECT.format(1, 1, number, 9, name="disc")))
    assert reading.annotations[0].boxes == ()
    assert re.search(r"is not a (finite )?number", reading.problems[0].reason)


def test_what_is_told_twice_is_not_replaced_unheard(tmp_path):
    twice = OBJECT.format(1, 1, 9, 9, name="disc").replace("<xmax>", "<xmax>7</xmax><xmax>")
    named = OBJECT.format(1, 1, 9, 9, name="disc").replace("<bndbox>", "<name>vertebra</name><bndbox>")
    pair = "<attribute><name>grade</name><value>{}</value></attribute>"
    attributes = f"<attributes>{pair.format(4)}{pair.format(5)}</attributes>"
    graded = OBJECT.format(1, 1, 9, 9, name="disc").replace("<bndbox>", f"{attributes}<bndbox>")
    reading = voc.read(written(tmp_path, twice, named, graded))
    assert reading.annotations[0].boxes == ()
    assert [problem.reason for problem in reading.problems] == [
        "<bndbox> has 2 <xmax>, not one",
        "<object> has 2 <name>, not one",
        "is one object, and tells grade = '4' and '5'",
    ]


@pytest.mark.parametrize("grade", ["inf", "1_0", "1e999"])
def test_an_attribute_that_is_no_value_is_told_and_its_box_kept(tmp_path, grade):
    attribute = f"<attributes><attribute><name>grade</name><value>{grade}</value></attribute></attributes>"
    reading = voc.read(
        written(tmp_path, OBJECT.format(1, 1, 9, 9, name="disc").replace("<bndbox>", attribute + "<bndbox>"))
    )
    assert reading.annotations[0].boxes == (Box("disc", 0, 0, 9, 9),)
    assert reading.problems[0].path == f"{tmp_path / 'a.xml'}: object 1: grade"
