"""Labels in order: what the classes' probabilities are of one score, and that nothing of it is lost far from 0."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from classification.config import Settings
from classification.model import build
from classification.ordinal import FASTER, CumulativeLogits


def sigmoid(x):
    return 1 / (1 + np.exp(-np.float64(x)))


def layer_with(first: float, distances: list[float]) -> CumulativeLogits:
    """With thresholds at `first` and so far on; softplus(x) = d - 1e-4 at x = ln(e^(d - 1e-4) - 1)."""
    layer = CumulativeLogits(len(distances) + 2)
    layer.build((None, 1))
    layer.first.assign([first / FASTER])
    if distances:
        layer.distances.assign(np.log(np.expm1(np.array(distances) - 1e-4)) / FASTER)
    return layer


def test_probabilities_are_differences_of_cumulative_ones():
    layer = layer_with(-1.0, [0.5, 2.0])  # thresholds at -1, -0.5 and 1.5
    above = sigmoid(0.3 - np.array([-1.0, -0.5, 1.5]))  # P(class > 0), P(class > 1), P(class > 2)
    expected = [1 - above[0], above[0] - above[1], above[1] - above[2], above[2]]
    logits = layer(tf.constant([[0.3]])).numpy()
    np.testing.assert_allclose(np.exp(logits[0]), expected, rtol=1e-5)
    np.testing.assert_allclose(tf.nn.softmax(logits).numpy()[0], expected, rtol=1e-5)


def test_of_two_labels_it_is_a_logistic_regression():
    logits = layer_with(0.5, [])(tf.constant([[2.0], [-1.0]])).numpy()
    np.testing.assert_allclose(np.exp(logits[:, 1]), sigmoid([1.5, -1.5]), rtol=1e-5)


def test_at_first_each_class_is_the_likeliest_somewhere():
    scores = np.array([[-9.0], [-2.0], [0.0], [2.0], [9.0]], np.float32)  # thresholds at -3, -1, 1 and 3
    probabilities = tf.nn.softmax(CumulativeLogits(5)(tf.constant(scores))).numpy()
    assert probabilities.argmax(axis=1).tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(probabilities[2, 2], sigmoid(1) - sigmoid(-1), rtol=1e-5)
    np.testing.assert_allclose(CumulativeLogits(2)(tf.constant([[0.0]])).numpy(), np.log(0.5), rtol=1e-6)


@pytest.mark.slow
def test_thresholds_are_learned_at_a_rate_for_tuning():
    # One sample of the middle class, right between the thresholds: they move apart.
    layer, optimizer = CumulativeLogits(3), keras.optimizers.Adam(0.0002)
    layer.build((None, 1))
    optimizer.build(layer.trainable_variables)
    for _ in range(500):
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(tf.nn.log_softmax(layer(tf.constant([[0.0]])))[:, 1])
        optimizer.apply_gradients(
            zip(tape.gradient(loss, layer.trainable_variables), layer.trainable_variables, strict=True)
        )
    assert float(tf.nn.softmax(layer(tf.constant([[0.0]])))[0, 1]) > sigmoid(1) - sigmoid(-1) + 0.05


def test_a_confident_error_far_from_0_still_has_a_gradient():
    layer, score = layer_with(0.0, [1.0]), tf.Variable([[80.0]])
    with tf.GradientTape() as tape:
        loss = tf.nn.softmax_cross_entropy_with_logits(tf.constant([[1.0, 0.0, 0.0]]), layer(score))
    assert loss.numpy()[0] == pytest.approx(80, rel=1e-4)  # -ln(sigmoid(-80))
    assert tape.gradient(loss, score).numpy()[0, 0] == pytest.approx(1, rel=1e-4)


def test_a_network_of_ordered_labels_gives_probabilities_that_sum_to_1_and_rise_with_one_score():
    settings = Settings(network="plain_cnn", weights="none", height=16, width=16, filters=[4], head={"dense": [4]})
    network = build(settings, 4, ordinal=True)
    pictures = np.random.default_rng(0).random((6, 16, 16, 1), np.float32)
    probabilities = network(pictures).numpy()
    assert probabilities.shape == (6, 4)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    expected = probabilities @ np.arange(4)  # one score orders all cumulative probabilities alike
    above = probabilities[:, ::-1].cumsum(axis=1)[:, ::-1]
    assert all((np.argsort(above[:, k]) == np.argsort(expected)).all() for k in range(1, 4))
