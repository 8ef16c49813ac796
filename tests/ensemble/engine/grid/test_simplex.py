"""The grid's vectors, their numbers and their count."""

import itertools
from math import comb

import numpy as np
import pytest

from ensemble.engine.grid.simplex import Simplex


@pytest.mark.parametrize(("members", "steps"), [(1, 1), (1, 5), (2, 1), (2, 4), (3, 3), (4, 5), (5, 2)])
def test_vectors_are_all_of_them_in_falling_order(members, steps):
    grid = Simplex(members, steps)
    every = [vector for vector in itertools.product(range(steps + 1), repeat=members) if sum(vector) == steps]
    assert grid.size == len(every)
    assert grid.vectors(np.arange(grid.size)).tolist() == [list(vector) for vector in sorted(every, reverse=True)]


def test_any_numbers_are_found_without_the_others():
    grid = Simplex(8, 20)
    assert grid.size == comb(27, 7) == 888_030
    assert grid.vectors([0, grid.size - 1]).tolist() == [[20, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 20]]
    middle = grid.vectors(np.arange(400_000, 400_100))
    assert (middle.sum(axis=1) == 20).all()
    assert middle.tolist() == sorted(middle.tolist(), reverse=True)


def test_weights_are_integers_divided_by_the_steps():
    weights = Simplex(2, 10).weights(np.arange(11))
    assert weights[:, 1].tolist() == [k / 10 for k in range(11)]
    assert weights[7, 0] == 3 / 10 != 3 * 0.1
