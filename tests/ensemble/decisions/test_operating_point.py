"""Operating points by hand and by brute force, and their bound by SciPy."""

import numpy as np
import pytest
from scipy.stats import binomtest

from ensemble.decisions.operating_point import (
    choose_operating_point,
    fewest_positives,
    sensitivity_bound,
    units_worth,
)

PROBABILITY = np.array([0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9])
POSITIVE = np.array([0, 0, 1, 0, 1, 0, 1, 1], bool)
ALONE = np.arange(8)  # each unit a patient


def chosen(kind, asked=None, probability=PROBABILITY, positive=POSITIVE, patients=ALONE, confidence=0.95):
    return choose_operating_point(kind, asked, probability, positive, patients, confidence)


def test_the_bound_of_one_unit_a_patient_is_the_exact_binomial_one():
    for found in range(21):
        exact = binomtest(found, 20, alternative="greater").proportion_ci(0.9, method="exact").low
        assert sensitivity_bound(np.array(found / 20), 20, 0.9) == pytest.approx(exact, abs=1e-12)


def test_the_highest_threshold_whose_bound_is_high_enough():
    # All 4 positives: 0.05^(1/4) = 0.47. So 0.4 holds up to the threshold below the lowest positive, 0.3.
    point = chosen("sensitivity", 0.4)
    assert (point.threshold, point.sensitivity, point.specificity) == (pytest.approx(0.25), 1, 2 / 4)
    assert point.bound == pytest.approx(0.05 ** (1 / 4))
    assert point.reached
    # 3 of 4 positives: a bound of 0.249, so 0.24 may go up to halfway between 0.4 and 0.6.
    point = chosen("sensitivity", 0.24)
    assert (point.threshold, point.sensitivity, point.specificity) == (pytest.approx(0.5), 3 / 4, 3 / 4)


def test_a_bound_that_cannot_be_reached_is_told_and_the_highest_taken():
    point = chosen("sensitivity", 0.9)
    assert point.reached is False
    assert (point.threshold, point.bound) == (pytest.approx(0.25), pytest.approx(0.05 ** (1 / 4)))
    assert fewest_positives(0.9, 0.95) == 29  # 0.9^29 = 0.047, 0.9^28 = 0.052
    assert fewest_positives(0.5, 0.5) == 1


def test_the_cheapest_point_by_hand():
    # Missed positives and false alarms at 0.25: 0 and 2; at 0.5: 1 and 1; at 0.75: 2 and 0.
    assert chosen("cost", 3.0).threshold == pytest.approx(0.25)
    assert chosen("cost", 0.5).threshold == pytest.approx(0.75)
    assert chosen("cost", 1.0).threshold == pytest.approx(0.25)  # all cost 2: the one that misses the fewest


@pytest.mark.parametrize("kind", ["cost", "youden"])
def test_no_threshold_is_better(kind):
    random = np.random.default_rng(5)
    for _ in range(20):
        probability = random.integers(0, 8, 30) / 7  # with ties, 0 and 1 among them
        positive = random.random(30) < probability * 0.6 + 0.2
        point = chosen(kind, 2.0 if kind == "cost" else None, probability, positive, np.arange(30))
        scores = [
            -2.0 * (positive & ~called).sum() - (called & ~positive).sum()
            if kind == "cost"
            else called[positive].mean() - called[~positive].mean()
            for called in (probability >= threshold for threshold in [*np.unique(probability), 2.0])
        ]
        called = probability >= point.threshold
        assert (called[positive].mean(), 1 - called[~positive].mean()) == pytest.approx(
            (point.sensitivity, point.specificity)
        )
        found = (
            -2.0 * (positive & ~called).sum() - (called & ~positive).sum()
            if kind == "cost"
            else called[positive].mean() - called[~positive].mean()
        )
        assert found == pytest.approx(max(scores))


def test_where_alarms_are_dear_nothing_is_called_positive():
    point = chosen("cost", 0.01, np.array([0.2, 0.9, 1.0, 1.0]), np.array([0, 1, 0, 1], bool), np.arange(4))
    assert (point.sensitivity, point.specificity, point.bound) == (0, 1, 0)
    assert point.threshold > 1


def test_equal_probabilities_call_all_positive():
    point = chosen("sensitivity", 0.3, np.full(8, 0.5))
    assert (point.threshold, point.sensitivity, point.specificity) == (0.25, 1, 0)
    assert chosen("youden", None, np.zeros(8)).threshold == 0


def test_units_of_one_patient_are_worth_less():
    same = np.repeat([0.1, 0.5, 0.9, 0.3], 3)
    assert units_worth(same, np.repeat(range(4), 3)) == pytest.approx(4)  # three copies tell nothing more
    apart = np.array([0.1, 0.9, 0.2, 0.8, 0.3, 0.7])
    assert units_worth(apart, np.repeat(range(3), 2)) == pytest.approx(6)  # less alike within than between
    assert units_worth(PROBABILITY, ALONE) == pytest.approx(8)
    assert units_worth(np.array([0.2, 0.4, 0.9]), np.zeros(3)) == pytest.approx(1)  # one patient


def test_the_bound_is_of_what_the_units_are_worth():
    copies = np.repeat(PROBABILITY, 3), np.repeat(POSITIVE, 3), np.repeat(ALONE, 3)
    assert chosen("sensitivity", 0.4, *copies).bound == pytest.approx(chosen("sensitivity", 0.4).bound)
    point = chosen("sensitivity", 0.9, PROBABILITY, POSITIVE, np.zeros(8))
    assert (point.bound, point.reached) == (pytest.approx(0.05), False)


def test_the_asked_sensitivity_holds_on_other_patients():
    random = np.random.default_rng(6)

    def units(patients):
        patient = np.repeat(np.arange(patients), 5)
        own = np.sqrt(0.4) * random.normal(size=patients)[patient] + np.sqrt(0.6) * random.normal(size=5 * patients)
        positive = random.random(5 * patients) < 0.4
        return 1 / (1 + np.exp(-own - 2 * positive)), positive, patient

    others, positive, _ = units(4000)
    found = np.sort(others[positive])
    points = [chosen("sensitivity", 0.8, *units(40)) for _ in range(150)]
    below = [point for point in points if 1 - np.searchsorted(found, point.threshold) / len(found) < 0.8]
    assert all(point.reached for point in points)
    assert binomtest(len(below), len(points), 0.05, alternative="greater").pvalue > 0.01
