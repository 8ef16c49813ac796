"""Temperatures in the search and in the graph, against the logarithms' own arithmetic in 60 digits."""

from decimal import Decimal, localcontext

import numpy as np
import pytest
import tensorflow as tf

from ensemble.fusion.fuse import Mean, normalised, tempered


def independently(row, temperature):
    """p^(1/T) over its sum, in decimal numbers of 60 digits."""
    with localcontext() as context:
        context.prec = 60
        powers = [Decimal(float(p)) ** (1 / Decimal(temperature)) if p else Decimal(0) for p in row]
        return [float(power / sum(powers)) for power in powers]


def nearly_equal(classes):
    """A row in which one class is a little ahead of many: at temperature 0.1 it has 1.2^10 = 6.2 times the others'."""
    row = np.ones(classes)
    row[3] = 1.2
    return row / row.sum()


@pytest.mark.parametrize("classes", [2, 5, 20, 30, 300])
@pytest.mark.parametrize("temperature", [0.1, 0.3, 1.0, 4.0, 10.0])
def test_any_number_of_classes_is_scaled_exactly(classes, temperature):
    row = nearly_equal(max(classes, 4))[None]
    np.testing.assert_allclose(tempered(row, temperature)[0], independently(row[0], temperature), rtol=1e-12)


def test_twenty_classes_at_a_tenth_by_hand():
    # 1.2^10 = 6.1917364224, and there are 19 others of 1.
    assert tempered(nearly_equal(20)[None], 0.1)[0, 3] == pytest.approx(6.1917364224 / (6.1917364224 + 19), rel=1e-12)


def test_the_log_loss_of_many_classes_is_what_the_logits_give():
    random = np.random.default_rng(0)
    for classes in (20, 30):
        logits = random.normal(0, 0.3, (400, classes))
        truth = random.integers(0, classes, 400)
        logits[np.arange(400), truth] += 0.6  # nearly right, and never sure
        said = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        scaled = logits / 0.1
        shifted = scaled - scaled.max(axis=1, keepdims=True)
        expected = -(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))[np.arange(400), truth].mean()
        assert -np.log(tempered(said, 0.1)[np.arange(400), truth]).mean() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("temperature", [0.1, 1.0, 10.0])
def test_what_is_impossible_stays_so_and_what_is_certain_too(temperature):
    rows = np.array([[0.0, 1.0, 0.0], [0.5, 0.0, 0.5]])
    np.testing.assert_allclose(tempered(rows, temperature), rows)


@pytest.mark.parametrize("classes", [2, 20, 30, 150])
@pytest.mark.parametrize("temperature", [0.1, 0.4, 3.0, 10.0])
def test_the_graph_gives_what_the_search_gives(classes, temperature):
    random = np.random.default_rng(classes)
    said = [random.dirichlet(np.full(classes, spread), 60).astype(np.float32) for spread in (0.05, 1.0, 50.0)]
    for one in said:
        one[one < np.finfo(np.float32).tiny] = 0  # TensorFlow neither gives nor takes less
    fuse = Mean((0.5, 0.3, 0.2), (temperature, 1.0, 0.1))
    graph = fuse([tf.constant(one) for one in said]).numpy()
    assert graph.dtype == np.float32
    assert np.abs(graph - fuse([one.astype(np.float64) for one in said])).max() < 1e-5
    np.testing.assert_allclose(graph.sum(axis=1), 1, atol=1e-5)


def test_class_weights_that_leave_little_are_divided_by_what_they_leave():
    little = np.array([[1e-13, 3e-13]])
    np.testing.assert_allclose(normalised(little), [[0.25, 0.75]])
    np.testing.assert_allclose(normalised(tf.constant(little, tf.float32)).numpy(), [[0.25, 0.75]], rtol=1e-6)
    np.testing.assert_allclose(normalised(np.zeros((1, 4))), np.full((1, 4), 0.25))
