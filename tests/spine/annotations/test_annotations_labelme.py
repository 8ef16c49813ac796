"""LabelMe: JSON of the desktop tool and XML of the web tool."""

import json

import pytest

from spine.annotations import Annotation, Box, labelme, labelme_xml


def shape(kind="rectangle", points=((1, 2), (5, 8)), **more):
    return {"label": "disc", "shape_type": kind, "points": [list(point) for point in points], **more}


def as_json(folder, *shapes, name="a", **more):
    content = {"version": "5.0", "flags": {}, "shapes": list(shapes), "imagePath": "a.png", "imageData": None}
    path = folder / f"{name}.json"
    path.write_text(json.dumps(content | {"imageHeight": 20, "imageWidth": 30} | more))
    return path


@pytest.mark.parametrize(
    ("drawn", "corners"),
    [
        (shape(points=((5, 8), (1, 2))), (1, 2, 5, 8)),
        (shape("polygon", ((3, 0), (6, 4), (0, 5))), (0, 0, 6, 5)),
        (shape("circle", ((10, 10), (13, 14))), (10 - 5, 10 - 5, 10 + 5, 10 + 5)),
    ],
)
def test_a_shape_gives_its_bounding_box(tmp_path, drawn, corners):
    reading = labelme.read(as_json(tmp_path, drawn))
    assert reading.annotations == (Annotation("a.png", (Box("disc", *corners),), size=(20, 30)),)


def test_json_round_trip(tmp_path):
    box = Box("disc", 0.5, 1, 4, 8.25, "3", {"pfirrmann": "4"})
    labels = {"implant": "1", "scoliosis": "0"}
    annotations = (
        Annotation("a.png", (box, Box("vertebra", -1, 0, 9, 9)), labels, patient="007", sequence="t2", size=(20, 30)),
        Annotation("valid/b.png", split="validation"),
    )
    labelme.write(annotations, tmp_path)
    reading = labelme.read(tmp_path)
    assert reading.annotations == annotations
    assert reading.problems == ()


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (shape(points=((1, 2), (1, 8))), "has no area"),
        (shape("point", ((1, 2),)), "shape_type 'point' has no bounding box here"),
        (shape(points=((1, 2),)), "rectangle of 1 points"),
        (shape("polygon", ()), "polygon of 0 points"),
        (shape(points=((1, 2, 3), (4, 5, 6))), "it holds pairs of numbers"),
        (shape(points=((1, 2), (10**400, 8))), "it holds pairs of numbers"),
        (shape(label=None), "'label' holds None"),
        (shape(label="hat"), "unknown label 'hat'; known are disc"),
        ({"label": "disc"}, "lacks the key 'points'; it has label"),
        ([], "is list, not an object"),
    ],
)
def test_a_bad_shape_is_listed_and_the_good_one_kept(tmp_path, bad, reason):
    reading = labelme.read(as_json(tmp_path, bad, shape()), labels=["disc"])
    assert reading.annotations[0].boxes == (Box("disc", 1, 2, 5, 8),)
    (problem,) = reading.problems
    assert problem.path == f"{tmp_path / 'a.json'}: shapes[0]"
    assert reason in problem.reason


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"shapes": [], "imagePath": 4}', '{"shapes": 1, "imagePath": "x"}']
)
def test_a_file_that_is_no_labelme_is_listed(tmp_path, text):
    (tmp_path / "bad.json").write_text(text)
    as_json(tmp_path, shape(), flags=["odd"], patient_id=7)
    reading = labelme.read(tmp_path)
    assert [(annotation.image, annotation.patient) for annotation in reading.annotations] == [("a.png", "7")]
    assert [problem.path for problem in reading.problems] == [str(tmp_path / "bad.json")]


def polygon(*points, name="disc", more=""):
    inside = "".join(f"<pt><x>{x}</x><y>{y}</y></pt>" for x, y in points)
    return f"<object><name>{name}</name>{more}<polygon>{inside}</polygon></object>"


def as_xml(folder, *objects):
    size = "<imagesize><nrows>20</nrows><ncols>30</ncols></imagesize>"
    path = folder / "a.xml"
    path.write_text(f"<annotation><filename>a.png</filename>{''.join(objects)}{size}</annotation>")
    return path


def test_an_xml_polygon_gives_its_bounding_box(tmp_path):
    deleted = polygon((0, 0), (9, 9), more="<deleted>1</deleted>")
    reading = labelme_xml.read(as_xml(tmp_path, polygon((3, 0), (6, 4), (0, 5)), deleted))
    assert reading.annotations == (Annotation("a.png", (Box("disc", 0, 0, 6, 5),), size=(20, 30)),)
    assert reading.problems == ()


def test_xml_round_trip(tmp_path):
    boxes = (Box("disc", 0.5, 1, 4, 8.25), Box("vertebra", -1, 0, 9, 9))
    annotations = (Annotation("b.png", boxes, size=(20, 30)), Annotation("test/a.png", split="test"))
    labelme_xml.write(annotations, tmp_path)
    reading = labelme_xml.read(tmp_path)
    assert reading.annotations == annotations
    assert reading.problems == ()


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (polygon((1, 2), (1, 8)), "has no area"),
        (polygon((1, 2)), "the polygon has 1 points"),
        (polygon(), "the polygon has 0 points"),
        (polygon((1, "low"), (5, 8)), "'low' is not a number"),
        (polygon((1, 2), (5, 8), name="hat"), "unknown label 'hat'; known are disc"),
        ("<object><name>disc</name></object>", "<object> lacks <polygon>"),
    ],
)
def test_a_bad_xml_object_is_listed_and_the_good_one_kept(tmp_path, bad, reason):
    reading = labelme_xml.read(as_xml(tmp_path, bad, polygon((1, 2), (5, 8))), labels=["disc"])
    assert reading.annotations[0].boxes == (Box("disc", 1, 2, 5, 8),)
    (problem,) = reading.problems
    assert problem.path == f"{tmp_path / 'a.xml'}: object 1"
    assert reason in problem.reason
