"""Calibration against scikit-learn and by hand, and reliability against scikit-learn's curve."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.isotonic import IsotonicRegression

from ensemble.decisions.calibration import fit_calibration
from ensemble.decisions.decide import calibrated
from ensemble.decisions.reliability import Reliability
from ensemble.decisions.temperature import fit_temperature
from ensemble.results.decisions import Calibration
from spine.metrics.classification import brier, log_loss
from spine.metrics.statistics import patient_resamples


def fitted(method, probabilities, truth):
    """Of units that are a patient each."""
    return fit_calibration(method, probabilities, truth, np.arange(len(truth)))


def pairs(positive):
    return np.stack([1 - np.asarray(positive), positive], axis=1)


@pytest.fixture(scope="module")
def overconfident():
    """Probabilities (400, 2) whose logits are three times what they should be."""
    random = np.random.default_rng(3)
    logits = random.normal(size=400)
    return pairs(1 / (1 + np.exp(-3 * logits))), (random.random(400) < 1 / (1 + np.exp(-logits))).astype(int)


def test_a_temperature_undoes_overconfidence(overconfident):
    probabilities, truth = overconfident
    calibration = fitted("temperature", probabilities, truth)
    assert calibration.temperature == pytest.approx(3, rel=0.25)
    assert calibration.temperature == pytest.approx(calibration.fitted**calibration.share)
    assert calibration.share > 0.95
    logits = np.log(probabilities) / calibration.temperature
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(calibrated(probabilities, calibration), expected, rtol=1e-9)
    assert log_loss(truth, expected) < log_loss(truth, probabilities)


def test_isotonic_of_two_labels_is_scikit_learn_s(overconfident):
    probabilities, truth = overconfident
    rounded = np.round(probabilities[:, 1], 4)
    expected = IsotonicRegression(out_of_bounds="clip").fit(rounded, truth).predict(rounded)
    said = calibrated(pairs(rounded), fitted("isotonic", probabilities, truth))
    np.testing.assert_allclose(said, pairs(expected), atol=1e-8)


def test_isotonic_by_hand():
    # 0.2 and 0.4 are violators: right, then wrong. They pool to 1/2; between knots it is a straight line.
    calibration = fitted("isotonic", pairs([0.1, 0.2, 0.4, 0.8]), np.array([0, 1, 0, 1]))
    assert calibration.knots[1] == [(0.1, 0.0), (0.2, 0.5), (0.4, 0.5), (0.8, 1.0)]
    said = calibrated(pairs([0.0, 0.15, 0.3, 0.6, 1.0]), calibration)[:, 1]
    np.testing.assert_allclose(said, [0, 1 / 4, 1 / 2, 3 / 4, 1], atol=1e-8)


def test_isotonic_of_three_labels_is_one_against_the_rest():
    random = np.random.default_rng(4)
    probabilities, truth = random.dirichlet((1, 1, 1), 60), random.integers(0, 3, 60)
    expected = np.stack(
        [
            IsotonicRegression()
            .fit(np.round(probabilities[:, c], 4), truth == c)
            .predict(np.round(probabilities[:, c], 4))
            for c in range(3)
        ],
        axis=1,
    )
    calibration = fitted("isotonic", probabilities, truth)
    said = calibrated(np.round(probabilities, 4), calibration)
    np.testing.assert_allclose(said, expected / expected.sum(axis=1, keepdims=True), atol=1e-8)


def test_where_no_curve_gives_any_label_a_chance_each_is_as_likely():
    silent = Calibration(method="isotonic", knots=[[(0.5, 0.0), (0.9, 1.0)]] * 3)
    np.testing.assert_allclose(
        calibrated(np.array([[0.3, 0.3, 0.4], [0.8, 0.1, 0.1]]), silent), [[1 / 3] * 3, [1, 0, 0]], atol=1e-8
    )


def test_equal_probabilities_become_the_share_of_positives():
    calibration = fitted("isotonic", pairs([0.5] * 4), np.array([0, 0, 0, 1]))
    assert calibration.knots == [[(0.5, 0.75)], [(0.5, 0.25)]]
    np.testing.assert_allclose(calibrated(pairs([0.1, 0.9]), calibration), [[0.75, 0.25]] * 2)


def test_saturated_probabilities_leave_knots_that_rise():
    calibration = fitted("isotonic", pairs([0, 1e-20, 1e-9, 1 - 1e-9, 1.0]), np.array([0, 0, 1, 1, 1]))
    assert calibration.knots[1] == [(0.0, pytest.approx(1 / 3)), (1.0, 1.0)]
    hard = fitted("temperature", pairs([0.0, 1.0, 1.0]), np.array([1, 1, 0]))
    assert np.isfinite(calibrated(pairs([0.0, 1e-30, 1.0]), hard)).all()


def test_reliability_is_scikit_learn_s_curve(overconfident):
    probabilities, truth = overconfident
    reliability = Reliability.of(probabilities, truth)
    right, said = calibration_curve(truth, probabilities[:, 1], n_bins=10, strategy="quantile")
    once = np.ones(400)
    assert reliability.units() == [40] * 10
    np.testing.assert_allclose(reliability.mean_said(), said)
    np.testing.assert_allclose([reliability.observed(number, once) for number in range(10)], right)
    np.testing.assert_allclose(reliability.shares_right(), right)
    assert reliability.error(once) == pytest.approx(np.abs(right - said).mean())


def test_calibration_error_by_hand():
    # Fewer than 20 units: one bin. It says (0.1 + 0.2 + 0.9) / 3 = 0.4, and 2 of 3 are positive.
    reliability = Reliability.of(pairs([0.1, 0.2, 0.9]), np.array([0, 1, 1]))
    assert reliability.error(np.ones(3)) == pytest.approx(2 / 3 - 0.4)
    # Draws that leave out the first and count the last twice: (0.2 + 2 * 0.9) / 3, and all are positive.
    np.testing.assert_allclose(reliability.error(np.array([[0, 1, 2], [1, 1, 1]])), [1 - 2 / 3, 2 / 3 - 0.4])


def test_equal_probabilities_share_a_bin():
    reliability = Reliability.of(pairs([0.3] * 30 + [0.6] * 10), np.array([0, 1] * 20))
    assert reliability.units() == [30, 10]
    assert np.isnan(reliability.observed(1, np.r_[np.ones(30), np.zeros(10)]))


def test_of_three_labels_the_likeliest_is_judged():
    probabilities = np.array([[0.5, 0.3, 0.2], [0.1, 0.7, 0.2], [0.3, 0.3, 0.4]])
    reliability = Reliability.of(probabilities, np.array([0, 2, 2]))
    np.testing.assert_allclose([reliability.said, reliability.right], [[0.5, 0.7, 0.4], [1, 0, 1]])


def test_calibration_is_better_on_others_too(overconfident):
    probabilities, truth = overconfident
    for method in ("temperature", "isotonic"):
        calibration = fitted(method, probabilities[:200], truth[:200])
        said = calibrated(probabilities[200:], calibration)
        assert brier(truth[200:], said) < brier(truth[200:], probabilities[200:]) - 0.005


def test_a_temperature_is_shrunk_by_its_variance_over_patients():
    random = np.random.default_rng(9)
    probabilities, patients = pairs(random.beta(1, 1, 40)), np.repeat(np.arange(8), 5)
    truth = (random.random(40) < 0.3 + 0.4 * (probabilities[:, 1] > 0.5)).astype(int)
    found = fit_calibration("temperature", probabilities, truth, patients)
    again = []
    for often in patient_resamples(patients, 100, seed=0).astype(int):  # rows as often as they are drawn
        again.append(np.log(fit_temperature(np.repeat(probabilities, often, axis=0), np.repeat(truth, often))))
    assert found.share == pytest.approx(1 - np.var(again) * 8 / 7 / np.log(found.fitted) ** 2, abs=1e-4)
    assert 0 < found.share < 1
    assert np.log(found.temperature) == pytest.approx(found.share * np.log(found.fitted))


def test_what_patients_do_not_support_changes_nothing():
    # Of 0.3, 3 in 10 are positive: none of one patient, 3 of 5 of the next.
    positive, patients = np.full(30, 0.3), np.repeat(np.arange(6), 5)
    truth = np.tile([0, 0, 0, 0, 0, 1, 1, 1, 0, 0], 3)
    for who in (patients, np.zeros(30)):
        found = fit_calibration("temperature", pairs(positive), truth, who)
        assert (found.temperature, found.share) == (1, 0)
        assert found.describe(()).endswith(f"the patients do not support the fitted {found.fitted:.2f}.")


@pytest.mark.parametrize(
    ("positive", "bound", "why"),
    [((0.4, 0.6), 0.1, "no unit is called wrong"), ((0.6, 0.4), 10, "probabilities tell nothing of the truth")],
)
def test_a_fit_at_its_bound_changes_nothing(positive, bound, why):
    """Where all 24 units are called right, or all wrong, each resample of the patients says the same."""
    probabilities, truth, patients = pairs(np.tile(positive, 12)), np.tile([0, 1], 12), np.repeat(np.arange(12), 2)
    found = fit_calibration("temperature", probabilities, truth, patients)
    assert (found.temperature, found.share, found.at_bound) == (1, 0, True)
    assert found.fitted == pytest.approx(bound, rel=1e-3)
    assert found.describe(()) == (
        "Probabilities are calibrated by a temperature of 1.00, which changes nothing: the fit ran to its bound of "
        f"{bound:.2f}, as where {why}."
    )


def test_resamples_at_their_bound_speak_for_no_change():
    """The one of 24 units that is called wrong is missing in some resamples: these would be as sure as can be."""
    positive, truth, patients = np.tile([0.3, 0.7], 12), np.tile([0, 1], 12), np.repeat(np.arange(12), 2)
    positive[0] = 0.7
    found = fit_calibration("temperature", pairs(positive), truth, patients)
    draws = patient_resamples(patients, 100, seed=0)
    logs = [np.log(fit_temperature(pairs(positive), truth, often)) if often[0] else 0.0 for often in draws]
    assert (draws[:, 0] == 0).any()
    assert found.share == pytest.approx(1 - np.var(logs) * 12 / 11 / np.log(found.fitted) ** 2)
