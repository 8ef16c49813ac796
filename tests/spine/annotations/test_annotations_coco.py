"""COCO JSON."""

import json

import cv2
import numpy as np
import pytest

from spine.annotations import Annotation, Box, coco


def written(tmp_path, **changes):
    content = {
        "images": [{"id": 1, "file_name": "a.png", "height": 20, "width": 30, "patient_id": "007", "sequence": "t2"}],
        "categories": [{"id": 2, "name": "disc"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 2, "bbox": [3, 4, 10, 5], "iscrowd": 0}],
    }
    path = tmp_path / "coco.json"
    path.write_text(json.dumps(content | changes))
    return path


def test_bbox_becomes_half_open_corners(tmp_path):
    reading = coco.read(written(tmp_path))
    box = Box("disc", 3, 4, 3 + 10, 4 + 5)
    assert reading.annotations == (Annotation("a.png", (box,), patient="007", sequence="t2", size=(20, 30)),)
    assert reading.problems == ()


def test_round_trip(tmp_path):
    annotations = (
        Annotation(
            "sub/a.png",
            (Box("disc", 0.5, 1, 4, 8.25, "3", {"pfirrmann": "4"}), Box("vertebra", -2, 0, 50, 60)),
            labels={"view": "lateral"},
            patient="007",
            sequence="t2",
            split="validation",
            size=(20, 30),
        ),
        Annotation("b.png"),
    )
    coco.write(annotations, tmp_path / "coco.json", labels=["vertebra"])
    assert coco.read(tmp_path / "coco.json").annotations == annotations
    categories = json.loads((tmp_path / "coco.json").read_text())["categories"]
    assert categories == [{"id": 1, "name": "vertebra"}, {"id": 2, "name": "disc"}]


def test_a_folder_of_exports_tells_the_split(tmp_path):
    for split in ("train", "valid"):
        (tmp_path / split).mkdir()
        written(tmp_path / split)
    found = coco.read(tmp_path).annotations
    assert [(a.image, a.split) for a in found] == [("train/a.png", "train"), ("valid/a.png", "validation")]


BAD = {"id": 9, "image_id": 1, "category_id": 2, "bbox": [3, 4, 10, 5]}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"bbox": [3, 4, 0, 5]}, "has no area"),
        ({"bbox": [3, 4, -1, 5]}, "has a negative size"),
        ({"bbox": [3, 4, 10]}, "it holds four numbers"),
        ({"bbox": [3, 4, "wide", 5]}, "it holds four numbers"),
        ({"bbox": [3, 4, float("nan"), 5]}, "it holds four numbers"),
        ({"bbox": [3, 4, 10**400, 5]}, "it holds four numbers"),
        ({"bbox": None}, "'bbox' holds None"),
        ({"category_id": 77}, "category_id 77, which `categories` lacks"),
        ({"category_id": 3}, "category_id 3, whose name is empty"),
        ({"image_id": 77}, "image_id 77, which `images` lacks"),
        ({"image_id": [1]}, "'image_id' holds [1]"),
    ],
)
def test_a_bad_box_is_listed_with_its_picture_and_the_good_one_kept(tmp_path, change, reason):
    good = {"id": 1, "image_id": 1, "category_id": 2, "bbox": [3, 4, 10, 5]}
    categories = [{"id": 2, "name": "disc"}, {"id": 3, "name": " "}]
    reading = coco.read(written(tmp_path, annotations=[BAD | change, good], categories=categories))
    assert [box.label for box in reading.annotations[0].boxes] == ["disc"]
    (problem,) = reading.problems
    picture = "" if "image_id" in change else " of a.png"
    assert problem.path == f"{tmp_path / 'coco.json'}: annotations[0]{picture}"
    assert problem.severity == "error"
    assert reason in problem.reason


@pytest.mark.parametrize("record", [{"image_id": 1, "category_id": 2}, "text", None, 4])
def test_a_record_without_its_keys_is_listed(tmp_path, record):
    reading = coco.read(written(tmp_path, annotations=[record]))
    assert reading.annotations[0].boxes == ()
    assert len(reading.problems) == 1


def test_an_unknown_label_is_listed_with_the_known_ones(tmp_path):
    reading = coco.read(written(tmp_path), labels=["vertebra", "sacrum"])
    assert reading.annotations[0].boxes == ()
    assert reading.problems[0].reason == "unknown label 'disc'; known are vertebra, sacrum"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "[" * 100_000, '{"images": {}, "categories": []}', "\x00"])
def test_a_file_that_is_no_coco_is_listed(tmp_path, text):
    (tmp_path / "bad.json").write_text(text)
    written(tmp_path)
    reading = coco.read(tmp_path)
    assert [annotation.image for annotation in reading.annotations] == ["a.png"]
    assert [problem.path for problem in reading.problems] == [str(tmp_path / "bad.json")]


def test_repeated_ids_and_empty_names_are_listed(tmp_path):
    images = [{"id": 1, "file_name": "a.png"}, {"id": 1, "file_name": "b.png"}, {"id": 2, "file_name": ""}]
    reading = coco.read(written(tmp_path, images=images))
    doubt = ("2 images have its id 1, and boxes name it",)  # of which of them the box is, nobody knows
    assert [(found.image, found.boxes, found.refused) for found in reading.annotations] == [
        ("a.png", (), doubt),
        ("b.png", (), doubt),
    ]
    assert [problem.path.partition(": ")[2] for problem in reading.problems] == ["images[1]", "images[2]"]


def test_segmentations_and_crowds_are_told(tmp_path):
    crowd, polygon = BAD | {"iscrowd": 1}, BAD | {"segmentation": [[0, 0, 1, 0, 1, 1]]}
    reading = coco.read(written(tmp_path, annotations=[crowd, polygon]))
    assert len(reading.annotations[0].boxes) == 1
    assert reading.problems[0].reason.startswith("1 segmentations and 1 crowd regions were not read")
    assert reading.problems[0].severity == "warning"


@pytest.mark.parametrize(
    ("change", "told"),
    [({"iscrowd": 1}, "1 crowd regions"), ({"segmentation": [[3, 4, 13, 4, 13, 9]]}, "1 segmentations")],
)
def test_only_what_was_not_read_is_counted(tmp_path, change, told):
    (problem,) = coco.read(written(tmp_path, annotations=[BAD | change])).problems
    assert problem.reason == f"{told} were not read; boxes were"


def test_the_picture_settles_which_of_two_records_is_true(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((20, 30), np.uint8))
    images = [{"id": 1, "file_name": "a.png", "height": 16, "width": 30}]
    images += [{"id": 2, "file_name": "a.png", "height": 20, "width": 30}]
    boxes = [BAD | {"image_id": 1, "bbox": [0, 0, 1, 1]}, BAD | {"image_id": 2, "bbox": [0, 0, 2, 2]}]
    path = written(tmp_path, images=images, annotations=boxes)
    (found,) = coco.read(path, images=tmp_path).annotations
    assert found == Annotation("a.png", (Box("disc", 0, 0, 2, 2),), size=(20, 30))
    assert [problem.severity for problem in coco.read(path, images=tmp_path).problems] == ["warning"]
    (unsettled,) = coco.read(path).annotations  # refused rather than not named: it is not background
    assert unsettled == Annotation("a.png", refused=(f"boxes are told of it by {path}: images[0] too",))


@pytest.mark.parametrize("height", [20, 16])
def test_an_image_that_is_told_again_with_boxes_is_not_background(tmp_path, height):
    images = [{"id": 1, "file_name": "a.png", "height": 20, "width": 30}]
    images += [{"id": 2, "file_name": "a.png", "height": height, "width": 30}]
    (found,) = coco.read(written(tmp_path, images=images, annotations=[BAD | {"image_id": 2}])).annotations
    assert found.boxes == ()
    assert found.refused == (f"boxes are told of it by {tmp_path / 'coco.json'}: images[1] too",)


def test_real_spider(spine_data):
    folder = spine_data / "spider-lumbar" / "t2space"
    reading = coco.read(folder / "annotations.coco.json", labels=["lumbar_region", "disc", "vertebra"])
    assert reading.problems == ()
    assert len(reading.annotations) == len(list((folder / "images").iterdir()))
    assert len({annotation.patient for annotation in reading.annotations}) == 29
    assert sum(box.label == "disc" for found in reading.annotations for box in found.boxes) == 1107


def test_real_midsagittal_records_of_two_pictures_under_one_name(spine_data):
    folder = spine_data / "spider-lumbar" / "midsagittal"
    reading = coco.read(folder / "annotations.coco.json", images=folder / "images")
    assert len(reading.annotations) == len(list((folder / "images").iterdir()))
    assert {problem.severity for problem in reading.problems} == {"warning"}
    for found in reading.annotations:
        height, width = cv2.imread(str(folder / "images" / found.image), cv2.IMREAD_UNCHANGED).shape
        assert found.size == (height, width)
