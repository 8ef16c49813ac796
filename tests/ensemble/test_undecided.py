"""What weights cannot change is counted once, and the compiled loops count like NumPy."""

import numpy as np
import pytest

from ensemble.compiled import compiled
from ensemble.undecided import Undecided, count_with_loops, count_with_numpy


def test_agreed_samples_are_settled_and_equal_ones_merged():
    a = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.6, 0.4], [0.6, 0.4], [0.5, 0.5]])
    b = np.array([[0.7, 0.3], [0.1, 0.9], [0.3, 0.7], [0.3, 0.7], [0.3, 0.7], [0.6, 0.4]])
    truth = np.array([0, 0, 1, 1, 0, 1])
    reduced = Undecided.from_probabilities(np.stack([a, b]), truth)
    # Rows 0, 1 and 5 (a tie goes to class 0) are agreed; 2 and 3 are one pattern, 4 has another truth.
    assert reduced.settled.tolist() == [[1, 1], [1, 0]]
    assert reduced.truth.tolist() == [0, 1]
    assert reduced.times.tolist() == [1, 2]
    assert reduced.patterns[:, :, 0].tolist() == [[0.6, 0.4], [0.3, 0.7]]
    weights = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    assert reduced.confusions(weights).tolist() == [[[2, 1], [3, 0]], [[1, 2], [1, 2]], [[1, 2], [1, 2]]]


def test_full_agreement_needs_no_counting():
    a = np.array([[0.9, 0.1], [0.2, 0.8]])
    reduced = Undecided.from_probabilities(np.stack([a, a]), np.array([0, 0]))
    assert reduced.truth.size == 0
    assert reduced.confusions(np.array([[0.3, 0.7]])).tolist() == [[[1, 1], [0, 0]]]


@pytest.mark.parametrize(("members", "classes"), [(1, 2), (2, 3), (4, 5)])
def test_loops_count_like_numpy(members, classes):
    random = np.random.default_rng(members)
    patterns = random.dirichlet(np.ones(classes), (members, 50)).transpose(0, 2, 1).round(1).copy()
    truth, times = random.integers(0, classes, 50), random.integers(1, 4, 50)
    weights = random.dirichlet(np.ones(members), 30).round(1)
    counted = [np.zeros((30, classes, classes), dtype=np.int64) for _ in range(2)]
    count_with_numpy(weights, patterns, truth, times, counted[0])
    compiled(count_with_loops)(weights, patterns, truth, times, counted[1])
    assert (counted[0] == counted[1]).all()
    assert (counted[0].sum(axis=(1, 2)) == times.sum()).all()


def test_without_a_place_to_keep_it_the_loop_is_compiled_all_the_same(monkeypatch):
    import numba

    real = numba.njit

    def nowhere(cache=False, **settings):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return real(**settings)

    monkeypatch.setattr(numba, "njit", nowhere)
    assert compiled(_double)(21) == 42


def _double(value):
    return 2 * value
