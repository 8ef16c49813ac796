"""Pictures side by side, and what is written beside boxes: as wide as can be seen, and off what it tells of."""

import numpy as np
import pytest

from ensemble.report.boxes import draw_boxes
from ensemble.report.picture_grid import Line, draw_grid
from ensemble.report.tags import place_tag, short_names
from spine.images.tint import class_colour, rgb

PAGE = 1300  # pixels of a page across


def line(count, why="typical"):
    pictures = {f"network {number}": np.full((150, 100), 90, np.uint8) for number in range(count)}
    return Line(why, "a sample", pictures, {"network 0": "0.91"})


@pytest.mark.parametrize(("count", "side"), [(4, 1.35), (7, 1.8), (23, 1.35)])
def test_each_picture_has_room_on_a_page_however_many_there_are(count, side):
    figure = draw_grid([line(count), line(count, "worst")], side)
    figure.draw_without_rendering()
    shown = [axis for axis in figure.axes if axis.get_visible()]
    assert len(shown) == 2 * count
    scale = min(PAGE / figure.bbox.width, 160 / figure.dpi)  # the page makes no picture larger
    assert min(axis.bbox.width * scale for axis in shown) > 150


def test_pictures_in_one_row_are_headed_once_and_wrapped_ones_each():
    def headings(count):
        figure = draw_grid([line(count), line(count, "worst")])
        return [axis.get_title(loc="left") for axis in figure.axes if axis.get_title(loc="left")]

    assert headings(3) == ["network 0", "network 1", "network 2"]
    assert len(headings(11)) == 2 * 11


def test_names_are_cut_to_what_tells_them_apart():
    assert short_names(["disc", "injury"]) == ["disc", "injury"]
    assert short_names(["hemorrhagic", "edematous", "mixed"]) == ["hem", "ede", "mixed"]
    assert short_names(["lumbar_disc", "lumbar_region"]) == ["lumbar_d", "lumbar_r"]
    assert short_names(["Bändscheibe"]) == [""]  # cannot be written into a picture
    assert short_names([]) == []


@pytest.mark.parametrize(
    ("box", "others", "placed", "expected"),
    [
        ((10, 40, 30, 60), [], [], (31, 45, 51, 55)),  # right
        ((70, 40, 90, 60), [], [], (49, 45, 69, 55)),  # no room there: left
        ((10, 40, 90, 60), [], [], (10, 29, 30, 39)),  # nor there: above
        ((10, 5, 90, 60), [], [], (10, 61, 30, 71)),  # below
        ((10, 40, 30, 60), [(40, 40, 60, 60)], [], (10, 29, 30, 39)),  # a box is there, and left is no room
        ((10, 40, 30, 60), [], [(31, 50, 51, 60)], (10, 29, 30, 39)),  # a tag is there
        ((0, 0, 100, 100), [], [], (0, 0, 20, 10)),  # fills the picture: its corner
    ],
)
def test_a_tag_lies_beside_its_box_and_on_no_other(box, others, placed, expected):
    assert place_tag(box, (20, 10), (100, 100), others, placed) == expected


def test_a_tag_has_the_colour_of_its_box_and_leaves_what_is_in_it():
    picture = np.full((80, 160), 90, np.uint8)
    boxes, classes, scores = np.array([[10, 20, 60, 50]]), np.array([2]), np.array([0.87])
    plain = draw_boxes(picture, boxes, classes)
    tagged = draw_boxes(picture, boxes, classes, scores, ("disc", "injury"))
    changed = np.argwhere((plain != tagged).any(axis=2))
    assert changed[:, 1].min() > 60
    assert np.array_equal(tagged[35, 62], rgb(class_colour(2)))
    percent = draw_boxes(picture, boxes, classes, scores)
    assert np.argwhere((plain != percent).any(axis=2))[:, 1].max() < changed[:, 1].max()  # the name takes room
    assert np.array_equal(
        draw_boxes(picture, boxes, classes - 1, scores, ("disc",)), draw_boxes(picture, boxes, classes - 1, scores)
    )
