import numpy as np
import pytest

from spine.answers.answer import Answer, Finding, Grade
from spine.answers.overlay import draw_answer
from spine.answers.words import Beside, writer_for
from spine.core.problems import SpineError
from spine.images.tint import class_colour, rgb

GRADE = Grade("pfirrmann", ("1", "2"), np.array([0.25, 0.75]))
PICTURE = np.tile(np.linspace(1000, 3000, 300).astype(np.uint16), (450, 1))


def test_a_mask_tints_its_pixels_and_outlines_them():
    mask = np.zeros((450, 300), int)
    mask[100:200, 100:200] = 2
    answer = Answer("case", "3", 450, 300, mask=mask, mask_labels=("background", "vertebra", "disc"))
    drawn = draw_answer(PICTURE, answer, opacity=1, boxes=False)
    assert drawn.shape == (900, 600, 3)  # twice as large
    assert drawn[300, 300].tolist() == rgb(class_colour(2)).tolist()
    assert len(set(drawn[50, 50].tolist())) == 1  # grey
    faint = draw_answer(PICTURE, answer, opacity=0, boxes=False)
    assert len(set(faint[300, 300].tolist())) == 1
    assert faint[200, 300].tolist() == rgb(class_colour(2)).tolist()  # its outline


def test_boxes_lie_on_their_pixels_with_words_beside_them():
    box = Finding("disc", (40.0, 100.0, 90.0, 130.0), 0.9, 3, (GRADE,))
    drawn = draw_answer(PICTURE, Answer("case", "3", 450, 300, findings=(box,)))
    plain = draw_answer(PICTURE, Answer("case", "3", 450, 300))
    changed = (drawn != plain).any(axis=2)
    assert changed[200, 80:180].all()
    assert changed[259, 80:180].all()  # the last row within
    assert not changed[:199].any()
    assert changed[200:260, 185:].any()


def test_words_stay_in_the_picture_at_its_edges():
    boxes = [
        Finding("disc", (x, y, x + 20.0, y + 5.0), 0.9, 1, (GRADE,) * 8) for x in (0.0, 280.0) for y in (0.0, 445.0)
    ]
    drawn = draw_answer(PICTURE, Answer("case", "3", 450, 300, findings=tuple(boxes)))
    assert drawn.shape == (900, 600, 3)


def test_letters_are_as_small_as_many_grades_need():
    from PIL import Image, ImageDraw

    draw, words = ImageDraw.Draw(Image.new("RGB", (600, 900))), ("disc 1", *("pfirrmann: 1 (75%)",) * 5)
    few = [Beside((300.0, y, 400.0, y + 40.0), words[:2], "white") for y in (100.0, 200.0, 300.0)]
    many = [Beside((300.0, y, 400.0, y + 40.0), words, "white") for y in (100.0, 200.0, 300.0)]
    assert writer_for(draw, (600, 900), few).height == 15
    writer = writer_for(draw, (600, 900), many)
    assert 9 <= writer.height < 15
    assert not writer.overlaps(many)


def test_the_warning_is_in_every_picture():
    blank = draw_answer(np.zeros((450, 300), np.uint16), Answer("case", "3", 450, 300))
    assert (blank > 128).all(axis=2).sum() > 500


def test_a_picture_of_another_size_is_refused():
    with pytest.raises(SpineError, match="is about one of"):
        draw_answer(PICTURE, Answer("case", "3", 300, 450))
