"""The loss of one head among several: rows without a value add nothing, to the loss or to any gradient."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from classification.masked import LabelledAccuracy, masked_cross_entropy

TRUTH = np.array([[1, 0, 0], [0, 0, 0], [0, 2, 0]], np.float32)  # the second has no value, the third counts twice
PROBABILITIES = np.array([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8], [0.2, 0.4, 0.4]], np.float32)


def test_rows_count_as_often_as_they_sum_to_and_those_of_zeros_not_at_all():
    losses = masked_cross_entropy(tf.constant(TRUTH), tf.constant(PROBABILITIES)).numpy()
    np.testing.assert_allclose(losses, [-np.log(0.5), 0, -2 * np.log(0.4)], rtol=1e-5)


def test_the_gradient_of_a_row_without_a_value_is_zero():
    logits = tf.Variable(np.log(PROBABILITIES))

    @tf.function  # as Keras fits: the loss finds the logits below the softmax
    def gradient():
        with tf.GradientTape() as tape:
            losses = masked_cross_entropy(tf.constant(TRUTH), keras.activations.softmax(logits))
        return tape.gradient(losses, logits)

    of_row = PROBABILITIES - [[1, 0, 0], [0, 0, 0], [0, 1, 0]]
    np.testing.assert_allclose(gradient().numpy(), of_row * [[1], [0], [2]], atol=1e-6)


def test_accuracy_is_of_the_rows_with_a_value():
    accuracy = LabelledAccuracy()
    accuracy.update_state(tf.constant(TRUTH), tf.constant(PROBABILITIES))  # right, without a value, right by a tie
    accuracy.update_state(tf.constant([[0, 0, 1], [0, 0, 0]], tf.float32), tf.constant(PROBABILITIES[:2]))  # wrong
    assert accuracy.result().numpy() == pytest.approx(2 / 3)
