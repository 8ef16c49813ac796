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


def corners(reading):
    return [(box.label, box.x0, box.y0, box.x1, box.y1) for box in reading.annotations[0].boxes]


def test_shapes_of_one_label_and_one_group_are_one_box(tmp_path):
    upper, lower = shape(group_id=1), shape("polygon", ((6, 9), (12, 9), (12, 15)), group_id=1)
    alone = [shape(points=((20, 2), (25, 8))), shape(points=((21, 2), (25, 9)), group_id=None)]
    other = [shape(points=((0, 0), (2, 2)), group_id=2), shape(points=((0, 0), (3, 3)), group_id=1, label="vertebra")]
    reading = labelme.read(as_json(tmp_path, upper, *alone, lower, *other))
    assert corners(reading) == [
        ("disc", 1, 2, 12, 15),
        ("disc", 20, 2, 25, 8),
        ("disc", 21, 2, 25, 9),
        ("disc", 0, 0, 2, 2),
        ("vertebra", 0, 0, 3, 3),
    ]
    assert reading.problems == ()


@pytest.mark.parametrize(("first", "second"), [(0, 0), (1, "1"), (1.0, 1), ("left", "left"), (-1, "-1")])
def test_a_group_is_the_same_as_text_or_as_a_number(tmp_path, first, second):
    shapes = shape(group_id=first), shape(points=((6, 9), (12, 15)), group_id=second)
    assert corners(labelme.read(as_json(tmp_path, *shapes))) == [("disc", 1, 2, 12, 15)]


@pytest.mark.parametrize("group", [None, "", float("nan"), [1], {}])
def test_shapes_of_no_group_are_boxes_of_their_own(tmp_path, group):
    assert len(corners(labelme.read(as_json(tmp_path, shape(group_id=group), shape(group_id=group))))) == 2


def test_an_object_of_which_a_part_does_not_hold_is_refused(tmp_path):
    parts = shape(group_id=1), shape("line", ((6, 9), (12, 15)), group_id=1)
    reading = labelme.read(as_json(tmp_path, *parts, shape()))
    assert corners(reading) == [("disc", 1, 2, 5, 8)]
    assert [(one.path.rpartition(": ")[2], one.reason) for one in reading.problems] == [
        ("shapes[0], shapes[1]", "shape_type 'line' has no bounding box here")
    ]
    assert len(reading.annotations[0].refused) == 1


def test_parts_tell_of_their_object_together_and_alike(tmp_path):
    one, other = {"level": "3", "grade": 4}, {"grade": "4", "side": "left"}
    parts = shape(group_id=1, attributes=one), shape(points=((6, 9), (12, 15)), group_id=1, attributes=other)
    reading = labelme.read(as_json(tmp_path, *parts))
    assert reading.annotations[0].boxes == (Box("disc", 1, 2, 12, 15, "3", {"grade": "4", "side": "left"}),)
    parts = parts[0], shape(points=((6, 9), (12, 15)), group_id=1, attributes={"grade": 5})
    reading = labelme.read(as_json(tmp_path, *parts))
    assert reading.annotations[0].boxes == ()
    assert reading.problems[0].reason == "is one object, and tells grade = '4' and '5'"


def test_a_mask_covers_its_first_and_its_last_pixel(tmp_path):
    assert corners(labelme.read(as_json(tmp_path, shape("mask", mask="iVBOR")))) == [("disc", 1, 2, 5 + 1, 8 + 1)]


@pytest.mark.parametrize("number", ["nan", "1_0", float("nan"), float("inf"), True])
def test_a_point_that_is_no_finite_number_is_told(tmp_path, number):
    reading = labelme.read(as_json(tmp_path, shape(points=((1, 2), (number, 8)))))
    assert reading.annotations[0].boxes == ()
    assert "it holds pairs of numbers" in reading.problems[0].reason


@pytest.mark.parametrize("flag", ["inf", "1_0", float("inf")])
def test_a_flag_that_is_no_value_is_told_and_the_boxes_are_kept(tmp_path, flag):
    reading = labelme.read(as_json(tmp_path, shape(), flags={"implant": flag, "scoliosis": True}))
    assert (len(reading.annotations[0].boxes), reading.annotations[0].labels) == (1, {"scoliosis": "1"})
    assert reading.problems[0].path == f"{tmp_path / 'a.json'}: implant"


def part(number, *points, of="", has="", name="disc", deleted=0):
    more = f"<deleted>{deleted}</deleted><id>{number}</id>"
    more += f"<parts><hasparts>{has}</hasparts><ispartof>{of}</ispartof></parts>"
    return polygon(*points, name=name, more=more)


@pytest.mark.parametrize(("of", "has"), [("0", "1"), ("0", ""), ("", "1"), ("", "7, 1")])
def test_xml_parts_of_one_name_are_one_box(tmp_path, of, has):
    parts = part(0, (1, 2), (5, 8), has=has), part(1, (6, 9), (12, 15), of=of), part(2, (20, 2), (25, 8))
    reading = labelme_xml.read(as_xml(tmp_path, *parts))
    assert corners(reading) == [("disc", 1, 2, 12, 15), ("disc", 20, 2, 25, 8)]
    assert reading.problems == ()


def test_xml_parts_of_another_name_and_deleted_ones_are_not_joined(tmp_path):
    nucleus = part(1, (6, 9), (12, 15), of="0", name="nucleus")
    gone = part(2, (0, 0), (29, 19), of="0", deleted=1)
    reading = labelme_xml.read(as_xml(tmp_path, part(0, (1, 2), (5, 8), has="1,2"), nucleus, gone))
    assert corners(reading) == [("disc", 1, 2, 5, 8), ("nucleus", 6, 9, 12, 15)]


def test_xml_parts_of_parts_in_a_circle_are_one_box(tmp_path):
    parts = [part(number, (number, 0), (number + 2, 5), of=str((number + 1) % 5)) for number in range(5)]
    assert corners(labelme_xml.read(as_xml(tmp_path, *parts))) == [("disc", 0, 0, 6, 5)]


def test_several_polygons_of_an_xml_object_are_one_box(tmp_path):
    two = polygon((1, 2), (5, 8)).replace("</object>", "<polygon><pt><x>9</x><y>9</y></pt></polygon></object>")
    assert corners(labelme_xml.read(as_xml(tmp_path, two))) == [("disc", 1, 2, 9, 9)]


@pytest.mark.parametrize("number", ["nan", "inf", "1_0", "1e999"])
def test_an_xml_point_that_is_no_finite_number_is_told(tmp_path, number):
    reading = labelme_xml.read(as_xml(tmp_path, polygon((1, number), (5, 8))))
    assert reading.annotations[0].boxes == ()
    assert "a point of the polygon is no number" in reading.problems[0].reason
