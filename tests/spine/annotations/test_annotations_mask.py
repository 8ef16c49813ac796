"""Masks of class indices."""

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from spine.annotations import Annotation, Box, coco, mask
from spine.annotations.mask import boxes_from_mask, load_mask
from spine.core.problems import SpineError

LABELS = ("vertebra", "disc")
TINY = np.array(
    [
        [1, 1, 0, 0, 2],
        [0, 0, 0, 0, 2],
        [0, 2, 0, 0, 0],
        [0, 0, 2, 1, 1],
    ],
    np.uint8,
)


def pages(path, *arrays):
    first, *others = [Image.fromarray(array) for array in arrays]
    first.save(path, save_all=True, append_images=others)


def test_boxes_from_mask_by_eye():
    """Diagonal neighbours are connected; boxes come by class, then from the top down."""
    assert boxes_from_mask(TINY, LABELS) == (
        Box("vertebra", 0, 0, 2, 1),
        Box("vertebra", 3, 3, 5, 4),
        Box("disc", 4, 0, 5, 2),
        Box("disc", 1, 2, 3, 4),
    )
    assert boxes_from_mask(TINY, LABELS[:1], min_area=3) == ()
    assert boxes_from_mask(np.zeros((3, 3), np.uint8), LABELS) == ()


def test_boxes_from_mask_against_scipy():
    random = np.random.default_rng(0).integers(0, 3, (30, 40)).astype(np.uint8)
    expected = []
    for index, label in enumerate(LABELS, start=1):
        components, _ = ndimage.label(random == index, structure=np.ones((3, 3)))
        found = sorted(ndimage.find_objects(components), key=lambda slices: [part.start for part in slices])
        expected += [Box(label, x.start, y.start, x.stop, y.stop) for y, x in found]
    assert boxes_from_mask(random, LABELS) == tuple(expected)


def test_depths_palettes_and_pages_load_alike(tmp_path):
    cv2.imwrite(str(tmp_path / "8.png"), TINY)
    cv2.imwrite(str(tmp_path / "16.png"), TINY.astype(np.uint16))
    cv2.imwrite(str(tmp_path / "16.tif"), TINY.astype(np.uint16))
    palette = Image.fromarray(TINY, mode=None).convert("P")
    palette.putdata(TINY.ravel().tolist())
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    palette.save(tmp_path / "palette.png")
    pages(tmp_path / "pages.tif", *((index == TINY).astype(np.uint8) * 255 for index in (1, 2)))
    for file in tmp_path.iterdir():
        loaded = load_mask(file, LABELS)
        assert loaded.dtype == np.uint8
        np.testing.assert_array_equal(loaded, TINY, err_msg=file.name)


def test_later_pages_lie_over_earlier_ones(tmp_path):
    pages(tmp_path / "a.tif", np.array([[1, 1, 0]], np.uint8), np.array([[0, 1, 1]], np.uint8))
    assert load_mask(tmp_path / "a.tif", LABELS).tolist() == [[1, 2, 2]]


def test_black_and_white_stands_for_a_single_label(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.array([[0, 255]], np.uint8))
    cv2.imwrite(str(tmp_path / "b.png"), np.array([[0, 65535]], np.uint16))
    assert load_mask(tmp_path / "a.png", ["disc"]).tolist() == [[0, 1]]
    assert load_mask(tmp_path / "b.png", ["disc"]).tolist() == [[0, 1]]
    with pytest.raises(SpineError, match=r"unknown class indices \[255\] where 1 to 2 are vertebra, disc"):
        load_mask(tmp_path / "a.png", LABELS)


def test_masks_find_their_pictures(tmp_path):
    for name in ("images/p1/a.jpg", "images/p2/a.jpg", "masks/p1/a_mask.png", "masks/p2/a_mask.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / name), TINY)
    found = mask.read(tmp_path / "masks", labels=LABELS, images=tmp_path / "images", pattern="{stem}_mask")
    assert found.problems == ()
    assert found.annotations == tuple(
        Annotation(f"{p}/a.jpg", mask=tmp_path / "masks" / p / "a_mask.png", mask_labels=LABELS, size=(4, 5))
        for p in ("p1", "p2")
    )


def test_masks_beside_their_pictures(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.full((4, 5), 200, np.uint8))
    cv2.imwrite(str(tmp_path / "a_mask.png"), TINY)
    found = mask.read(tmp_path, labels=LABELS, images=tmp_path, pattern="{stem}_mask", boxes=True)
    assert [(a.image, a.boxes) for a in found.annotations] == [("a.png", boxes_from_mask(TINY, LABELS))]
    assert found.problems == ()


def test_round_trip(tmp_path):
    (tmp_path / "in").mkdir()
    pages(tmp_path / "in" / "a.tif", *((index == TINY).astype(np.uint8) for index in (1, 2)))
    (read,) = mask.read(tmp_path / "in", labels=LABELS, boxes=True).annotations
    mask.write([read, Annotation("no-mask.png")], tmp_path / "out")
    (again,) = mask.read(tmp_path / "out", labels=LABELS, boxes=True).annotations
    assert (again.image, again.boxes, again.size) == ("a.png", read.boxes, read.size)
    np.testing.assert_array_equal(load_mask(again.mask, LABELS), TINY)


def test_bad_masks_are_listed_and_the_good_one_kept(tmp_path):
    cv2.imwrite(str(tmp_path / "good.png"), TINY)
    cv2.imwrite(str(tmp_path / "unknown.png"), TINY * 2)
    cv2.imwrite(str(tmp_path / "colour.png"), np.dstack([TINY, TINY, TINY * 2]))
    cv2.imwrite(str(tmp_path / "empty.png"), TINY * 0)
    pages(tmp_path / "three.tif", TINY, TINY, TINY)
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "zero.tif").touch()
    (tmp_path / "cut.png").write_bytes((tmp_path / "good.png").read_bytes()[:50])
    found = mask.read(tmp_path, labels=LABELS)
    assert [annotation.image for annotation in found.annotations] == ["empty.png", "good.png"]
    assert {problem.path.rpartition("/")[2]: problem.severity for problem in found.problems} == {
        **dict.fromkeys(["unknown.png", "colour.png", "three.tif", "text.png", "zero.tif", "cut.png"], "error"),
        "empty.png": "warning",
    }
    assert any("holds unknown class indices [4]" in problem.reason for problem in found.problems)
    assert any("has 3 pages where one a label is expected: vertebra, disc" in p.reason for p in found.problems)


def test_a_mask_without_its_picture_and_one_of_two_are_listed(tmp_path):
    for name in ("masks/a.png", "masks/b.png", "images/b.png", "images/b.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / name), TINY)
    found = mask.read(tmp_path / "masks", labels=LABELS, images=tmp_path / "images")
    assert found.annotations == ()
    assert [problem.reason for problem in found.problems] == [
        "no picture is called a",
        "several pictures are called so: b.jpg, b.png",
    ]


def test_a_pattern_without_stem_is_refused(tmp_path):
    with pytest.raises(SpineError, match=r"lacks \{stem\}"):
        mask.read(tmp_path, labels=LABELS, pattern="mask_*")


def test_real_disc_boxes_are_the_components_of_the_masks(spine_data):
    """The disc boxes of these patients are those of their masks' components, as others made them.

    Of most other patients a few differ by a pixel or more: their masks were changed after the boxes were made.
    """
    folder, labels = spine_data / "spider-lumbar" / "t2space", ["vertebra", "disc", "canal"]
    told = [a for a in coco.read(folder / "annotations.coco.json").annotations if a.patient in ("005", "007", "018")]
    assert len(told) == 15
    for annotation in told:
        found = boxes_from_mask(load_mask(folder / "masks" / annotation.image, labels), labels)
        assert all(box in found for box in annotation.boxes if box.label == "disc")
