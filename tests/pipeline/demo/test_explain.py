"""Explanations lie where the answer comes from, by both ways."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from ensemble.fusion.fuse import Mean
from pipeline.demo.explain import BOXES, explain
from pipeline.demo.overlaps import overlaps
from pipeline.demo.pictures import heat_over
from pipeline.demo.shown_run import Grader, ShownRun
from spine.answers.answer import Finding
from spine.core.problems import SpineError
from spine.images.pictures import encode_png
from tests.bright_detector import write_detector
from tests.pipeline.demo.conftest import LOWER, PICTURE, UPPER


class Network:
    """A watched network that says what it is told to, and points at the left edge, or at the right."""

    def __init__(self, answer, column):
        self.answer, self.column = answer, column

    def look(self, picture, boxes, classes):
        maps = [np.zeros(picture.shape) for _ in boxes]
        for one, box in zip(maps, boxes, strict=True):
            y0, x0, y1, x1 = np.round(np.multiply(box, [*picture.shape] * 2)).astype(int)
            one[y0:y1, x0 if self.column == 0 else x1 - 1] = 7
        return self.answer, maps


@pytest.fixture(scope="module")
def answer(run):
    return run.model.answer(encode_png(PICTURE))


def graded(run, answer, off=0.0):
    said = np.stack([grade.probabilities for one in answer.findings for grade in one.grades[:1]]) + np.array(
        [off, -off]
    )
    members = (SimpleNamespace(name="left"), SimpleNamespace(name="right"))
    part = SimpleNamespace(mean=Mean((0.75, 0.25)), members=members)
    grader = Grader(part, (Network(said, 0), Network(said, -1)))
    return replace(run, graders={"degeneration": grader})


def test_grad_cam_of_members_lies_in_each_disc_by_their_weights(run, answer):
    shares = []
    made = explain(graded(run, answer), PICTURE, answer, "degeneration", advance=shares.append)
    assert "Grad-CAM" in made.how
    assert "left 0.75, right 0.25" in made.how
    for x0, y0, x1, y1 in (UPPER, LOWER):
        inside = made.values[y0:y1, x0:x1]
        np.testing.assert_allclose(inside[:, 0], 0.75)
        np.testing.assert_allclose(inside[:, -1], 0.25)
        assert not inside[:, 1:-1].any()
    assert not made.values[:, :20].any()


def test_networks_that_say_something_else_explain_nothing(run, answer):
    made = explain(graded(run, answer, off=0.1), PICTURE, answer, "degeneration")
    assert "Occlusion" in made.how
    assert "no longer say what the model says" in made.how
    shown = graded(run, answer, off=0.1)
    shown.graders["degeneration"].networks[0].answers_by_flips = True
    assert "by the mean over flipped pictures" in explain(shown, PICTURE, answer, "degeneration").how


def test_occlusion_of_a_case_finds_the_discs(run, answer):
    shares = []
    made = explain(run, PICTURE, answer, "degeneration", "degenerated", advance=shares.append)
    assert "Occlusion" in made.how
    assert shares[-1] == 1
    inside = max(made.values[y0:y1, x0:x1].max() for x0, y0, x1, y1 in (UPPER, LOWER))
    assert inside == made.values.max() == made.top > 0.05


def test_occlusion_of_a_detector_finds_its_box(tmp_path):
    member = write_detector(tmp_path, ("region", "disc"), (0.3, 1.1, 0.9, 1), (0.8, 1.1, 0.8, 2))
    run = ShownRun.open(member.path)
    answer = run.model.answer(encode_png(PICTURE))
    made = explain(run, PICTURE, answer, BOXES)
    x0, y0, x1, y1 = LOWER
    assert made.values[y0:y1, x0:x1].max() == made.values.max() > 0.1


def test_what_the_answer_does_not_have_is_refused_in_a_sentence(run, answer):
    with pytest.raises(SpineError, match="the answer has no bulging to explain"):
        explain(run, PICTURE, answer, "bulging")


def test_overlaps_are_intersection_over_union():
    findings = [Finding("disc", (0, 0, 4, 2))]
    boxes = np.array([[[0, 0, 1, 0.5], [0, 0.25, 1, 0.75], [0, 0, 0, 0]]])
    np.testing.assert_allclose(overlaps(findings, boxes, (2, 8)), [[[1, 1 / 3, 0]]])


def test_a_map_leaves_the_picture_where_it_is_nothing():
    values = np.zeros(PICTURE.shape)
    clear = heat_over(PICTURE, values, 1)
    assert (clear[..., 0] == clear[..., 2]).all()
    values[:, :20] = 5
    warm = heat_over(PICTURE, values, 5)
    assert (warm[:, :100, 0] > warm[:, :100, 2]).any()
    np.testing.assert_array_equal(warm[:, -100:], clear[:, -100:])
