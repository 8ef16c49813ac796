"""Boxes of the weight simplex by plain enumeration: their vectors, their halves, and which vector is preferred."""

import itertools

import numpy as np
import pytest

from ensemble.engine.grid.simplex import Simplex
from ensemble.engine.grid.simplex_box import SimplexBox, SimplexBoxes, by_preference


def all_between(lower, upper, steps):
    ranges = [range(low, high + 1) for low, high in zip(lower, upper, strict=True)]
    return sorted((vector for vector in itertools.product(*ranges) if sum(vector) == steps), reverse=True)


def rank(vector):
    return sum(k > 0 for k in vector), sum(k * k for k in vector), [-k for k in vector]


def pieces(members, steps, cuts):
    """The grid, cut in halves again and again."""
    boxes = SimplexBoxes.whole(members, steps)
    for _ in range(cuts):
        boxes, _ = boxes.halves()
    return boxes


@pytest.mark.parametrize(("members", "steps", "cuts"), [(1, 3, 0), (2, 7, 2), (3, 10, 4), (4, 6, 5), (5, 5, 30)])
def test_halves_of_halves_share_out_the_grid(members, steps, cuts):
    boxes = pieces(members, steps, cuts)
    found = sorted((tuple(row) for box in boxes for row in box.vectors().tolist()), reverse=True)
    assert found == [tuple(row) for row in Simplex(members, steps).vectors(np.arange(len(found))).tolist()]
    assert len(found) == Simplex(members, steps).size
    if cuts == 30:
        assert all(box.points == 1 for box in boxes)  # a box of one vector stays what it is


@pytest.mark.parametrize("cuts", range(6))
def test_a_box_knows_its_vectors_and_the_preferred_one(cuts):
    boxes = pieces(4, 9, cuts)
    assert boxes.points.tolist() == [box.points for box in boxes]
    for box in boxes:
        vectors = all_between(box.lower, box.upper, 9)
        assert [tuple(row) for row in box.vectors().tolist()] == vectors
        assert box.points == len(vectors)
        assert tuple(box.preferred().tolist()) == min(vectors, key=rank)
        assert box.lower.tolist() == np.min(vectors, axis=0).tolist()  # as tight as can be
        assert box.upper.tolist() == np.max(vectors, axis=0).tolist()


def test_the_halves_tell_whose_they_are():
    boxes = pieces(3, 8, 2)
    halves, parents = boxes.halves()
    for parent, box in enumerate(boxes):
        own = [halves[number] for number in np.flatnonzero(parents == parent)]
        assert sum(half.points for half in own) == box.points
        assert all((half.lower >= box.lower).all() and (half.upper <= box.upper).all() for half in own)


def test_a_number_of_vectors_that_no_float_holds():
    box = SimplexBox(np.zeros(12, int), np.full(12, 1000), 1000)
    assert box.points == Simplex(12, 1000).size > 2**63
    assert box.preferred().tolist() == [1000] + [0] * 11


def test_the_preferred_of_a_box_without_corners_of_the_simplex():
    box = SimplexBox(np.array([0, 2, 0]), np.array([5, 6, 5]), 8)
    assert box.preferred().tolist() == [4, 4, 0]
    assert SimplexBox(np.array([0, 0, 0]), np.array([3, 3, 3]), 8).preferred().tolist() == [3, 3, 2]


def test_the_order_of_preference():
    vectors = Simplex(3, 4).vectors(np.arange(15))
    assert [tuple(row) for row in by_preference(vectors).tolist()] == sorted(map(tuple, vectors.tolist()), key=rank)
