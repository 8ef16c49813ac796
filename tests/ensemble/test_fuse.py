import numpy as np
import pytest
import tensorflow as tf

from ensemble.fuse import weighted_mean, without_zeros
from spine.problems import SpineError

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
