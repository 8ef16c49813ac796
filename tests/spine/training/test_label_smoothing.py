"""Smoothed truths, by hand."""

import numpy as np

from spine.training.label_smoothing import smooth


def test_a_share_of_the_truth_is_spread_over_all_classes():
    truth = np.array([[0, 1, 0], [0.5, 0.5, 0], [0, 0, 0]], np.float32)
    expected = [[0.1, 0.8, 0.1], [0.45, 0.45, 0.1], [0, 0, 0]]  # 0.7 + 0.3 / 3; 0.35 + 0.1; no truth stays none
    np.testing.assert_allclose(smooth(truth, 0.3), expected, atol=1e-7)
