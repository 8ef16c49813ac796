"""What the numbers of YOLO lines mean: boxes, polygons, and boxes with key points."""

import math

import cv2
import numpy as np
import pytest

from spine.annotations import yolo
from spine.annotations.types import Malformed
from spine.annotations.yolo_lines import Lines, may_have_key_points
from spine.core.problems import SpineError

SIZE = 100  # pixels: fractions of it are read by eye


def dataset(root, *lines, more="", labels=None):
    for number, line in enumerate(lines):
        picture = root / "images" / f"{number}.png"
        picture.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(picture), np.zeros((SIZE, SIZE), np.uint8))
        (root / "labels").mkdir(exist_ok=True)
        (root / "labels" / f"{number}.txt").write_text(line)
    (root / "data.yaml").write_text(f"names: [vertebra, disc]\n{more}")
    return root


def corners(reading):
    return [
        [round(value, 3) for value in (box.x0, box.y0, box.x1, box.y1)]
        for one in reading.annotations
        for box in one.boxes
    ]


BOX = "0 0.5 0.5 0.2 0.1"  # 40, 45, 60, 55
POSES = {
    "[1, 2]": f"{BOX} 0.5 0.5",
    "[2, 2]": f"{BOX} 0.41 0.46 0.59 0.54",
    "[4, 2]": f"{BOX} 0.41 0.46 0.59 0.46 0.59 0.54 0.41 0.54",
    "[1, 3]": f"{BOX} 0.5 0.5 2",
    "[2, 3]": f"{BOX} 0.41 0.46 2 0.59 0.54 1",
    "[4, 3]": f"{BOX} 0.41 0.46 2 0.59 0.46 2 0.59 0.54 2 0.41 0.54 0",
    "[6, 2]": BOX + " 0.45 0.48" * 6,  # key points close to each other, as of a face
    "[3, 2]": f"{BOX} 0.41 0.46 0 0 0.59 0.54",  # one of which is not labelled
}


@pytest.mark.parametrize(("shape", "line"), POSES.items())
@pytest.mark.parametrize("spelled", ["kpt_shape: {}", "kpt_shape: ['{}', '{}']", "kpt_shape:\n- {}\n- {}"])
def test_the_box_of_key_points_is_that_of_the_line(tmp_path, shape, line, spelled):
    told = (
        spelled.format(shape)
        if "\n" not in spelled and "'" not in spelled
        else spelled.format(*shape[1:-1].split(", "))
    )
    reading = yolo.read(dataset(tmp_path, line, more=f"{told}\n"))
    assert corners(reading) == [[40, 45, 60, 55]]
    assert reading.problems == ()


@pytest.mark.parametrize("line", POSES.values())
def test_without_kpt_shape_key_points_are_a_problem_and_no_guess(tmp_path, line):
    reading = yolo.read(dataset(tmp_path, line))
    assert corners(reading) == []
    assert reading.annotations[0].refused != ()
    (problem,) = reading.problems
    assert problem.path == f"{tmp_path / 'labels' / '0.txt'}: line 1"
    assert "kpt_shape" in problem.advice


WHOLE = "0 0.5 0.5 0.8 0.7 0.12 0.16 0.88 0.16 0.88 0.84 0.12 0.84"  # key points at the corners of a large box
MIDDLE = "0 0.5 0.5 0.6 0.4 0.22 0.32 0.78 0.32 0.78 0.68 0.22 0.68"


@pytest.mark.parametrize("lines", [[WHOLE], [MIDDLE], [WHOLE, MIDDLE], [*POSES.values()], [BOX, WHOLE], ["", MIDDLE]])
def test_key_points_of_large_boxes_and_of_many_shapes_are_a_problem_too(tmp_path, lines):
    reading = yolo.read(dataset(tmp_path, *lines))
    assert corners(reading) == [[40, 45, 60, 55]] * lines.count(BOX)
    assert len(reading.problems) == sum(len(line.split()) > 5 for line in lines)


POLYGONS = {
    "0 0.2 0.2 0.8 0.2 0.5 0.8": [20, 20, 80, 80],
    "0 0.41 0.46 0.59 0.46 0.59 0.54 0.41 0.54": [41, 46, 59, 54],  # four corners of a box
    "0 0.5 0.1 0.9 0.5 0.5 0.9 0.1 0.5": [10, 10, 90, 90],  # of a turned one
    "0 0.41 0.46 0.6 0.45 0.58 0.54 0.4 0.53": [40, 45, 60, 54],  # drawn by hand
    "0 0.3 0.3 0.5 0.2 0.7 0.3 0.6 0.6 0.4 0.6": [30, 20, 70, 60],
    "0 0.4 0.4 0.5 0.38 0.6 0.4 0.6 0.5 0.5 0.55 0.4 0.5": [40, 38, 60, 55],
}


@pytest.mark.parametrize(("line", "box"), POLYGONS.items())
def test_a_polygon_gives_its_bounding_box(tmp_path, line, box):
    reading = yolo.read(dataset(tmp_path, line))
    assert corners(reading) == [box]
    assert reading.problems == ()


def test_boxes_and_polygons_may_stand_together(tmp_path):
    lines = "\n".join([BOX, *POLYGONS])
    reading = yolo.read(dataset(tmp_path, lines))
    assert corners(reading) == [[40, 45, 60, 55], *POLYGONS.values()]
    assert reading.problems == ()


def test_contours_at_random_are_polygons_and_boxes_with_key_points_are_not():
    random = np.random.default_rng(0)
    contours, poses = [], []
    for _ in range(60):
        centre, radius, count = random.uniform(0.2, 0.8, 2), random.uniform(0.05, 0.2, 2), random.integers(4, 30)
        angles = np.sort(random.uniform(0, 2 * math.pi, count))
        contours.append((centre + radius * np.stack([np.cos(angles), np.sin(angles)], 1)).ravel().tolist())
        points = centre + radius * random.uniform(-0.9, 0.9, (5, 2))
        poses.append([*centre, *(2 * radius), *points.ravel()])
    assert not may_have_key_points(contours)
    assert may_have_key_points(poses)


def test_kpt_shape_of_no_key_points_tells_that_lines_are_polygons(tmp_path):
    reading = yolo.read(dataset(tmp_path, MIDDLE, more="kpt_shape: [0, 2]\n"))
    assert corners(reading) == [[22, 32, 78, 68]]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"{BOX} 0.9", "has 6 numbers: a box with a confidence or a track id"),
        (f"{BOX} 0.9 7 1", "has 8 numbers"),
        ("0 0.5 0.5", "has 3 numbers"),
        ("0", "has 1 numbers"),
        (f"{BOX} 0.1 0.1 1.7 0.2", "cannot be a polygon: 1.7 is no fraction"),
        ("0 10 10 20 10 20 20 10 20", "cannot be a polygon: 20 is no fraction"),
        ("0 50 50 20 10", "tells the box 50, 50, 20, 10, which are no fractions"),
        ("0 0.5 0.5 1_0 0.1", "'1_0' is not a number"),
        ("0 0.5 0.5 inf 0.1", "'inf' is not a number"),
        ("0 0.5 0.5 1e999 0.1", "is not a finite number"),
        ("0 0,5 0,5 0,2 0,1", "'0,5' is not a number"),
    ],
)
def test_what_is_no_box_and_no_polygon_is_told(tmp_path, line, reason):
    reading = yolo.read(dataset(tmp_path, f"{line}\n{BOX}"))
    assert corners(reading) == [[40, 45, 60, 55]]
    (problem,) = reading.problems
    assert problem.path == f"{tmp_path / 'labels' / '0.txt'}: line 1"
    assert reason in problem.reason


@pytest.mark.parametrize("line", [POSES["[2, 2]"], POSES["[4, 3]"], "0 0.2 0.2 0.8 0.2 0.5 0.8 0.3 0.3 0.1 0.1"])
def test_lines_of_another_shape_than_kpt_shape_are_told(tmp_path, line):
    reading = yolo.read(dataset(tmp_path, f"{line}\n{BOX}\n{POSES['[4, 2]']}", more="kpt_shape: [4, 2]\n"))
    assert corners(reading) == [[40, 45, 60, 55]] * 2
    assert "with kpt_shape [4, 2] it has 5, or 13" in reading.problems[0].reason


@pytest.mark.parametrize(
    "shape",
    [
        "[4]",
        "4",
        "[4, 4]",
        "[4, 2, 1]",
        "[-1, 2]",
        "[four, 2]",
        "[1.5, 2]",
        "{4: 2}",
        "[[4], 2]",
        "[1_0, 2]",
        "[.inf, 2]",
    ],
)
def test_a_kpt_shape_that_does_not_hold_is_told_and_boxes_are_read(tmp_path, shape):
    reading = yolo.read(dataset(tmp_path, f"{BOX}\n{POSES['[4, 2]']}", more=f"kpt_shape: {shape}\n"))
    assert corners(reading) == [[40, 45, 60, 55]]
    assert [problem.path for problem in reading.problems] == [
        str(tmp_path / "data.yaml"),
        f"{tmp_path / 'labels' / '0.txt'}: line 2",
    ]
    assert "kpt_shape" in reading.problems[0].reason


@pytest.mark.parametrize("nothing", ["", "null", "~"])
def test_a_kpt_shape_of_nothing_tells_nothing(tmp_path, nothing):
    reading = yolo.read(dataset(tmp_path, *POLYGONS, more=f"kpt_shape: {nothing}\n"))
    assert corners(reading) == [*POLYGONS.values()]


def test_two_files_of_different_key_points_are_told(tmp_path):
    dataset(tmp_path, f"{BOX}\n{POSES['[4, 2]']}", more="kpt_shape: [4, 2]\n")
    (tmp_path / "labels" / "data.yaml").write_text("names: [vertebra, disc]\nkpt_shape: [4, 3]\n")
    reading = yolo.read(tmp_path)
    assert corners(reading) == [[40, 45, 60, 55]]
    assert "kpt_shape differs: data.yaml tells 4, 2 and data.yaml tells 4, 3" in reading.problems[0].reason


def test_a_box_of_fractions_is_its_centre_and_size():
    assert Lines().corners([0.5, 0.25, 0.5, 0.5]) == (0.5 - 0.25, 0.25 - 0.25, 0.5 + 0.25, 0.25 + 0.25)
    with pytest.raises(Malformed, match="has 1 numbers"):
        Lines().corners([])


@pytest.mark.parametrize(
    "names", ["[vertebra, vertebra2]", "{0: vertebra, 1: vertebra2}", "{1: vertebra2, 0: vertebra}"]
)
@pytest.mark.parametrize("file", ["data.yaml", "data.yml", "spine.yaml", "sub/data.yaml"])
def test_names_stand_in_a_yaml_file(tmp_path, names, file):
    (dataset(tmp_path, BOX) / "data.yaml").unlink()
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(f"nc: 2\nnames: {names}\n")
    (tmp_path / "hyperparameters.yaml").write_text("lr0: 0.01\n")
    assert [box.label for one in yolo.read(tmp_path).annotations for box in one.boxes] == ["vertebra"]


@pytest.mark.parametrize(
    "file", ["classes.txt", "obj.names", "spine.core.names", "labels/classes.txt", "train/_darknet.labels"]
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_names_stand_in_a_list(tmp_path, file, encoding):
    (dataset(tmp_path, BOX) / "data.yaml").unlink()
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("Wirbelkörper \r\ndisc\r\n\r\n", encoding=encoding)
    reading = yolo.read(tmp_path)
    assert [box.label for one in reading.annotations for box in one.boxes] == ["Wirbelkörper"]
    assert reading.problems == ()


def test_a_name_is_its_text_whatever_yaml_makes_of_it(tmp_path):
    (dataset(tmp_path, BOX) / "data.yaml").write_text("names: [no, 2024-01-01]\n")
    assert [box.label for one in yolo.read(tmp_path).annotations for box in one.boxes] == ["no"]


def test_lists_that_agree_are_no_error_and_those_that_do_not_are_refused(tmp_path):
    dataset(tmp_path, BOX)
    for file in ("labels/classes.txt", "classes.txt", "images/classes.txt"):
        (tmp_path / file).write_text("vertebra\ndisc\n")
    assert yolo.read(tmp_path).problems == ()
    (tmp_path / "classes.txt").write_text("vertebra\ndisc\nsacrum\n")  # it begins with those of data.yaml
    assert yolo.read(tmp_path).problems == ()
    (tmp_path / "classes.txt").write_text("disc\nvertebra\n")
    with pytest.raises(SpineError, match=r"data\.yaml tells vertebra, disc and classes\.txt tells disc, vertebra"):
        yolo.read(tmp_path)
    assert len(corners(yolo.read(tmp_path, names=["vertebra", "disc"]))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "names: [a]\nnames: [b]\n",
        "names: {0: a, 0: b}\n",
        "names: []\n",
        "names: [[a]]\n",
        "names: [a\n",
        "names: !!python/object/apply:os.getcwd []\n",
        "names: " + "[" * 5000,
        "names: [" + "a, " * 400_000 + "]\n",
        "a: &a [x, x, x, x, x, x, x, x]\n"
        + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 8)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))
        + "names: *i\n",
        "",
        "- a\n",
        "nc: 2\n",
    ],
)
def test_a_data_yaml_that_does_not_hold_is_refused_by_name(tmp_path, text):
    (dataset(tmp_path, BOX) / "data.yaml").write_text(text)
    with pytest.raises(SpineError, match=r"data\.yaml") as error:
        yolo.read(tmp_path)
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("labels/notes.txt", "drawn by two readers\n"),
        ("images/notes.txt", "drawn by two readers\n"),
        ("labels/train.txt", "../images/0.png\n"),
        ("images/train.txt", "images/0.png\nimages/1.png\n"),
        ("labels/README.txt", "0 0.5 0.5 0.2 0.1\n"),
        ("labels/README.roboflow.txt", "spine - v1\n"),
        ("labels/obj.names", "vertebra\ndisc\n"),
        ("notes.txt", ""),
    ],
)
def test_notes_and_lists_beside_labels_are_no_error(tmp_path, file, text):
    (dataset(tmp_path, BOX) / file).write_text(text)
    reading = yolo.read(tmp_path)
    assert corners(reading) == [[40, 45, 60, 55]]
    assert {problem.severity for problem in reading.problems} <= {"warning"}


@pytest.mark.parametrize("text", [BOX, "", "disc 0.5 0.5 0.2 0.1", f"# remark\n{BOX}", "0 1 2 3 4 5 6 7"])
def test_labels_without_a_picture_are_an_error(tmp_path, text):
    (dataset(tmp_path, BOX) / "labels" / "lonely.txt").write_text(text)
    (problem,) = yolo.read(tmp_path).problems
    assert (problem.path, problem.severity) == (str(tmp_path / "labels" / "lonely.txt"), "error")


def test_a_picture_called_classes_has_labels_and_no_names(tmp_path):
    dataset(tmp_path, BOX)
    (tmp_path / "images" / "0.png").rename(tmp_path / "images" / "classes.png")
    (tmp_path / "labels" / "0.txt").rename(tmp_path / "labels" / "classes.txt")
    assert corners(yolo.read(tmp_path)) == [[40, 45, 60, 55]]


def test_where_no_picture_has_a_label_file_nothing_is_told_and_none_is_background(tmp_path):
    dataset(tmp_path, BOX, BOX)
    for file in (tmp_path / "labels").iterdir():
        file.unlink()
    reading = yolo.read(tmp_path)
    assert reading.annotations == ()
    (problem,) = reading.problems
    assert (problem.severity, problem.reason[:39]) == ("error", "2 of 2 pictures have no label file (ima")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_label_file_in_an_encoding_that_is_told_is_read(tmp_path, encoding):
    (dataset(tmp_path, BOX) / "labels" / "0.txt").write_text(BOX, encoding=encoding)
    assert corners(yolo.read(tmp_path)) == [[40, 45, 60, 55]]


@pytest.mark.parametrize("other", ["images/1.xml", "labels/1.json", "annotations/1.XML"])
def test_a_picture_of_which_another_format_tells_is_no_background(tmp_path, other):
    dataset(tmp_path, BOX, BOX, BOX)
    (tmp_path / "labels" / "1.txt").unlink()
    (tmp_path / "labels" / "2.txt").unlink()
    (tmp_path / other).parent.mkdir(exist_ok=True)
    (tmp_path / other).write_text("")
    reading = yolo.read(tmp_path)
    assert [one.image for one in reading.annotations] == ["images/0.png", "images/2.png"]
    assert {problem.path: problem.severity for problem in reading.problems} == {
        str(tmp_path / other): "error",
        str(tmp_path): "warning",
    }
