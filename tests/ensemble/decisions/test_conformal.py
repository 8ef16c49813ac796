"""Conformal sets: ranks by hand, few patients, and the coverage on patients that they were not fitted on."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from ensemble.decisions.conformal import EVERYTHING, fewest_patients, fit_conformal
from ensemble.decisions.decide import prediction_set


def fitted(scores, patients, coverage, truth=None, *, per_class=False):
    """Of units whose true label has the probability 1 - score."""
    scores = np.asarray(scores, dtype=float)
    truth = np.zeros(len(scores), int) if truth is None else np.asarray(truth)
    probabilities = np.where(np.arange(2) == truth[:, None], 1 - scores[:, None], scores[:, None])
    return fit_conformal(probabilities, truth, np.asarray(patients), coverage, per_class=per_class).thresholds


@pytest.mark.parametrize(("count", "coverage"), [(9, 0.9), (19, 0.9), (20, 0.9), (10, 0.5), (99, 0.95), (9, 0.7)])
def test_with_one_unit_a_patient_it_is_the_usual_rank(count, coverage):
    scores = np.random.default_rng(0).permutation(np.arange(1, count + 1) / (count + 1))
    rank = math.ceil(round((count + 1) * coverage, 9))
    assert fitted(scores, range(count), coverage)[0] == pytest.approx(rank / (count + 1), abs=2e-6)


def test_patients_weigh_the_same_however_many_units_they_have():
    # Three patients, each of mass 1/4: one of four units at 0.1, one at 0.2 and one at 0.3.
    scores, patients = [0.1, 0.1, 0.1, 0.1, 0.2, 0.3], [1, 1, 1, 1, 2, 3]
    assert fitted(scores, patients, 0.25)[0] == pytest.approx(0.1, abs=2e-6)
    assert fitted(scores, patients, 0.26)[0] == pytest.approx(0.2, abs=2e-6)
    assert fitted(scores, patients, 0.75)[0] == pytest.approx(0.3, abs=2e-6)
    # A patient's units share his mass: 1/8 at 0.05, 1/8 at 0.4.
    assert fitted([0.05, 0.4, 0.2], [1, 1, 2], 1 / 6)[0] == pytest.approx(0.05, abs=2e-6)
    assert fitted([0.05, 0.4, 0.2], [1, 1, 2], 1 / 2)[0] == pytest.approx(0.2, abs=2e-6)


def test_too_few_patients_give_full_sets():
    assert fitted([0.1] * 8, range(8), 0.9) == [EVERYTHING] * 2
    assert fitted([0.1] * 9, range(9), 0.9) == pytest.approx([0.1] * 2, abs=2e-6)
    assert fitted([0.1] * 50, [1] * 50, 0.6) == [EVERYTHING] * 2  # one patient
    assert [fewest_patients(coverage) for coverage in (0.9, 0.95, 0.5, 0.8)] == [9, 19, 1, 4]
    full = fit_conformal(np.eye(2), np.array([0, 1]), np.array([1, 2]), 0.9, per_class=False)
    sets = prediction_set(np.array([[1.0, 0.0]]), full)
    assert sets.tolist() == [[True, True]]


def test_each_class_has_a_threshold_of_its_own_patients():
    scores, truth = [0.1, 0.2, 0.3, 0.4, 0.5], [0, 0, 0, 1, 1]
    assert fitted(scores, [1, 2, 3, 1, 2], 0.6, truth, per_class=True) == pytest.approx([0.3, 0.5], abs=2e-6)
    assert fitted(scores, [1, 2, 3, 1, 1], 0.6, truth, per_class=True) == [pytest.approx(0.3, abs=2e-6), EVERYTHING]
    assert fitted([0.1] * 4, range(4), 0.6, per_class=True) == [pytest.approx(0.1, abs=2e-6), EVERYTHING]


def test_sets_hold_the_likeliest_label_at_least():
    conformal = fit_conformal(
        np.array([[0.6, 0.4]] * 20), np.zeros(20, int), np.arange(20), 0.9, per_class=False
    )  # in the set from a probability of 0.6 on
    probabilities = np.array([[0.6, 0.4], [0.3, 0.7], [0.45, 0.55], [0.5, 0.5]])
    sets = prediction_set(probabilities, conformal)
    assert sets.tolist() == [[True, False], [False, True], [False, True], [True, True]]


def test_what_is_just_inside_stays_inside_in_float32():
    probabilities = np.array([[0.3, 0.7]] * 20)
    conformal = fit_conformal(probabilities, np.ones(20, int), np.arange(20), 0.9, per_class=False)
    assert prediction_set(probabilities.astype(np.float32), conformal)[:, 1].all()


def units(random, patients, classes=2):
    """Phantom-like predictions of discs: a patient has one to six, which are alike; (U, C), (U,) and (U,)."""
    patient = np.repeat(np.arange(patients), random.integers(1, 7, patients))
    truth = random.integers(0, classes, len(patient))
    own = random.normal(size=(patients, classes))[patient] + 0.5 * random.normal(size=(len(patient), classes))
    logits = own + 2 * np.eye(classes)[truth]
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), truth, patient


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("per_class", [False, True])
def test_coverage_is_within_its_binomial_interval(classes, per_class):
    """Of one disc of a new patient, drawn 2,000 times over with other fitting patients each."""
    random = np.random.default_rng(7)
    inside, draws = np.zeros(classes), np.zeros(classes)
    for _ in range(2000):
        conformal = fit_conformal(*units(random, 24, classes), 0.8, per_class=per_class)
        probabilities, truth, _ = units(random, 1, classes)
        number = random.integers(len(truth))
        draws[truth[number]] += 1
        inside[truth[number]] += prediction_set(probabilities, conformal)[number, truth[number]]
    for hits, count in zip(inside, draws, strict=True) if per_class else [(inside.sum(), draws.sum())]:
        low, high = binomtest(int(hits), int(count)).proportion_ci(0.99)
        assert high >= 0.8
        assert low <= 0.8 + 2 / 25  # and not full sets: as much as two patients of the 24 and the new one
