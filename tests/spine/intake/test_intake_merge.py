import pytest

from spine.annotations.types import Annotation, Box
from spine.intake.merge import Told, iou, merge

DISC = Box("disc", 10, 10, 30, 20)


def test_iou_of_boxes_that_share_half():
    assert iou(Box("a", 0, 0, 2, 2), Box("a", 1, 0, 3, 2)) == pytest.approx(2 / 6)
    assert iou(Box("a", 0, 0, 2, 2), Box("a", 2, 0, 3, 2)) == 0


def test_a_box_told_by_two_files_is_one_box_with_its_grade():
    graded = Box("disc", 10, 10, 30, 20.5, level="2", values={"pfirrmann": "4"})
    for order in ([DISC, graded], [graded, DISC]):
        merged = merge("a.png", [Told(Annotation("a.png", (box,))) for box in order], 50, 50).annotation
        assert merged.boxes == (graded,)


def test_boxes_of_other_labels_or_places_stay():
    boxes = (DISC, Box("vertebra", 10, 10, 30, 20), Box("disc", 10, 14, 30, 24))
    assert merge("a.png", [Told(Annotation("a.png", boxes))], 50, 50).annotation.boxes == boxes


def test_the_later_file_holds_and_fills_what_the_earlier_left_empty():
    first = Annotation("a.png", labels={"a": "1", "b": "1"}, patient="7", split="train")
    second = Annotation("a.png", labels={"b": "2"}, sequence="t2")
    merged = merge("a.png", [Told(first), Told(second)], 50, 50).annotation
    assert merged.labels == {"a": "1", "b": "2"}
    assert (merged.patient, merged.sequence, merged.split) == ("7", "t2", "train")


def test_boxes_drawn_on_a_picture_of_another_size_are_refused():
    merged = merge("a.png", [Told(Annotation("a.png", (DISC,), size=(70, 60)))], 50, 60)
    assert merged.annotation.boxes == ()
    assert [problem.severity for problem in merged.problems] == ["error"]
    assert "(70, 60)" in merged.problems[0].reason


def test_a_joining_file_grades_the_boxes_of_earlier_ones_and_draws_none():
    graded = Box("disc", 10, 10, 30, 20, values={"pfirrmann": "4"})
    stray = Box("disc", 30, 30, 45, 40, values={"pfirrmann": "1"})
    told = [Told(Annotation("a.png", (DISC,))), Told(Annotation("a.png", (graded, stray)), joins=True)]
    merged = merge("a.png", told, 50, 50)
    assert merged.annotation.boxes == (graded,)
    assert [problem.severity for problem in merged.problems] == ["warning"]


def test_a_box_outside_its_picture_is_a_problem():
    merged = merge("a.png", [Told(Annotation("a.png", (Box("disc", 50, 0, 60, 10), DISC)))], 50, 50)
    assert merged.annotation.boxes == (DISC,)
    assert "outside" in merged.problems[0].reason


def test_a_box_partly_outside_is_cut_off_at_the_edges_and_told_once_a_picture():
    boxes = (Box("disc", -4, 10, 30, 20), Box("disc", 10, 45, 60, 52), DISC)
    merged = merge("a.png", [Told(Annotation("a.png", boxes)), Told(Annotation("a.png", boxes), joins=True)], 50, 50)
    assert merged.annotation.boxes == (Box("disc", 0, 10, 30, 20), Box("disc", 10, 45, 50, 50), DISC)
    (problem,) = merged.problems
    told = "box (-4, 10, 30, 20) of 'disc' reaches outside the picture of 50 x 50, and 1 more do"
    assert (problem.severity, problem.reason) == ("warning", told)


def test_rounding_at_the_edge_is_no_news():
    box = Box("disc", -0.004, 10, 50.009, 20)
    merged = merge("a.png", [Told(Annotation("a.png", (box,)))], 50, 50)
    assert merged.annotation.boxes == (Box("disc", 0, 10, 50, 20),)
    assert merged.problems == []


OUTSIDE = Box("disc", 60, 0, 70, 10)


@pytest.mark.parametrize(
    ("told", "lost"),
    [
        ([Told(Annotation("a.png"))], False),
        ([Told(Annotation("a.png", (OUTSIDE,)))], True),
        ([Told(Annotation("a.png", (OUTSIDE, DISC)))], False),
        ([Told(Annotation("a.png", refused=("no class",)))], True),
        ([Told(Annotation("a.png", (DISC,), refused=("no class",)))], False),
        ([Told(Annotation("a.png", (DISC,), size=(9, 9))), Told(Annotation("a.png"))], True),
        ([Told(Annotation("a.png", size=(9, 9))), Told(Annotation("a.png"))], False),
        ([Told(Annotation("a.png")), Told(Annotation("a.png", (DISC,)), joins=True)], True),
    ],
)
def test_a_picture_without_boxes_is_told_from_one_that_lost_them(told, lost):
    merged = merge("a.png", told, 50, 50)
    assert merged.lost_its_boxes is lost
    assert merged.is_named


def test_a_picture_is_not_named_by_what_is_of_another_size():
    assert not merge("a.png", [Told(Annotation("a.png", size=(9, 9)))], 50, 50).is_named
    assert not merge("a.png", [], 50, 50).is_named
