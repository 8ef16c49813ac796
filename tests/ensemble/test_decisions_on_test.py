"""What metrics.json tells of decisions: every figure by hand or by scikit-learn, and read again leniently."""

import json

import numpy as np
import pytest
from scipy.stats import beta
from sklearn.metrics import brier_score_loss, confusion_matrix

from ensemble import evaluate
from ensemble.decisions.decide import calibrated
from ensemble.evaluators.decisions import DecidedUnits
from ensemble.experiment_run import ExperimentRun
from ensemble.leaderboard import leaderboard_table
from ensemble.results.decisions import Calibration, Conformal, Decisions, OperatingPoint
from ensemble.results.decisions_on_test import DecisionsOnTest, OperatingPointOnTest
from ensemble.results.evaluation import ClassificationEvaluation
from ensemble.search import run
from spine.core.files import read_json
from spine.metrics.statistics import patient_resamples
from tests.experiment_on_disk import write_experiment

LABELS = ("normal", "degenerated")
POINT = OperatingPoint(
    kind="youden", threshold=0.35, bound=0.5, confidence=0.95, sensitivity=0.9, specificity=0.5, positives=9, worth=8.0
)
SETS = Conformal(coverage=0.8, per_class=False, thresholds=[0.55, 0.55])  # in the set from 0.45 on
POSITIVE = np.array([0.1, 0.4, 0.5, 0.3, 0.8, 0.95])
TRUTH = np.array([0, 0, 1, 1, 1, 1])
PATIENTS = np.array(["a", "b", "b", "b", "c", "d"])


def judged(positive=POSITIVE, truth=TRUTH, patients=PATIENTS, labels=LABELS, **parts):
    positive = np.asarray(positive)
    probabilities = np.stack([1 - positive, positive], axis=1) if positive.ndim == 1 else positive
    draws = patient_resamples(patients, 300, seed=0)
    return DecidedUnits(probabilities, truth, patients, draws, 0.95).judge(Decisions(**parts), labels)


def test_the_operating_point_by_hand():
    point = judged(operating_point=POINT).operating_point
    assert point.confusion == ((1, 1), (1, 3))
    assert (point.sensitivity.value, point.specificity.value) == (3 / 4, 1 / 2)
    assert point.sensitivity.low <= 3 / 4 <= point.sensitivity.high
    # The positive units are of b, b, c and d; ranks 2 and 1, 3, 4: those of b are as alike as can be told.
    alike = (2 * 1 + 0.25 + 2.25) / 2, 0.5  # mean squares between patients and within
    size = (4 - (4 + 1 + 1) / 4) / 2
    rho = (alike[0] - alike[1]) / (alike[0] + (size - 1) * alike[1])
    worth = 4**2 / (2 * (1 + rho) + 2)
    assert point.bound == pytest.approx(beta.ppf(0.05, 0.75 * worth, 0.25 * worth + 1))
    assert point.worth == pytest.approx(worth)
    assert (
        f"and at least {point.bound:.3f} at 95 % confidence (4 positive units that are worth {worth:.1f} independent "
        "ones, as far as they tell), specificity"
    ) in point.describe(LABELS)


def test_nine_independent_units_without_a_miss_have_the_exact_bound():
    """One of each of 9 patients: the bound b has b^9 = 0.05."""
    positive, truth = np.r_[np.full(9, 0.9), 0.1, 0.2], np.r_[np.ones(9, int), 0, 0]
    point = judged(positive, truth, np.arange(11), operating_point=POINT).operating_point
    assert (point.bound, point.worth) == (pytest.approx(0.05 ** (1 / 9)), 9)
    assert "at least 0.717 at 95 % confidence (9 positive units that are worth 9.0 independent" in point.describe(
        LABELS
    )
    alike = judged(positive, truth, np.r_[np.zeros(9, int), 1, 2], operating_point=POINT).operating_point
    assert (alike.bound, alike.worth) == (pytest.approx(0.05), 1)  # all of one patient: as good as one unit


def test_an_older_file_tells_a_bound_without_what_it_counts():
    point = judged(operating_point=POINT).operating_point.model_dump(exclude={"worth", "confidence"})
    told = OperatingPointOnTest.model_validate(point).describe(LABELS)
    assert "(units of a patient count for less the more alike they are), specificity" in told


def test_sets_by_hand():
    sets = judged(conformal=SETS).sets
    # {normal}, {normal}, both, {normal}, {degenerated}, {degenerated}: of b, a third of the units is missed.
    assert sets.coverage.value == pytest.approx((1 + 2 / 3 + 1 + 1) / 4)
    assert sets.coverage_of_label["normal"].value == 1
    assert sets.coverage_of_label["degenerated"].value == pytest.approx((1 / 2 + 1 + 1) / 3)
    assert (sets.size.value, sets.undecided.value) == (pytest.approx(7 / 6), pytest.approx(1 / 6))
    assert sets.units_of_size == (0, 5, 1)


def test_calibration_is_measured_before_and_after():
    random = np.random.default_rng(1)
    positive, patients = random.random(200), np.repeat(np.arange(50), 4)
    truth = (random.random(200) < positive**2 / (positive**2 + (1 - positive) ** 2)).astype(int)
    surer = Calibration(method="temperature", temperature=0.5)
    found = judged(positive, truth, patients, calibration=surer).calibration
    after = calibrated(np.stack([1 - positive, positive], axis=1), surer)[:, 1]
    assert found.before.brier.value == pytest.approx(brier_score_loss(truth, positive))
    assert found.after.brier.value == pytest.approx(brier_score_loss(truth, after))
    assert found.brier_change.value == pytest.approx(found.after.brier.value - found.before.brier.value)
    assert found.ece_change.value == pytest.approx(found.after.ece.value - found.before.ece.value)
    assert found.brier_change.low < found.brier_change.value < found.brier_change.high
    assert [one.units for one in found.after.bins] == [20] * 10
    assert found.after.bins[3].observed.value == pytest.approx(truth[np.argsort(after)][60:80].mean())
    assert found.after.ece.low <= found.after.ece.value <= found.after.ece.high
    # Calibrated probabilities look no better than chance lets them.
    assert found.after.ece.value == pytest.approx(found.after.ece_by_chance, abs=0.025)


def test_a_temperature_of_one_has_no_change_to_tell_of():
    found = judged(calibration=Calibration(method="temperature", temperature=1.0, fitted=1.3, share=0.0)).calibration
    assert found.changes_nothing
    assert found.describe() == judged().calibration.describe()
    assert found.describe().startswith("The calibration error is ")
    surer = judged(calibration=Calibration(method="temperature", temperature=0.9)).calibration
    assert not surer.changes_nothing
    assert surer.describe().startswith("Calibration (temperature) changes the calibration error from ")


def test_the_curve_is_of_what_is_calibrated():
    plain = judged(operating_point=POINT).curve
    assert plain.of == "probabilities"
    half = next(point for point in plain.points if point.threshold == 0.5)
    assert (half.benefit.value, half.treat_all) == (pytest.approx(3 / 6), pytest.approx(4 / 6 - 2 / 6))
    assert half.ahead.value == pytest.approx(3 / 6 - 2 / 6)
    sharper = judged(calibration=Calibration(method="temperature", temperature=0.2)).curve
    assert sharper.of == "calibrated"
    at = {point.threshold: point.benefit.value for point in sharper.points}
    assert at[0.2] == pytest.approx(3 / 6)  # 0.4 is now 0.4^5 / (0.4^5 + 0.6^5) = 0.12, and no alarm


def test_one_class_and_one_patient_leave_gaps_with_reasons():
    one = judged([0.2, 0.6], np.array([0, 0]), np.array(["a", "a"]), operating_point=POINT, conformal=SETS)
    point = one.operating_point
    assert (point.sensitivity.value, point.sensitivity.why) == (None, "no unit is degenerated")
    assert (point.bound, point.specificity.value) == (None, 1 / 2)
    assert point.specificity.why == "with fewer than two patients there is nothing to draw"
    assert one.sets.coverage_of_label["degenerated"].why == "no unit is degenerated"
    assert any("sensitivity undefined" in sentence for sentence in one.describe(LABELS))
    assert DecisionsOnTest.model_validate(json.loads(json.dumps(one.model_dump(exclude_unset=True)))) == one


def test_of_three_labels_there_are_sets_and_calibration():
    random = np.random.default_rng(2)
    probabilities, truth = random.dirichlet((1, 1, 1), 60), random.integers(0, 3, 60)
    sets = Conformal(coverage=0.8, per_class=True, thresholds=[0.9, 0.5, 1.0])
    found = judged(
        probabilities,
        truth,
        np.repeat(np.arange(20), 3),
        ("mild", "moderate", "severe"),
        conformal=sets,
        calibration=Calibration(method="temperature", temperature=2.0),
    )
    assert (found.curve, found.operating_point) == (None, None)
    assert sum(found.sets.units_of_size) == 60
    assert found.sets.coverage_of_label["severe"].value == 1
    assert found.calibration.before.brier.value > 0


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    decide = {"calibration": "temperature", "sensitivity": 0.5, "coverage": 0.8}
    experiment = write_experiment(
        tmp_path_factory.mktemp("evaluated"),
        search={"metric": "roc_auc", "step": 0.5, "resamples": 20},
        evaluate={"resamples": 100},
        decide=decide,
    )
    run(experiment)
    return experiment, evaluate.run(experiment)[0]


def test_the_stage_judges_the_ensemble_on_test(evaluated):
    experiment, path = evaluated
    written = read_json(path)["decisions"]
    test, point = (
        ExperimentRun(experiment).evaluator("test"),
        ExperimentRun(experiment).weights.decisions.operating_point,
    )
    called = test.ensemble.probabilities[:, 1] >= point.threshold
    assert written["operating_point"]["confusion"] == confusion_matrix(test.values, called).tolist()
    assert written["sets"]["asked"] == 0.8
    assert written["curve"]["of"] == "calibrated"
    assert written["calibration"]["method"] == "temperature"


def test_it_is_read_again_with_what_another_version_adds(evaluated):
    content = read_json(evaluated[1])
    evaluation = ClassificationEvaluation.model_validate(content)
    assert json.loads(json.dumps(evaluation.as_written())) == content
    content["decisions"]["sets"]["fairness"] = "high"
    del content["decisions"]["curve"]
    assert ClassificationEvaluation.model_validate(content).decisions.curve is None
    del content["decisions"]
    assert ClassificationEvaluation.model_validate(content).decided == []


def test_the_leaderboard_tells_a_sentence_each(evaluated):
    experiment, _ = evaluated
    caption = leaderboard_table(ExperimentRun(experiment).evaluation()).caption
    for words in (
        "Calibration (temperature) changes",
        "Decided degenerated from 0.",
        "Sets hold the true label",
        "At ",
    ):
        assert words in caption


def test_without_decisions_there_is_no_such_key(tmp_path):
    experiment = write_experiment(tmp_path, evaluate={"resamples": 100})
    assert "decisions" not in read_json(evaluate.run(experiment)[0])
