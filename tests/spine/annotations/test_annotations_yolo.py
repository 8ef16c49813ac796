"""YOLO text folders."""

import re

import cv2
import numpy as np
import pytest

from spine.annotations import Annotation, Box, yolo
from spine.core.problems import SpineError

HEIGHT, WIDTH = 20, 40


def picture(path, height=HEIGHT, width=WIDTH):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.zeros((height, width), np.uint8))


def dataset(root, *lines, names="[disc, vertebra]"):
    picture(root / "train" / "images" / "a.png")
    (root / "train" / "labels").mkdir()
    (root / "train" / "labels" / "a.txt").write_text("\n".join(lines))
    (root / "data.yaml").write_text(f"train: ../train/images\nnc: 2\nnames: {names}\n")
    return root


def test_fractions_become_pixels(tmp_path):
    reading = yolo.read(dataset(tmp_path, "1 0.5 0.5 0.25 0.1", ""))
    box = Box("vertebra", 40 * (0.5 - 0.125), 20 * (0.5 - 0.05), 40 * (0.5 + 0.125), 20 * (0.5 + 0.05))
    assert reading.annotations == (Annotation("train/images/a.png", (box,), split="train", size=(20, 40)),)
    assert reading.problems == ()


def test_a_polygon_gives_its_bounding_box(tmp_path):
    (found,) = yolo.read(dataset(tmp_path, "0 0.5 0.1 0.75 0.5 0.25 0.6")).annotations
    assert found.boxes == (Box("disc", 40 * 0.25, 20 * 0.1, 40 * 0.75, 20 * 0.6),)


@pytest.mark.parametrize("names", ["[disc, vertebra]", "{1: vertebra, 0: disc}"])
def test_names_are_a_list_or_a_mapping(tmp_path, names):
    (found,) = yolo.read(dataset(tmp_path, "1 0.5 0.5 0.5 0.5", names=names)).annotations
    assert [box.label for box in found.boxes] == ["vertebra"]


@pytest.mark.parametrize("names", ["disc", "{0: disc, 2: vertebra}", "!!python/object/apply:os.getcwd []"])
def test_names_that_tell_nothing_are_refused(tmp_path, names):
    with pytest.raises(SpineError, match=re.escape(str(tmp_path / "data.yaml"))):
        yolo.read(dataset(tmp_path, names=names))


def test_a_plain_folder(tmp_path):
    picture(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("1 0.5 0.5 1 1")
    with pytest.raises(SpineError, match="give `names`"):
        yolo.read(tmp_path)
    (tmp_path / "classes.txt").write_text("disc\nvertebra\n")
    reading = yolo.read(tmp_path)
    assert reading.annotations == (Annotation("a.png", (Box("vertebra", 0, 0, 40, 20),), size=(20, 40)),)
    assert reading.problems == ()
    assert yolo.read(tmp_path, names=["x", "y"]).annotations[0].boxes[0].label == "y"


def test_images_and_labels_in_folders_given_apart(tmp_path):
    dataset(tmp_path, "0 0.5 0.5 0.5 0.5")
    images = tmp_path / "train" / "images"
    for path in (tmp_path, tmp_path / "train", tmp_path / "train" / "labels"):
        reading = yolo.read(path, images=images, names=["disc"])
        assert [(found.image, len(found.boxes)) for found in reading.annotations] == [("a.png", 1)]
        assert reading.problems == ()


@pytest.mark.parametrize("split", ["", "train", "validation"])
def test_round_trip(tmp_path, split):
    picture(tmp_path / "source" / "a.png")
    boxes = (Box("vertebra", 1, 2, 8, 9), Box("disc", 0.5, 1.25, 13, 17), Box("disc", -3, 0, 50, 20))
    annotation = Annotation("a.png", boxes, split=split, size=(HEIGHT, WIDTH))
    yolo.write([annotation], tmp_path / "out", labels=["disc"], images=tmp_path / "source")
    reading = yolo.read(tmp_path / "out")
    folder = {"": "", "train": "train/", "validation": "valid/"}[split]
    assert reading.annotations == (Annotation(f"{folder}images/a.png", boxes, split=split, size=(HEIGHT, WIDTH)),)
    assert reading.problems == ()


def test_what_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(SpineError, match=r"the size of a\.png is not known"):
        yolo.write([Annotation("a.png")], tmp_path)
    sized = [Annotation(name, size=(1, 1)) for name in ("x/a.png", "y/a.jpg")]
    with pytest.raises(SpineError, match=r"y/a\.jpg shares images/a with another image"):
        yolo.write(sized, tmp_path)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("0 0.5 0.5 0 0.1", "has no area"),
        ("0 0.5 0.5 -0.1 0.1", "has a negative size"),
        ("0 0.5 0.5 nan 0.1", "'nan' is not a number"),
        ("0 0.5 0.5 0.1", "has 4 numbers"),
        ("0 0.5 0.5 0.1 0.1 0.9", "has 6 numbers"),
        ("disc 0.5 0.5 0.1 0.1", "holds a word that is no number"),
        ("2 0.5 0.5 0.1 0.1", "unknown class 2; the names are disc, vertebra"),
        ("0.5 0.5 0.5 0.1 0.1", "unknown class 0.5"),
        ("-1 0.5 0.5 0.1 0.1", "unknown class -1"),
        ("1 0.5 0.5 0.1 0.1", "unknown label 'vertebra'; known are disc"),
    ],
)
def test_a_bad_line_is_listed_and_the_good_one_kept(tmp_path, line, reason):
    reading = yolo.read(dataset(tmp_path, line, "0 0.5 0.5 0.5 0.5"), labels=["disc"])
    assert reading.annotations[0].boxes == (Box("disc", 10, 5, 30, 15),)
    (problem,) = reading.problems
    assert problem.path == f"{tmp_path / 'train' / 'labels' / 'a.txt'}: line 1"
    assert reason in problem.reason


def test_pictures_and_label_files_that_miss_each_other(tmp_path):
    dataset(tmp_path, "0 0.5 0.5 0.5 0.5")
    picture(tmp_path / "train" / "images" / "lonely.png")
    (tmp_path / "train" / "images" / "broken.png").write_bytes(b"no picture")
    (tmp_path / "train" / "images" / "empty.jpg").touch()
    (tmp_path / "train" / "labels" / "orphan.txt").touch()
    (tmp_path / "README.txt").touch()
    (tmp_path / "notes.txt").touch()
    reading = yolo.read(tmp_path)
    assert [found.image for found in reading.annotations] == ["train/images/a.png", "train/images/lonely.png"]
    assert {problem.path.rpartition("/")[2]: problem.severity for problem in reading.problems} == {
        **{"broken.png": "error", "empty.jpg": "error", "orphan.txt": "error"},
        tmp_path.name: "warning",  # which of them have no label file, in one line
    }
    assert "1 of 4 pictures have no label file (train/images/lonely.png)" in [one.reason for one in reading.problems]


def test_a_label_file_of_bytes_is_listed(tmp_path):
    dataset(tmp_path)
    (tmp_path / "train" / "labels" / "a.txt").write_bytes(b"\xff\xfe\x00")
    reading = yolo.read(tmp_path)
    assert [problem.path for problem in reading.problems] == [str(tmp_path / "train" / "labels" / "a.txt")]


def test_real_roboflow_export(spine_data):
    folder = spine_data / "xray-vertebrae-yolo"
    reading = yolo.read(folder)
    assert reading.problems == ()
    assert [found.split for found in reading.annotations].count("train") == 309
    assert [found.split for found in reading.annotations].count("validation") == 88
    lines = sum(len(file.read_text().splitlines()) for file in folder.glob("*/labels/*.txt"))
    assert sum(len(found.boxes) for found in reading.annotations) == lines
    # The source drew on half pixels at least: wrong sizes would give other fractions.
    corners = np.array([(b.x0, b.y0, b.x1, b.y1) for found in reading.annotations for b in found.boxes])
    assert np.allclose(corners * 2, np.rint(corners * 2), atol=1e-4)
