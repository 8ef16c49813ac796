import numpy as np
import pytest
import tensorflow as tf

from ensemble.fusion.fuse import Mean, tempered, weighted_mean, without_zeros
from spine.core.problems import SpineError

FIRST = np.array([[0.9, 0.1], [0.2, 0.8]])
SECOND = np.array([[0.5, 0.5], [0.6, 0.4]])


def test_weighted_mean_of_two_arrays():
    expected = [[0.25 * 0.9 + 0.75 * 0.5, 0.25 * 0.1 + 0.75 * 0.5], [0.25 * 0.2 + 0.75 * 0.6, 0.25 * 0.8 + 0.75 * 0.4]]
    np.testing.assert_allclose(weighted_mean([FIRST, SECOND], [0.25, 0.75]), expected)


def test_tensors_give_what_arrays_give():
    tensors = [tf.constant(FIRST), tf.constant(SECOND)]
    np.testing.assert_array_equal(
        weighted_mean(tensors, [0.3, 0.7]).numpy(), weighted_mean([FIRST, SECOND], [0.3, 0.7])
    )


@pytest.mark.parametrize("weights", [[1.0], [0.2, 0.3, 0.5], []])
def test_a_wrong_number_of_weights_is_refused(weights):
    with pytest.raises(SpineError, match=f"{len(weights)} weights"):
        weighted_mean([FIRST, SECOND], weights)


def test_members_of_weight_zero_are_dropped_in_order():
    assert without_zeros({"a": 0.3, "b": 0.0, "c": 0.7}) == {"a": 0.3, "c": 0.7}


def test_a_temperature_is_a_power_made_to_sum_to_one_again():
    square = np.array([[0.81, 0.01], [0.04, 0.64]])
    np.testing.assert_allclose(tempered(FIRST, 0.5), square / square.sum(axis=1, keepdims=True))
    np.testing.assert_allclose(tempered(FIRST, 1.0), FIRST)


def test_class_weights_are_made_probabilities_again():
    total = np.array([[0.2 * 0.9 + 0.5 * 0.5, 0.4 * 0.1 + 0.1 * 0.5], [0.2 * 0.2 + 0.5 * 0.6, 0.4 * 0.8 + 0.1 * 0.4]])
    fused = Mean(((0.2, 0.4), (0.5, 0.1)))([FIRST, SECOND])
    np.testing.assert_allclose(fused, total / total.sum(axis=1, keepdims=True))


def test_where_no_class_has_weight_all_are_as_likely():
    assert Mean(((0.0, 1.0),))([np.array([[1.0, 0.0]])]).tolist() == [[0.5, 0.5]]


def test_equal_class_weights_are_ordinary_ones():
    np.testing.assert_allclose(Mean(((0.3, 0.3), (0.7, 0.7)))([FIRST, SECOND]), Mean((0.3, 0.7))([FIRST, SECOND]))


@pytest.mark.parametrize("weights", [(0.3, 0.7), ((0.3, 0.1), (0.2, 0.7))])
@pytest.mark.parametrize("temperatures", [(), (0.1, 10.0), (2.5, 0.6)])
def test_float32_tensors_give_what_arrays_give_with_every_option(weights, temperatures):
    said = np.random.default_rng(0).dirichlet([1, 1], (2, 50))
    fuse = Mean(weights, temperatures)
    tensors = fuse([tf.constant(one, tf.float32) for one in said])
    assert tensors.dtype == tf.float32
    np.testing.assert_allclose(tensors.numpy(), fuse(list(said)), atol=1e-5)
