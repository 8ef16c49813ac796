"""Areas from pairs of patients: the bits of `spine.metrics`, ties and undefined draws included."""

import numpy as np
import pytest

from ensemble.engine.nested.area_by_patient import areas_on_draws, pays
from ensemble.engine.nested.resampled_gains import Draws, grid_weights
from ensemble.engine.scoring.stack import Stack
from spine.metrics.classification import roc_auc


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("levels", [2, 1000])
@pytest.mark.parametrize("patients", [1, 4, 12])
def test_as_the_metric_has_them(classes, levels, patients):
    random = np.random.default_rng(classes + levels + patients)
    names = np.array([f"p{number}" for number in random.integers(0, patients, 50)])
    said = random.integers(1, levels + 1, (3, 50, classes)).astype(float)
    stack = Stack.from_members(
        dict(zip("abc", said / said.sum(axis=2, keepdims=True), strict=True)), random.integers(0, classes, 50)
    )
    own = names != "p1"
    draws = np.concatenate([Draws.of_patients(names, 9, 1).columns, Draws.of_patients(names, 5, 2, own).columns])
    weights = np.concatenate([grid_weights(3, 5), np.full((1, 3), 1 / 3)])
    expected = [roc_auc(stack.truth, stack.fused(row), draws) for row in weights]
    np.testing.assert_array_equal(np.stack(list(areas_on_draws(stack, names, weights, draws))), expected)


def test_one_class_has_no_area():
    stack = Stack.from_members({"a": np.full((4, 2), 0.5)}, np.zeros(4, dtype=int))
    (row,) = areas_on_draws(stack, np.array(list("aabb")), np.ones((1, 1)), np.ones((3, 4)))
    assert np.isnan(row).all()


def test_many_patients_of_one_unit_each_are_sorted_instead():
    assert pays(np.repeat(np.arange(10), 5))
    assert not pays(np.arange(100))


def test_many_units_are_sorted_instead_whoever_has_them():
    """Of 4,000 units at most 2,000 x 2,000 pairs are held at a time."""
    assert pays(np.repeat(np.arange(10), 400))
    assert not pays(np.repeat(np.arange(10), 401))
