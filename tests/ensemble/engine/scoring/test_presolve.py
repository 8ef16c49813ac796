"""What weights cannot change is counted once, and the compiled loops count like NumPy."""

import numpy as np
import pytest

from ensemble.engine.scoring.compiled import compiled
from ensemble.engine.scoring.count_winners import count_many, count_pairs, count_with_numpy, counter_for
from ensemble.engine.scoring.presolve import Presolved, can_win


def test_agreed_samples_are_fixed_and_equal_ones_merged():
    a = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.6, 0.4], [0.6, 0.4], [0.5, 0.5]])
    b = np.array([[0.7, 0.3], [0.1, 0.9], [0.3, 0.7], [0.3, 0.7], [0.3, 0.7], [0.6, 0.4]])
    truth = np.array([0, 0, 1, 1, 0, 1])
    reduced = Presolved.from_probabilities(np.stack([a, b]), truth, 2)
    # Rows 0, 1 and 5 (a tie goes to class 0) are agreed; 2 and 3 are one pattern, 4 has another truth.
    assert reduced.fixed.tolist() == [[1, 1], [1, 0]]
    (left,) = reduced.free
    assert left.cells.tolist() == [[0, 1], [2, 3]]
    assert left.offsets.tolist() == [0, 1, 2]
    assert left.multiplicity.tolist() == [1, 2]
    assert left.scores[:, :, 0].tolist() == left.scores[:, :, 1].tolist() == [[0.6, 0.4], [0.3, 0.7]]
    assert reduced.group_sizes.tolist() == [3, 3]
    weights = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    assert reduced.confusions(weights).tolist() == [[[2, 1], [3, 0]], [[1, 2], [1, 2]], [[1, 2], [1, 2]]]


def test_rows_by_image_pool_to_the_rows_by_class_to_the_bit():
    random = np.random.default_rng(0)
    said = (random.dirichlet(np.ones(3), (2, 400)) * 4).round().astype(np.float32) / 4  # coarse, so that rows repeat
    images, truth = random.integers(0, 5, 400), random.integers(0, 3, 400)
    by_image = Presolved.from_probabilities(said, 3 * images + truth, 15)
    by_class = Presolved.from_probabilities(said, truth, 3)
    assert len(by_class.free) == 2
    assert sum(map(len, (part.multiplicity for part in by_class.free))) < sum(
        map(len, (part.multiplicity for part in by_image.free))
    )
    pooled = by_image.pooled()
    assert pooled.fixed.tolist() == by_class.fixed.tolist()
    assert pooled.hash == by_class.hash
    for part, expected in zip(pooled.free, by_class.free, strict=True):
        for name in ("scores", "multiplicity", "offsets", "cells"):
            assert getattr(part, name).dtype == getattr(expected, name).dtype


def test_full_agreement_needs_no_counting():
    a = np.array([[0.9, 0.1], [0.2, 0.8]])
    reduced = Presolved.from_probabilities(np.stack([a, a]), np.array([0, 0]), 2)
    assert reduced.free == ()
    assert reduced.confusions(np.array([[0.3, 0.7]])).tolist() == [[[1, 1], [0, 0]]]


def test_a_class_that_another_beats_under_every_member_cannot_win():
    a = np.array([[0.5, 0.4, 0.1], [0.2, 0.4, 0.4], [0.3, 0.4, 0.3]])
    b = np.array([[0.4, 0.5, 0.1], [0.2, 0.4, 0.4], [0.3, 0.3, 0.4]])
    # Row 0: class 2 is behind both. Row 1: classes 1 and 2 tie, the lower wins. Row 2: class 0 is never ahead of 2 but
    # ties with it under a, so that rounding might let it win.
    assert can_win(np.stack([a, b])).tolist() == [[True, True, False], [False, True, False], [True, True, True]]


def test_rows_are_kept_by_the_number_of_classes_that_can_win():
    a = np.array([[0.5, 0.4, 0.1], [0.4, 0.35, 0.25]])
    b = np.array([[0.4, 0.5, 0.1], [0.25, 0.35, 0.4]])
    reduced = Presolved.from_probabilities(np.stack([a, b]), np.array([2, 1]), 3)
    assert [part.cells.tolist() for part in reduced.free] == [[[6, 7]], [[3, 4, 5]]]
    assert reduced.confusions(np.eye(2)).tolist() == [
        [[0, 0, 0], [1, 0, 0], [1, 0, 0]],
        [[0, 0, 0], [0, 0, 1], [0, 1, 0]],
    ]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("members", "classes"), [(1, 2), (3, 2), (2, 3), (4, 5)])
def test_loops_count_like_numpy(members, classes, dtype):
    random = np.random.default_rng(members)
    rows = 1500  # several blocks
    scores = random.dirichlet(np.ones(classes), (members, rows)).transpose(0, 2, 1).round(1).astype(dtype, order="C")
    multiplicity, offsets = random.integers(1, 4, rows), np.array([0, 3, 1300, 1300, rows])
    cells = random.permutation(4 * classes).reshape(4, classes)
    weights = random.dirichlet(np.ones(members), 30).round(1)
    loops = [count_many, count_pairs] if classes == 2 else [count_many]
    expected = np.zeros((30, 4 * classes), dtype=np.int64)
    count_with_numpy(weights, scores, multiplicity, offsets, cells, expected)
    assert (expected.sum(axis=1) == multiplicity.sum()).all()
    for loop in loops:
        counted = np.zeros_like(expected)
        compiled(loop)(weights, scores, multiplicity, offsets, cells, counted)
        assert (counted == expected).all()


def test_two_classes_have_a_loop_of_their_own():
    assert counter_for(2) is compiled(count_pairs)
    assert counter_for(3) is counter_for(4) is compiled(count_many)


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
