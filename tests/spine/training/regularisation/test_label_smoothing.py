"""Smoothed truths, by hand."""

import numpy as np
import tensorflow as tf

from spine.training.regularisation.label_smoothing import smooth, smoothed


def test_a_share_of_the_truth_is_spread_over_all_classes():
    truth = np.array([[0, 1, 0], [0.5, 0.5, 0], [0, 0, 0]], np.float32)
    expected = [[0.1, 0.8, 0.1], [0.45, 0.45, 0.1], [0, 0, 0]]  # 0.7 + 0.3 / 3; 0.35 + 0.1; no truth stays none
    np.testing.assert_allclose(smooth(truth, 0.3), expected, atol=1e-7)


def test_every_target_of_a_batch_is_smoothed_and_its_weights_stay():
    one, other, weights = np.eye(2, dtype=np.float32), np.float32([[0, 0, 0], [0, 2, 0]]), np.float32([1, 3])
    batches = tf.data.Dataset.from_tensors((np.zeros(2), (one, other), weights))
    ((_, (first, second), kept),) = smoothed(batches, 0.3)
    np.testing.assert_allclose(first, [[0.85, 0.15], [0.15, 0.85]], atol=1e-7)
    np.testing.assert_allclose(second, [[0, 0, 0], [0.2, 1.6, 0.2]], atol=1e-7)  # a row that counts twice still does
    np.testing.assert_array_equal(kept, weights)
