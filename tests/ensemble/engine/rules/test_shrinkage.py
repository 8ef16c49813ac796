"""How far from equal weights resamples support going, by hand."""

import numpy as np
import pytest

from ensemble.engine.rules.shrinkage import shrink

EQUAL = np.full(3, 1 / 3)
CENTRES = np.array([[1, 0, 0], [0.5, 0.5, 0], [1, 0, 0], [0.5, 0.5, 0]])


def test_three_members_by_hand():
    # The optima vary by 0.25 around their mean in two members: variances 1/16 and 1/16. The optimum of all lies
    # 4/9 + 1/9 + 1/9 from equal weights, so lambda = 1 - (1/8) / (2/3) = 13/16.
    found = shrink(np.array([1.0, 0, 0]), CENTRES, EQUAL)
    assert found.share == pytest.approx(13 / 16)
    np.testing.assert_allclose(found.mean, [0.75, 0.25, 0])
    np.testing.assert_allclose(found.weights, [1 / 3 + 13 / 16 * 5 / 12, 1 / 3 - 13 / 16 / 12, 3 / 16 / 3])


def test_resamples_that_scatter_more_than_the_optimum_is_far_give_equal_weights():
    found = shrink(np.array([0.4, 0.3, 0.3]), CENTRES, EQUAL)
    assert found.share == 0
    np.testing.assert_array_equal(found.weights, EQUAL)


def test_resamples_that_agree_are_followed_all_the_way():
    found = shrink(CENTRES[0], np.repeat(CENTRES[:1], 5, axis=0), EQUAL)
    assert found.share == 1
    np.testing.assert_array_equal(found.weights, CENTRES[0])


@pytest.mark.parametrize("centres", [np.empty((0, 3)), np.repeat(EQUAL[None], 4, axis=0)])
def test_nothing_to_go_by_is_equal_weights(centres):
    found = shrink(EQUAL, centres, EQUAL)
    assert found.share == 0
    np.testing.assert_array_equal(found.weights, EQUAL)
