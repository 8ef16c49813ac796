import numpy as np
import pytest
from sklearn import metrics as reference

from spine import metrics
from spine.core.problems import SpineError
from spine.tasks import TASKS

# truth 0 0 0 1 1, called 0 0 1 1 0: one false positive, one false negative
TRUTH = np.array([0, 0, 0, 1, 1])
POSITIVE = np.array([0.1, 0.2, 0.7, 0.8, 0.4])
BINARY = np.stack([1 - POSITIVE, POSITIVE], axis=1)


def one_hot(classes: list[int], count: int) -> np.ndarray:
    return np.eye(count)[classes]


@pytest.fixture
def many():
    random = np.random.default_rng(0)
    return random.integers(0, 4, 200), random.dirichlet(np.ones(4), 200)


def test_confusion_counts_rows_of_truth_and_columns_of_prediction():
    assert metrics.classification.confusion(TRUTH, BINARY).tolist() == [[2, 1], [1, 1]]


def test_a_tie_goes_to_the_lowest_class():
    assert metrics.classification.predicted(np.array([[0.5, 0.5], [0.25, 0.75]])).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("accuracy", 3 / 5),
        ("sensitivity", 1 / 2),
        ("recall", 1 / 2),
        ("specificity", 2 / 3),
        ("precision", 1 / 2),
        ("f1", 2 * 1 / (2 * 1 + 1 + 1)),
        ("balanced_accuracy", (2 / 3 + 1 / 2) / 2),
        ("macro_f1", (2 * 2 / (2 * 2 + 1 + 1) + 1 / 2) / 2),
        ("roc_auc", 5 / 6),  # 6 pairs, only 0.4 ranks below 0.7
        ("log_loss", -np.log([0.9, 0.8, 0.3, 0.8, 0.4]).mean()),
        ("brier", (0.1**2 + 0.2**2 + 0.7**2 + 0.2**2 + 0.6**2) / 5),
        ("matthews", (1 * 2 - 1 * 1) / np.sqrt(2 * 2 * 3 * 3)),
        ("mean_absolute_error", 2 / 5),
        ("quadratic_kappa", 1 - (1 + 1) / ((3 * 2 + 2 * 3) / 5)),  # of two classes Cohen's own
    ],
)
def test_two_classes_by_hand(name, value):
    assert metrics.classification.METRICS[name].function(TRUTH, BINARY) == pytest.approx(value)


def test_more_classes_agree_with_scikit_learn(many):
    truth, probabilities = many
    called = probabilities.argmax(axis=1)
    expected = {
        "accuracy": reference.accuracy_score(truth, called),
        "balanced_accuracy": reference.balanced_accuracy_score(truth, called),
        "macro_f1": reference.f1_score(truth, called, average="macro"),
        "f1": reference.f1_score(truth, called, average="macro"),
        "precision": reference.precision_score(truth, called, average="macro"),
        "recall": reference.recall_score(truth, called, average="macro"),
        "roc_auc": reference.roc_auc_score(truth, probabilities, multi_class="ovr", average="macro"),
        "log_loss": reference.log_loss(truth, probabilities),
        "matthews": reference.matthews_corrcoef(truth, called),
        "quadratic_kappa": reference.cohen_kappa_score(truth, called, weights="quadratic"),
        "mean_absolute_error": reference.mean_absolute_error(truth, called),
    }
    found = {name: metrics.classification.METRICS[name].function(truth, probabilities) for name in expected}
    assert found == pytest.approx(expected)


def test_grades_by_hand():
    truth, probabilities = np.array([0, 1, 2, 2]), np.array([[1, 0, 0], [0.5, 0, 0.5], [0, 1, 0], [0, 0.25, 0.75]])
    # called 0, 0, 1, 2: two errors by one grade; by chance 0 0 1 2 of true against 0 1 2 2 of called
    by_chance = (1 * (0 * 2 + 1 * 1 + 4 * 1) + 1 * (1 * 2 + 0 * 1 + 1 * 1) + 2 * (4 * 2 + 1 * 1 + 0 * 1)) / 4
    assert metrics.classification.quadratic_kappa(truth, probabilities) == pytest.approx(1 - 2 / by_chance)
    assert metrics.classification.mean_absolute_error(truth, probabilities) == 2 / 4
    expected = np.array([0, 1, 1, 1.75])
    covariance = np.mean((truth - 1.25) * (expected - 0.9375))
    spread = truth.var() + expected.var() + (1.25 - 0.9375) ** 2
    assert metrics.classification.concordance(truth, probabilities) == pytest.approx(2 * covariance / spread)


def test_grades_of_one_kind_have_no_agreement_beyond_chance():
    truth = np.array([1, 1])
    for name in ("quadratic_kappa", "concordance"):
        assert np.isnan(metrics.classification.METRICS[name].function(truth, one_hot([1, 1], 3))), name
        resampled = metrics.classification.METRICS[name].function(
            np.array([0, 1, 2]), one_hot([0, 1, 1], 3), np.array([[1, 1, 1], [0, 3, 0]])
        )
        assert np.isfinite(resampled).tolist() == [True, False], name
    assert metrics.classification.mean_absolute_error(truth, one_hot([0, 2], 3)) == 1


def test_two_classes_agree_with_scikit_learn():
    random = np.random.default_rng(1)
    truth, positive = random.integers(0, 2, 100), random.integers(0, 11, 100) / 10  # many tied scores
    probabilities = np.stack([1 - positive, positive], axis=1)
    called = probabilities.argmax(axis=1)
    expected = {
        "roc_auc": reference.roc_auc_score(truth, positive),
        "precision": reference.precision_score(truth, called),
        "specificity": reference.recall_score(truth, called, pos_label=0),
        "f1": reference.f1_score(truth, called),
        "brier": reference.brier_score_loss(truth, positive),
        "matthews": reference.matthews_corrcoef(truth, called),
    }
    found = {name: metrics.classification.METRICS[name].function(truth, probabilities) for name in expected}
    assert found == pytest.approx(expected)


def test_a_class_absent_from_the_truth_has_no_rate():
    truth = np.array([0, 0])
    for name in ("sensitivity", "precision", "f1", "roc_auc"):
        assert np.isnan(metrics.classification.METRICS[name].function(truth, BINARY[:2])), name
    assert metrics.classification.specificity(truth, BINARY[:2]) == 1


def test_a_class_that_is_never_called_has_precision_0():
    assert metrics.classification.precision(np.array([0, 1]), one_hot([0, 0], 2)) == 0
    assert metrics.classification.f1(np.array([0, 1]), one_hot([0, 0], 2)) == 0


def test_averages_run_over_the_classes_that_occur():
    truth, called = np.array([0, 0, 1, 1]), [0, 2, 1, 1]  # class 2 is called once and never true
    probabilities = one_hot(called, 3)
    assert metrics.classification.balanced_accuracy(truth, probabilities) == pytest.approx((1 / 2 + 1) / 2)
    assert metrics.classification.macro_f1(truth, probabilities) == pytest.approx((2 / 3 + 1) / 2)
    assert metrics.classification.precision(truth, probabilities) == pytest.approx((1 + 1) / 2)
    # class 0 against class 1: the pairs (0.5, 0), (0, 0); class 1 against class 0: all pairs right
    scores = np.array([[1, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 0]])
    assert metrics.classification.roc_auc(truth, scores) == pytest.approx(((2 + 2 * 0.5) / 4 + 1) / 2)


def test_log_loss_is_bounded_by_the_clip():
    assert metrics.classification.log_loss(np.array([1]), one_hot([0], 2)) == pytest.approx(-np.log(1e-7))


def test_headlines_and_directions_are_known():
    for task in TASKS.values():
        assert {task.metrics.headline, task.metrics.searched} <= {*task.metrics}
    assert {name for name, entry in metrics.classification.METRICS.items() if not entry.higher_is_better} == {
        "log_loss",
        "brier",
        "mean_absolute_error",
    }


def test_wrong_input_is_refused():
    with pytest.raises(SpineError, match=r"\(2,\).*\(3, 2\)"):
        metrics.classification.accuracy(np.array([0, 1]), np.ones((3, 2)))
    with pytest.raises(SpineError, match=r"0\.\.1"):
        metrics.classification.accuracy(np.array([0, 2]), np.ones((2, 2)))
    with pytest.raises(SpineError, match="at least two"):
        metrics.classification.accuracy(np.array([0, 0]), np.ones((2, 1)))
    with pytest.raises(SpineError, match="accuracy"):
        metrics.classification.METRICS.named("accurracy")
    with pytest.raises(SpineError, match="one of dice_foreground"):
        metrics.segmentation.METRICS.named("accuracy")


@pytest.mark.parametrize("name", metrics.classification.METRICS)
@pytest.mark.parametrize("classes", [2, 3])
def test_weights_count_rows_as_often_as_repeating_them(name, classes):
    random = np.random.default_rng(2)
    truth, probabilities = random.integers(0, classes, 30), random.dirichlet(np.ones(classes), 30).round(1)
    often = random.integers(0, 4, (5, 30))
    function = metrics.classification.METRICS[name].function
    one_by_one = [function(np.repeat(truth, row), np.repeat(probabilities, row, axis=0)) for row in often]
    assert function(truth, probabilities, often) == pytest.approx(one_by_one)
    assert isinstance(function(truth, probabilities), float)
