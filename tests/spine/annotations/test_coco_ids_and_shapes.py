"""COCO files as tools write them: ids as text or numbers, objects of several parts, boxes of segmentations."""

import json

import numpy as np
import pytest
from pycocotools import mask as cocomask

from spine.annotations import Box, coco
from spine.annotations.coco_segmentation import bounds
from spine.annotations.types import Malformed


def read(tmp_path, annotations, images=((1, "a.png"), (2, "b.png")), categories=((1, "disc"),)):
    content = {
        "images": [{"id": identity, "file_name": name} for identity, name in images],
        "categories": [{"id": identity, "name": name} for identity, name in categories],
        "annotations": [{"category_id": categories[0][0], "bbox": [3, 4, 10, 5]} | one for one in annotations],
    }
    (tmp_path / "a.json").write_text(json.dumps(content))
    return coco.read(tmp_path / "a.json")


def boxes(reading):
    return {found.image: [box.label for box in found.boxes] for found in reading.annotations}


@pytest.mark.parametrize(
    ("known", "named"),
    [
        *((1, name) for name in (1, 1.0, "1", " 1 ", "1.0", "001")),
        *(("1", name) for name in (1, 1.0, "1", "01")),
        *(("0001", name) for name in (1, "1", "0001")),
        *((0, name) for name in (0, "0", "00")),
        *((1.0, name) for name in (1, "1")),
        ("a.png", "a.png"),
        ("IM-1", "IM-1"),
    ],
)
def test_an_id_is_the_same_as_text_or_as_a_number(tmp_path, known, named):
    reading = read(
        tmp_path,
        [{"image_id": named, "category_id": named}, {"image_id": 22, "category_id": known}],
        images=((known, "a.png"), ("22", "b.png")),
        categories=((known, "disc"),),
    )
    assert reading.problems == ()
    assert boxes(reading) == {"a.png": ["disc"], "b.png": ["disc"]}


@pytest.mark.parametrize("named", [3, "3", "a.png", None, [1], {}, True, "", float("nan"), 1.5, "1_0"])
def test_a_picture_is_not_background_where_boxes_are_of_no_image(tmp_path, named):
    reading = read(tmp_path, [{"image_id": 1}, {"image_id": named}])
    found = {one.image: one for one in reading.annotations}
    assert boxes(reading) == {"a.png": ["disc"], "b.png": []}
    assert found["a.png"].refused == ()
    assert len(found["b.png"].refused) == 1
    assert "1 annotations name no image, and may be of this one" in found["b.png"].refused[0]
    assert [problem.path for problem in reading.problems] == [f"{tmp_path / 'a.json'}: annotations[1]"]


def test_text_ids_that_differ_only_in_zeros_are_two_and_the_number_is_of_neither(tmp_path):
    images = (("1", "a.png"), ("01", "b.png"))
    assert boxes(read(tmp_path, [{"image_id": "01"}], images=images)) == {"a.png": [], "b.png": ["disc"]}
    reading = read(tmp_path, [{"image_id": "001"}], images=images)
    assert boxes(reading) == {"a.png": [], "b.png": []}
    assert all("2 images have its id" in one.refused[0] for one in reading.annotations)


def test_an_id_of_two_images_gives_its_boxes_to_none(tmp_path):
    reading = read(tmp_path, [{"image_id": 1}], images=((1, "a.png"), ("1", "b.png"), (2, "c.png")))
    assert boxes(reading) == {"a.png": [], "b.png": [], "c.png": []}
    assert [bool(one.refused) for one in reading.annotations] == [True, True, False]
    assert [problem.path.rpartition(": ")[2] for problem in reading.problems] == ["images[1]"]


def test_a_record_that_is_told_again_is_one(tmp_path):
    reading = read(tmp_path, [{"image_id": 1}], images=((1, "a.png"), (1, "a.png"), (2, "b.png")))
    assert boxes(reading) == {"a.png": ["disc"], "b.png": []}
    assert [(problem.severity, problem.path.rpartition(": ")[2]) for problem in reading.problems] == [
        ("warning", "images[1]")
    ]


def test_a_category_of_two_names_is_of_no_class(tmp_path):
    reading = read(tmp_path, [{"image_id": 1}, {"image_id": 2}], categories=((1, "disc"), (1, "vertebra")))
    assert boxes(reading) == {"a.png": [], "b.png": []}
    assert "category_id 1, which is that of disc and vertebra (and 1 more box)" in reading.problems[-1].reason


@pytest.mark.parametrize(
    ("flag", "crowd"), [(0, False), ("0", False), (False, False), (None, False), (1, True), ("1", True)]
)
def test_a_crowd_is_told_by_a_number_or_its_text(tmp_path, flag, crowd):
    reading = read(tmp_path, [{"image_id": 1, "iscrowd": flag}])
    assert boxes(reading)["a.png"] == ([] if crowd else ["disc"])


def rle(*shapes, height=12, width=10, compressed=True):
    drawn = np.zeros((height, width), np.uint8, order="F")
    for y0, x0, y1, x1 in shapes:
        drawn[y0:y1, x0:x1] = 1
    if compressed:
        found = cocomask.encode(drawn)
        return {"size": found["size"], "counts": found["counts"].decode()}
    flat = drawn.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *edges, flat.size]).tolist()
    return {"size": [height, width], "counts": [0, *counts] if flat[0] else counts}


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize(
    ("shapes", "corners"),
    [
        ([(2, 3, 7, 6)], (3, 2, 6, 7)),
        ([(0, 0, 1, 1)], (0, 0, 1, 1)),
        ([(11, 9, 12, 10)], (9, 11, 10, 12)),
        ([(0, 0, 12, 10)], (0, 0, 10, 12)),
        ([(2, 3, 4, 5), (8, 7, 10, 9)], (3, 2, 9, 10)),  # two parts
        ([(11, 2, 12, 3), (0, 3, 1, 4)], (2, 0, 4, 12)),  # a run that goes on at the top of the next column
    ],
)
def test_run_lengths_tell_the_pixels_that_they_cover(shapes, corners, compressed):
    assert bounds(rle(*shapes, compressed=compressed)) == corners


def test_run_lengths_equal_pycocotools_on_masks_at_random():
    for seed in range(50):
        random = np.random.default_rng(seed)
        drawn = np.asfortranarray(random.random((random.integers(1, 40), random.integers(1, 40))) < 0.1, np.uint8)
        drawn[-1, -1] = 1
        x, y, width, height = cocomask.toBbox(cocomask.encode(drawn))
        ys, xs = np.nonzero(drawn)
        mask = cocomask.encode(drawn)
        found = bounds({"size": mask["size"], "counts": mask["counts"].decode()})
        assert found == (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
        assert found == (x, y, x + width, y + height)


@pytest.mark.parametrize(
    ("segmentation", "corners"),
    [
        ([[1, 2, 8, 2, 8, 9]], (1, 2, 8, 9)),
        ([[1, 2, 8, 2, 8, 9], [20, 30, 25, 30, 25, 33]], (1, 2, 25, 33)),  # several polygons of one object
        ([1, 2, 8, 2, 8, 9], (1, 2, 8, 9)),
        (None, None),
        ([], None),
    ],
)
def test_polygons_tell_the_box_around_all_of_them(segmentation, corners):
    assert bounds(segmentation) == corners


@pytest.mark.parametrize(
    ("segmentation", "reason"),
    [
        ([[1, 2, 8, 2]], "a polygon of 4 numbers"),
        ([[1, 2, 8, 2, 8]], "a polygon of 5 numbers"),
        ([[1, 2, 8, float("nan"), 8, 9]], "is not a finite number"),
        ([[1, 2, 8, "1_0", 8, 9]], "is not a number"),
        ([[1, 2, 8, 2, 8, 9], 4], "has the polygon 4"),
        ("polygon", "it holds polygons or run lengths"),
        ({"counts": [1, 2]}, "lacks the key 'size'"),
        ({"counts": [1, 2], "size": [2, 2]}, "run lengths of 3 pixels; its size is 2 x 2"),
        ({"counts": [5, -1], "size": [2, 2]}, "run lengths of 4 pixels"),
        ({"counts": [4], "size": [2, 2]}, "has no pixel"),
        ({"counts": "~~~~", "size": [2, 2]}, "none of their letters"),
        ({"counts": "o" * 1000, "size": [2, 2]}, "none of their letters"),
        ({"counts": "P", "size": [2, 2]}, "cannot be read"),
        ({"counts": [4, 4], "size": "big"}, "'size' holds 'big'"),
    ],
)
def test_a_segmentation_that_does_not_hold_is_told(segmentation, reason):
    with pytest.raises(Malformed, match=reason):
        bounds(segmentation)


@pytest.mark.parametrize("bbox", [{}, {"bbox": None}, {"bbox": []}])
@pytest.mark.parametrize(
    "segmentation", [[[3, 2, 6, 2, 6, 7]], [[3, 2, 4, 2, 4, 7], [5, 6, 6, 6, 6, 7]], rle((2, 3, 7, 6))]
)
def test_without_a_bbox_the_segmentation_tells_the_box(tmp_path, bbox, segmentation):
    content = {"images": [{"id": 1, "file_name": "a.png"}], "categories": [{"id": 1, "name": "disc"}]}
    content["annotations"] = [{"image_id": 1, "category_id": 1, "segmentation": segmentation, **bbox}]
    (tmp_path / "a.json").write_text(json.dumps(content))
    reading = coco.read(tmp_path / "a.json")
    assert reading.annotations[0].boxes == (Box("disc", 3, 2, 6, 7),)
    assert [problem.severity for problem in reading.problems] == ["warning"]


@pytest.mark.parametrize(
    ("bbox", "is_told"),
    [([10, 20, 30, 40], False), ([11, 21, 29, 38], False), ([10, 20, 40, 60], True), ([20, 10, 30, 40], True)],
)
def test_a_bbox_apart_from_its_segmentation_is_told(tmp_path, bbox, is_told):
    polygon = [10, 20, 40, 20, 40, 60]  # 10, 20, 40, 60 are its corners: not x, y, width, height
    reading = read(tmp_path, [{"image_id": 1, "bbox": bbox, "segmentation": [polygon]}])
    assert len(reading.annotations[0].boxes) == 1
    assert any("bbox and segmentation lie apart" in problem.reason for problem in reading.problems) == is_told


@pytest.mark.parametrize("value", ["inf", "1_0", float("inf"), [4], {"deep": 4}])
def test_an_attribute_that_is_no_value_is_told_and_its_box_kept(tmp_path, value):
    reading = read(tmp_path, [{"image_id": 1, "attributes": {"pfirrmann": value, "modic": "2"}}])
    assert reading.annotations[0].boxes == (Box("disc", 3, 4, 13, 9, values={"modic": "2"}),)
    (problem,) = reading.problems
    assert problem.path == f"{tmp_path / 'a.json'}: annotations[0] of a.png: pfirrmann"


def test_keys_told_twice_are_told(tmp_path):
    record = '{"image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "bbox": [1, 1, 5, 5]}'
    other = '{"image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "attributes": {"grade": 4, "grade": 5}}'
    lists = '"images": [{"id": 1, "file_name": "a.png"}], "categories": [{"id": 1, "name": "disc"}]'
    (tmp_path / "a.json").write_text(f'{{{lists}, "annotations": [{record}, {other}]}}')
    reading = coco.read(tmp_path / "a.json")
    assert reading.annotations[0].boxes == (Box("disc", 0, 0, 9, 9),)
    assert [problem.reason for problem in reading.problems] == [
        "tells the key 'bbox' twice, and differently",
        "is told twice, and differently",
    ]
    (tmp_path / "a.json").write_text(f'{{{lists}, "annotations": [{record}], "annotations": []}}')
    reading = coco.read(tmp_path / "a.json")
    assert reading.annotations == ()
    assert "tells the key 'annotations' twice" in reading.problems[0].reason
