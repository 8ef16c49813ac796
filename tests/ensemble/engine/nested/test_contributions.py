"""Shapley values and scores without a member, against orders written out and a worked example."""

import itertools

import numpy as np
import pytest

from ensemble.engine.grid.simplex import Simplex
from ensemble.engine.nested.contributions import best_of_sets, contributions


def test_two_members_by_hand():
    # a alone 0.6, b alone 0.8, half and half 0.9, a coin 0.5. Joining first or second, a adds 0.6 - 0.5 or 0.9 - 0.8.
    a, b = contributions(np.array([0.6, 0.9, 0.8]), np.array([[1, 0], [0.5, 0.5], [0, 1]]), 0.5, higher_is_better=True)
    assert (a.alone, a.without) == (0.6, 0.8)
    assert (b.alone, b.without) == (0.8, 0.6)
    assert a.shapley == pytest.approx((0.6 - 0.5 + 0.9 - 0.8) / 2)
    assert b.shapley == pytest.approx((0.8 - 0.5 + 0.9 - 0.6) / 2)


def test_a_member_that_never_helps_adds_nothing_beside_the_best():
    # The best of {a, b} is a's 0.7 whatever b weighs.
    a, b = contributions(np.array([0.7, 0.5, 0.2]), np.array([[1, 0], [0.5, 0.5], [0, 1]]), 0.5, higher_is_better=True)
    assert b.without == 0.7
    assert b.shapley == pytest.approx((0.2 - 0.5 + 0) / 2)
    assert a.shapley + b.shapley == pytest.approx(0.7 - 0.5)


@pytest.mark.parametrize("higher_is_better", [True, False])
def test_against_every_order_of_joining(higher_is_better):
    grid = Simplex(4, 5)
    weights = grid.weights(np.arange(grid.size))
    scores = np.random.default_rng(1).random(grid.size)
    pick = max if higher_is_better else min

    def value(members):
        others = [m for m in range(4) if m not in members]
        return pick(scores[(weights[:, others] == 0).all(axis=1)]) if members else 0.25

    found = contributions(scores, weights, 0.25, higher_is_better=higher_is_better)
    for member, told in enumerate(found):
        added = []
        for order in itertools.permutations(range(4)):
            before = order[: order.index(member)]
            added.append(value([*before, member]) - value(before))
        assert told.shapley == pytest.approx(np.mean(added))
        assert told.alone == value([member])
        assert told.without == value([m for m in range(4) if m != member])
    assert sum(told.shapley for told in found) == pytest.approx(pick(scores) - 0.25)


def test_sets_are_numbered_by_the_bits_of_their_members():
    best = best_of_sets(np.array([0.1, 0.3, 0.2]), np.array([[1, 0], [0.5, 0.5], [0, 1]]))
    assert best.tolist() == [-np.inf, 0.1, 0.2, 0.3]


@pytest.mark.parametrize(("members", "told"), [(16, True), (17, False), (40, False)])
def test_of_many_members_the_shapley_value_is_left_out(members, told):
    weights = np.concatenate([np.eye(members), np.full((1, members), 1 / members)])
    scores = np.append(np.arange(members, dtype=float), 100.0)
    found = contributions(scores, weights, 0.0, higher_is_better=True)
    assert [one.alone for one in found] == list(range(members))
    assert [one.without for one in found] == [members - 1] * (members - 1) + [members - 2]
    assert all((one.shapley is not None) == told for one in found)
