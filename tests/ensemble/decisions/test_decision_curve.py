"""Net benefit by hand and by its definition."""

import numpy as np
import pytest

from ensemble.decisions.decision_curve import THRESHOLDS, net_benefit, treat_all
from spine.metrics.classification import confusion


def test_net_benefit_by_hand():
    # At 0.2 a false alarm costs 0.2 / 0.8 = 1/4: of 5 units 2 are found and 1 is a false alarm.
    probability, positive = np.array([0.1, 0.2, 0.5, 0.9, 0.05]), np.array([0, 0, 1, 1, 1], bool)
    assert net_benefit(probability, positive, 0.2, np.ones(5)) == pytest.approx(2 / 5 - 1 / 5 / 4)
    assert treat_all(positive, 0.2, np.ones(5)) == pytest.approx(3 / 5 - 2 / 5 / 4)
    drawn = np.array([[0, 2, 1, 0, 0], [1, 1, 1, 1, 1]])
    np.testing.assert_allclose(net_benefit(probability, positive, 0.2, drawn), [1 / 3 - 2 / 3 / 4, 2 / 5 - 1 / 5 / 4])


def test_it_is_the_counts_weighed_by_the_odds():
    random = np.random.default_rng(8)
    probability, positive = random.random(200), random.random(200) < 0.3
    for threshold in THRESHOLDS:
        called = (probability >= threshold).astype(float)
        counts = confusion(positive.astype(int), np.stack([1 - called, called], axis=1))
        expected = counts[1, 1] / 200 - counts[0, 1] / 200 * threshold / (1 - threshold)
        assert net_benefit(probability, positive, threshold, np.ones(200)) == pytest.approx(expected)


def test_treating_all_is_worth_nothing_at_the_prevalence():
    positive = np.array([1, 0, 0, 0], bool)
    assert treat_all(positive, 0.25, np.ones(4)) == pytest.approx(0)
    assert (min(THRESHOLDS), max(THRESHOLDS), len(THRESHOLDS)) == (0.02, 0.98, 49)
