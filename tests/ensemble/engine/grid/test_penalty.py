"""The penalty on weights far from equal ones by plain arithmetic, and over boxes by enumeration."""

import numpy as np
import pytest

from ensemble.engine.grid.choice import Choice
from ensemble.engine.grid.penalty import Penalty, count_nearest, nearest_vectors
from ensemble.engine.grid.simplex import Simplex
from ensemble.engine.grid.simplex_box import SimplexBox, SimplexBoxes
from spine.core.problems import SpineError


def test_the_penalty_by_hand():
    vectors = np.array([[4, 0], [3, 1], [2, 2]])  # weights (1, 0), (3/4, 1/4), (1/2, 1/2)
    assert Penalty(0.1, Simplex(2, 4)).of(vectors) == pytest.approx([0.1 * 2 / 4, 0.1 * 2 / 16, 0])
    thirds = Penalty(3.0, Simplex(3, 2)).of(np.array([[2, 0, 0], [1, 1, 0]]))  # (2/3)^2 + 2 (1/3)^2; 2 (1/6)^2 + 1/9
    assert thirds == pytest.approx([3 * 6 / 9, 3 * 1 / 6])
    assert Penalty(0.0, Simplex(2, 4)).of(vectors).tolist() == [0, 0, 0]


def test_all_gains_of_a_grid_less_their_penalties(monkeypatch):
    monkeypatch.setattr("ensemble.engine.grid.penalty.CHUNK", 7)
    grid = Simplex(3, 9)
    gains, weights = np.linspace(0, 1, grid.size), grid.weights(np.arange(grid.size))
    expected = gains - 0.3 * np.square(weights - 1 / 3).sum(axis=1)
    assert Penalty(0.3, grid).taken_from(gains) == pytest.approx(expected, abs=1e-15)
    assert Penalty(0.0, grid).taken_from(gains) is gains


def in_boxes(members, steps, cuts):
    boxes = SimplexBoxes.whole(members, steps)
    for _ in range(cuts):
        boxes, _ = boxes.halves()
    return boxes


@pytest.mark.parametrize(("members", "steps"), [(1, 3), (2, 16), (3, 10), (4, 9), (5, 7), (3, 1)])
@pytest.mark.parametrize("cuts", [0, 1, 3, 5])
def test_the_least_penalty_of_a_box_and_the_vectors_that_have_it(members, steps, cuts):
    penalty, boxes = Penalty(0.7, Simplex(members, steps)), in_boxes(members, steps, cuts)
    for box, least in zip(boxes, penalty.least(boxes), strict=True):
        vectors = box.vectors()
        penalties = penalty.of(vectors)
        assert least == penalties.min()  # to the bit, so that bounds and gains tie where they do
        nearest = vectors[penalties == least]
        assert [vector.tolist() for vector in nearest_vectors(box)] == nearest.tolist()
        assert count_nearest(box) == len(nearest)


def test_one_step_after_the_other_to_the_smallest_entry_that_has_room():
    random = np.random.default_rng(0)
    for _ in range(200):
        members = int(random.integers(2, 7))
        lower = random.integers(0, 20, members)
        upper = lower + random.integers(0, 30, members)
        steps = int(random.integers(lower.sum(), upper.sum() + 1))
        vector = lower.copy()
        while vector.sum() < steps:
            vector[np.where(vector < upper, vector, steps + 1).argmin()] += 1
        boxes, penalty = SimplexBoxes(np.array([[lower, upper]]), steps), Penalty(0.5, Simplex(members, steps))
        assert penalty.least(boxes)[0] == penalty.of(vector[None])[0]
        assert next(nearest_vectors(boxes[0])).tolist() == vector.tolist()


def test_symmetric_vectors_are_counted_without_being_listed():
    box = SimplexBox(np.zeros(40, int), np.full(40, 20), 20)
    assert count_nearest(box) == 137_846_528_820  # 20 of 40 members
    assert next(nearest_vectors(box)).tolist() == [1] * 20 + [0] * 20


@pytest.mark.parametrize("kappa", [-0.1, float("nan"), float("inf"), 1001.0, 9e-9])
def test_a_penalty_that_rounding_drowns_is_refused(kappa):
    with pytest.raises(SpineError, match=r"equal weights is .*; at step 1/100 it is 0, for none, or 1e-08 to 1000"):
        Penalty(kappa, Simplex(3, 100))


def test_the_reason_names_the_penalty():
    choice = Choice.of(np.array([[0.5, 0.5]]), np.array([1.0]))
    assert Penalty(0.0, Simplex(2, 2)).told(choice).why == choice.why
    assert Penalty(0.02, Simplex(2, 2)).told(choice).why == (
        f"{choice.why} The score that counted here is worsened by a penalty, 0.02 times the squared distance of the "
        "weights to equal ones."
    )
