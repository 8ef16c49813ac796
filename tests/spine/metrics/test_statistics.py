from itertools import product

import numpy as np
import pytest
from scipy.stats import brunnermunzel, mannwhitneyu, norm
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar

from spine.core.problems import SpineError
from spine.metrics import classification as metrics
from spine.metrics.statistics import (
    delong,
    delong_covariance,
    interval,
    mcnemar,
    patient_resamples,
    wilcoxon,
)
from tests.bootstrap import bootstrap_interval


def delong_variance(truth, score):
    """The area of one model and its variance."""
    areas, covariance = delong_covariance(truth, np.asarray(score)[None])
    return areas[0], covariance[0, 0]


def mean_of(values):
    return lambda weights: weights @ values / weights.sum(axis=-1)


def test_patients_are_drawn_with_all_their_units():
    draws = patient_resamples(["a", "a", "b", "c"], resamples=50, seed=0)
    assert draws.shape == (50, 4)
    assert (draws[:, 0] == draws[:, 1]).all()
    assert (draws[:, [0, 2, 3]].sum(axis=1) == 3).all()
    assert (draws == patient_resamples(["a", "a", "b", "c"], 50, 0)).all()
    assert (draws != patient_resamples(["a", "a", "b", "c"], 50, 1)).any()


def test_interval_of_two_patients_is_the_range_of_their_four_equal_draws():
    # Draws aa, ab, ba, bb: means 0, 0.5, 0.5, 1, so the quartiles lie on or inside 0 and 1.
    found = bootstrap_interval(mean_of(np.array([0.0, 1.0])), ["a", "b"], resamples=4000, confidence=0.95)
    assert (found.value, found.low, found.high, found.undefined) == (0.5, 0.0, 1.0, 0)


def test_interval_agrees_with_drawing_patients_in_a_loop():
    random = np.random.default_rng(3)
    values = random.normal(size=60)
    patients = np.repeat(np.arange(20), 3)
    found = bootstrap_interval(mean_of(values), patients, resamples=20000, seed=1)
    means = []
    for _ in range(5000):
        drawn = random.integers(0, 20, 20)
        means.append(np.concatenate([values[patients == patient] for patient in drawn]).mean())
    width = found.high - found.low
    assert [found.low, found.high] == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.04 * width)


def test_repeated_units_of_a_patient_add_no_certainty():
    values = np.random.default_rng(0).normal(size=30)
    once = bootstrap_interval(mean_of(values), np.arange(30))
    thrice = bootstrap_interval(mean_of(np.repeat(values, 3)), np.repeat(np.arange(30), 3))
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high))


def test_undefined_resamples_are_left_out_and_counted():
    truth, scores = np.array([0, 0, 1]), np.array([[0.8, 0.2], [0.7, 0.3], [0.1, 0.9]])
    draws = patient_resamples(["a", "b", "c"], 2000, seed=0)
    found = interval(lambda weights: metrics.roc_auc(truth, scores, weights), draws)
    without_both_classes = ((draws[:, 2] == 0) | (draws[:, 2] == 3)).sum()
    assert found.undefined == without_both_classes > 0
    assert (found.value, found.low, found.high) == (1, 1, 1)


def test_one_patient_has_no_interval():
    found = bootstrap_interval(mean_of(np.array([0.0, 1.0])), ["a", "a"])
    assert found.value == 0.5
    assert np.isnan(found.low)
    assert not found.excludes_zero


def test_an_interval_covers_as_often_as_it_says():
    """The mean of 40 patients of unequal disc counts, whose discs share the patient's own level; truth is 0."""
    random = np.random.default_rng(5)
    covered = 0
    for trial in range(200):
        patients = np.repeat(np.arange(40), random.integers(1, 5, 40))
        values = random.normal(size=40)[patients] + random.normal(size=len(patients))
        found = bootstrap_interval(mean_of(values), patients, resamples=400, seed=trial)
        covered += found.low < 0 < found.high
    assert 180 <= covered <= 198  # 95 % of 200 is 190, standard deviation 3


def test_a_paired_difference_is_tighter_than_two_intervals():
    random = np.random.default_rng(0)
    first = random.normal(size=50)
    second = first - 0.1 + random.normal(scale=0.01, size=50)
    difference = bootstrap_interval(lambda w: mean_of(first)(w) - mean_of(second)(w), np.arange(50))
    assert difference.value == pytest.approx((first - second).mean())
    assert 0.09 < difference.low < difference.high < 0.11
    assert difference.excludes_zero


@pytest.mark.parametrize(("only_first", "only_second"), [(5, 1), (0, 4), (7, 7), (12, 3), (0, 0)])
def test_mcnemar_agrees_with_statsmodels(only_first, only_second):
    truth = np.ones(only_first + only_second + 6, dtype=int)
    first, second = truth.copy(), truth.copy()
    second[:only_first] = 0
    first[only_first : only_first + only_second] = 0
    first[-2:] = second[-2:] = 0
    found = mcnemar(truth, first, second)
    expected = reference_mcnemar([[4, only_first], [only_second, 2]], exact=True).pvalue
    assert (found.only_first, found.only_second) == (only_first, only_second)
    assert found.p == pytest.approx(expected)


def test_mcnemar_of_the_published_counts():
    """158 discs, 1 error against 5: at best the 5 and the 1 do not overlap less than 4 to 0, p = 2 / 2**4."""
    truth = np.ones(158, dtype=int)
    ensemble, single = truth.copy(), truth.copy()
    ensemble[0] = single[0] = 0
    single[1:5] = 0
    assert mcnemar(truth, ensemble, single).p == pytest.approx(2 / 2**4)


def brute_force_delong(truth, scores):
    """The kernel of DeLong 1988, pair by pair: equations 3 to 5."""
    positives, negatives = [score[truth == 1] for score in scores], [score[truth == 0] for score in scores]
    kernel = np.array(
        [
            [[1.0 if x > y else 0.5 if x == y else 0.0 for y in low] for x in high]
            for high, low in zip(positives, negatives, strict=True)
        ]
    )  # (models, positives, negatives)
    areas = kernel.mean(axis=(1, 2))
    v10, v01 = kernel.mean(axis=2) - areas[:, None], kernel.mean(axis=1) - areas[:, None]
    covariance = np.zeros((len(scores), len(scores)))
    for i, j in product(range(len(scores)), repeat=2):
        m, n = v10.shape[1], v01.shape[1]
        covariance[i, j] = v10[i] @ v10[j] / (m - 1) / m + v01[i] @ v01[j] / (n - 1) / n
    return areas, covariance


def test_delong_agrees_with_the_kernel_of_the_paper():
    random = np.random.default_rng(4)
    truth = random.integers(0, 2, 60)
    first = (truth + random.normal(size=60)).round(1)  # with ties
    second = (truth + 2 * random.normal(size=60)).round(1)
    areas, covariance = brute_force_delong(truth, np.stack([first, second]))
    z = (areas[0] - areas[1]) / np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    found = delong(truth, first, second)
    assert [found.first, found.second] == pytest.approx(areas)
    assert found.z == pytest.approx(z)
    assert delong_variance(truth, first) == pytest.approx((areas[0], covariance[0, 0]))
    assert delong(truth, second, first).z == pytest.approx(-z)


def test_delong_by_hand():
    # Positives 3 and 1 are above 2 and 1 of the negatives; negatives 2 and 0 are below 1 and 2 of the positives.
    area, variance = delong_variance(np.array([1, 1, 0, 0]), np.array([3, 1, 2, 0]))
    spread = ((1 - 3 / 4) ** 2 + (1 / 2 - 3 / 4) ** 2) / (2 - 1)
    assert area == 3 / 4
    assert variance == pytest.approx(spread / 2 + spread / 2)


def test_delong_of_two_models_by_hand():
    # The first ranks all right; the second puts one positive below both negatives. Of the three positives 0, 1 and 1
    # of the negatives lie below in the second, so that only their variance is left: 1/3, by three positives.
    found = delong(np.array([0, 0, 1, 1, 1]), np.array([0.1, 0.2, 0.6, 0.7, 0.8]), np.array([0.3, 0.6, 0.2, 0.7, 0.9]))
    assert (found.first, found.second) == pytest.approx((1, 2 / 3))
    assert found.z == pytest.approx((1 - 2 / 3) / np.sqrt((1 / 3) / 3))
    assert found.p == pytest.approx(2 * norm.cdf(-1))


def test_areas_of_delong_are_mann_whitneys():
    random = np.random.default_rng(8)
    truth = np.repeat([0, 1], [30, 20])
    score = (truth + random.normal(size=50)).round(1)  # with ties
    reference = mannwhitneyu(score[truth == 1], score[truth == 0]).statistic / (20 * 30)
    assert delong_variance(truth, score)[0] == pytest.approx(reference)


def test_the_variance_of_an_area_is_brunners_and_munzels():
    """Their test (2000) of an area of 1/2, as SciPy has it, divides by the same variance of placements."""
    random = np.random.default_rng(9)
    truth = np.repeat([0, 1], [30, 20])
    score = (truth + random.normal(size=50)).round(1)  # with ties
    area, variance = delong_variance(truth, score)
    reference = brunnermunzel(score[truth == 0], score[truth == 1]).statistic
    assert (area - 1 / 2) / np.sqrt(variance) == pytest.approx(reference)


def test_delong_without_variance():
    truth, perfect = np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.8, 0.9])
    assert delong(truth, perfect, perfect).p == 1
    assert np.isnan(delong(truth, perfect, -perfect).p)


def test_delong_rejects_as_often_as_it_says():
    """Two equally good, correlated models: the share of p < 0.1 is 0.1."""
    random = np.random.default_rng(6)
    truth = np.repeat([0, 1], 50)
    rejected = 0
    for _ in range(400):
        common = truth + random.normal(size=100)
        rejected += delong(truth, common + random.normal(size=100), common + random.normal(size=100)).p < 0.1
    assert 22 <= rejected <= 58  # 40, standard deviation 6


def test_wrong_input_is_refused():
    with pytest.raises(SpineError, match="1 positives"):
        delong(np.array([0, 0, 1]), np.zeros(3), np.zeros(3))
    with pytest.raises(SpineError, match=r"\(2,\)"):
        mcnemar(np.zeros(3), np.zeros(3), np.zeros(2))


def test_wilcoxon_by_hand():
    # All five differ upwards: 2 of the 2^5 sign patterns are as extreme.
    found = wilcoxon(np.array([0.5, 0.6, 0.7, 0.8, 0.9]), np.array([0.49, 0.58, 0.67, 0.76, 0.85]))
    assert (found.differing, found.higher) == (5, 5)
    assert found.p == pytest.approx(2 / 2**5)


def test_wilcoxon_of_darwins_plants():
    """Crossed less self-fertilised maize, in eighths of an inch (Fisher, The Design of Experiments, 1935, chapter 3).

    The exact p from all sign patterns; SciPy's documentation has the same example, with 0.0413.
    """
    differences = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48])
    ranks = np.abs(differences).argsort().argsort() + 1
    low = ranks[differences < 0].sum()
    sums = np.array([[*signs] for signs in product([0, 1], repeat=15)]) @ ranks
    found = wilcoxon(differences.astype(float), np.zeros(15))
    assert low == 24
    assert (found.differing, found.higher) == (15, 13)
    assert found.p == pytest.approx(2 * np.mean(sums <= low))
    assert found.p == pytest.approx(0.0413, abs=5e-5)


def test_wilcoxon_leaves_out_what_is_equal_or_undefined():
    first, second = np.array([0.5, 0.6, np.nan, 0.9]), np.array([0.5, 0.5, 0.5, 0.8])
    found = wilcoxon(first, second)
    assert (found.differing, found.higher, found.p) == (2, 2, 2 / 2**2)
    assert wilcoxon(first, first).p == 1
    with pytest.raises(SpineError, match=r"\(2,\)"):
        wilcoxon(np.zeros(3), np.zeros(2))
