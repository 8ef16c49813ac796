"""What is fitted of what is asked for, and what is said where that cannot be."""

import numpy as np
import pytest

from ensemble.decisions.decide import calibrated
from ensemble.decisions.fit import fit_decisions
from spine.experiment.stages import DecideSettings


def fit(truth, patients, labels=("normal", "degenerated"), **asked):
    truth = np.asarray(truth)
    probabilities = np.full((len(truth), len(labels)), 0.2 / (len(labels) - 1))
    probabilities[np.arange(len(truth)), truth] = 0.8
    return fit_decisions(DecideSettings(**asked), labels, probabilities, truth, np.asarray(patients))


def test_nothing_where_nothing_is_asked_for():
    assert fit([0, 1], [1, 2]) is None


def test_only_what_is_asked_for():
    asked = {"calibration": "temperature", "youden": True, "coverage": 0.9}
    for name, part in (("calibration", "calibration"), ("youden", "operating_point"), ("coverage", "conformal")):
        decisions = fit([0, 1] * 20, range(40), **{name: asked[name]})
        assert set(decisions.model_dump(exclude_unset=True)) == {part, "patients", "units"}
    decisions = fit([0, 1] * 20, range(40), **asked)
    assert (decisions.patients, decisions.units, decisions.notes) == (40, 40, [])
    assert decisions.operating_point.threshold == pytest.approx(0.5)


def test_one_class_gives_sets_and_no_more():
    decisions = fit([1] * 10, range(10), calibration="isotonic", sensitivity=0.9, coverage=0.9)
    assert (decisions.calibration, decisions.operating_point) == (None, None)
    assert decisions.conformal.thresholds == pytest.approx([0.2, 0.2], abs=2e-6)
    assert decisions.notes == [
        "All 10 units of the searched patients are degenerated: calibration and an operating point cannot be fitted."
    ]


def test_one_patient_is_told_to_be_too_few():
    decisions = fit([0, 1, 1], [7, 7, 7], sensitivity=0.9, coverage=0.8)
    assert decisions.operating_point.reached is False
    assert decisions.conformal.thresholds == [1, 1]
    assert decisions.notes == [
        "A sensitivity of 0.9 cannot be shown at a confidence of 0.95: that takes 29 independent positive units "
        "without a miss, and the 2 of the searched patients are worth 1.0. The operating point misses none of them, "
        "and its bound is 0.05.",
        "A coverage of 0.8 takes 4 patients, and there are 1: every set holds every label.",
    ]


def test_a_class_without_enough_patients_is_in_every_set():
    truth = [0, 1, 2] * 5 + [0, 1] * 5
    decisions = fit(truth, range(25), ("mild", "moderate", "severe"), coverage=0.9, coverage_per_class=True)
    assert decisions.conformal.thresholds == [*[pytest.approx(0.2, abs=2e-6)] * 2, 1]
    assert decisions.notes == [
        "A coverage of 0.9 takes 9 patients with a unit that is severe, and there are 5: every set holds severe."
    ]


def test_a_label_that_nobody_had_is_told_where_isotonic_calibration_rules_it_out():
    asked = {"truth": [0, 1] * 10, "patients": range(20), "labels": ("mild", "moderate", "severe")}
    decisions = fit(**asked, calibration="isotonic")
    assert decisions.notes == ["No unit of the searched patients is severe: isotonic calibration gives it no chance."]
    np.testing.assert_allclose(calibrated(np.array([[0.5, 0.1, 0.4]]), decisions.calibration)[0, 2], 0, atol=1e-8)
    assert fit(**asked, calibration="temperature").notes == []
