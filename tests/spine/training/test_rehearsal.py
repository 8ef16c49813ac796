"""What a rehearsal trains on."""

from pathlib import Path

import numpy as np
import pytest

from spine.dataset.truth import ClassTruth
from spine.training.rehearsal import few

COUNT = 200


def truth_of(values):
    names = tuple(map(str, range(COUNT)))
    sizes = np.full((COUNT, 2), 8)
    return ClassTruth(("a", "b", "c"), names, names, names, values, tuple(map(Path, names)), sizes)


@pytest.mark.parametrize("count", [3, 48, 500])
def test_it_meets_every_class_however_few_samples_it_takes(count):
    values = np.zeros(COUNT, int)
    values[57], values[113] = 1, 2
    taken = few(truth_of(values), count)
    assert set(taken.values.tolist()) == {0, 1, 2}
    assert min(count, COUNT) <= len(taken.samples) <= min(count + 2, COUNT)


def test_of_several_targets_it_meets_every_class_of_each():
    values = np.zeros((COUNT, 2), int)
    values[57, 0], values[113, 1] = 1, 2
    taken = few(truth_of(values), 3)
    assert [set(column.tolist()) for column in taken.values.T] == [{0, 1}, {0, 2}]
