"""Every vector of a grid has a say by its gain in units of noise: by hand, and where there is none."""

from dataclasses import dataclass

import numpy as np
import pytest

from ensemble.engine.nested.resampled_gains import Draws, ResampledGains
from ensemble.engine.rules.exponential import weigh

EQUAL = np.array([0.5, 0.5])


@dataclass(frozen=True)
class Table:
    """A scorer that knows its scores by the first weight: on all patients, and on two resamples."""

    scores: dict

    def __call__(self, weights, draws):
        return (np.array([self.scores[row[0]][number] for number in draws[:, 0].astype(int)]) for row in weights)


def gains_of(scores, grid=((1, 0), (0.5, 0.5), (0, 1))):
    weights = np.array(grid, dtype=float)
    # The number of a draw stands in its first column: 0 and the patients' own, 1 and 2 the resamples.
    draws = Draws(np.array(["p"]), np.array([False]), np.array([[1.0], [2.0]]))
    table = np.array([scores[row[0]] for row in weights], dtype=float)
    return ResampledGains(
        (Table(scores),), draws, 1, weights, np.zeros(len(weights), int), table[:, 0], table[:, 1:], table[:, 1:]
    )


def test_two_members_by_hand():
    # The first member leads equal weights by 0.4 and 0.2 on the resamples, the second trails by 0.1 and 0.5: noise 0.1
    # and 0.2, equal weights have none, so tau is 1.5 times the median of both, 0.15.
    scores = {1.0: (0.8, 0.9, 0.7), 0.5: (0.5, 0.5, 0.5), 0.0: (0.2, 0.4, 0.0)}
    found = weigh(gains_of(scores), EQUAL, np.array([0.5, 0.5]))
    shares = np.exp(np.array([0.0, -0.3, -0.6]) / (1.5 * 0.15))
    first = (shares[0] + shares[1] / 2) / shares.sum()
    np.testing.assert_allclose(found.average, [first, 1 - first])
    assert found.certainty == 0
    np.testing.assert_array_equal(found.weights, found.average)


def test_it_goes_on_to_the_mean_as_far_as_that_leads_for_sure():
    # The mean leads by 0.3 with a noise of 0.1: z = 3, and 1 - 2 / 9 = 7 / 9.
    scores = {1.0: (0.8, 0.9, 0.7), 0.5: (0.5, 0.5, 0.5), 0.0: (0.2, 0.4, 0.0)}
    mean = np.array([1.0, 0.0])
    found = weigh(gains_of(scores), EQUAL, mean)
    assert found.certainty == pytest.approx(7 / 9)
    np.testing.assert_allclose(found.weights, found.average * 2 / 9 + 7 / 9 * mean)


def test_a_mean_that_trails_is_not_followed():
    scores = {1.0: (0.4, 0.4, 0.3), 0.5: (0.5, 0.5, 0.5), 0.0: (0.2, 0.4, 0.0)}
    assert weigh(gains_of(scores), EQUAL, np.array([1.0, 0.0])).certainty == 0


def test_where_nothing_differs_the_weights_are_equal():
    found = weigh(gains_of({1.0: (0.5,) * 3, 0.5: (0.5,) * 3, 0.0: (0.5,) * 3}), EQUAL, np.array([0.7, 0.3]))
    np.testing.assert_array_equal(found.weights, EQUAL)


def test_symmetric_gains_give_equal_weights():
    scores = {1.0: (0.6, 0.9, 0.5), 0.5: (0.5, 0.5, 0.5), 0.0: (0.6, 0.5, 0.9)}
    np.testing.assert_allclose(weigh(gains_of(scores), EQUAL, EQUAL).weights, EQUAL)


def test_a_lead_without_noise_has_all_the_weight():
    """The first member leads equal weights by 0.2 in each resample, whatever its score is there."""
    scores = {1.0: (0.8, 0.9, 0.7), 0.5: (0.6, 0.7, 0.5), 0.0: (0.4, 0.5, 0.3)}
    found = weigh(gains_of(scores), EQUAL, np.array([1.0, 0.0]))
    np.testing.assert_array_equal(found.weights, [1, 0])
    assert found.certainty == 1


def test_the_best_vectors_that_tie_without_noise_are_averaged():
    scores = {1.0: (0.8,) * 3, 0.75: (0.8,) * 3, 0.5: (0.6,) * 3, 0.0: (0.4,) * 3}
    gains = gains_of(scores, grid=((1, 0), (0.75, 0.25), (0.5, 0.5), (0, 1)))
    np.testing.assert_allclose(weigh(gains, EQUAL, np.array([1.0, 0.0])).weights, [0.875, 0.125])


def test_where_none_leads_equal_weights_without_noise_they_are_kept():
    scores = {1.0: (0.3, 0.4, 0.2), 0.5: (0.6, 0.7, 0.5), 0.0: (0.6, 0.7, 0.5)}
    found = weigh(gains_of(scores), EQUAL, np.array([0.5, 0.5]))
    np.testing.assert_array_equal(found.weights, EQUAL)
    assert found.certainty == 0
