"""Grad-CAM's mathematics on maps that can be checked by eye."""

import numpy as np
import pytest

from spine.answers.gradcam import gradcam, weighted_maps


def test_maps_count_by_the_mean_of_their_gradients_and_what_speaks_against_is_cut_off():
    activations = np.zeros((1, 2, 2, 2))
    activations[0, 0, 0] = [3, 0]
    activations[0, 1, 1] = [1, 5]
    gradients = np.zeros_like(activations)
    gradients[..., 0] = [[4, 0], [0, 4]]  # a mean of 2
    gradients[..., 1] = -1
    np.testing.assert_allclose(gradcam(activations, gradients), [[[2 * 3, 0], [0, max(2 * 1 - 5, 0)]]])


def test_members_count_by_their_weights_each_scaled_to_itself():
    one, other = np.array([[0.0, 10.0]]), np.array([[0.4, 0.2]])
    np.testing.assert_allclose(weighted_maps([one, other], [3, 1]), [[1 / 4, 3 / 4 + 1 / 4 / 2]])


def test_a_member_that_sees_nothing_adds_nothing():
    assert weighted_maps([np.zeros((2, 2)), np.ones((2, 2))], [0.5, 0.5]) == pytest.approx(0.5)
