"""What printed numbers imply, by values computed by hand."""

import pytest

from pipeline.papers import recompute
from pipeline.papers.recompute import Matrix


def test_rates_of_a_matrix():
    matrix = Matrix(found=3, missed=1, left=5, called=1)  # 4 positives, 6 negatives
    assert matrix.percents == pytest.approx(
        {"accuracy": 80, "recall": 75, "specificity": 100 * 5 / 6, "precision": 75, "f1": 75}
    )
    assert matrix.wrong == 2


def test_the_matrix_of_printed_rates_is_found():
    printed = {"accuracy": 80.00, "recall": 75.00, "specificity": 83.33, "precision": 75.00}
    assert recompute.matrices(printed, units=10, positives=4) == [Matrix(3, 1, 5, 1)]
    assert recompute.matrices({**printed, "accuracy": 90.00}, units=10, positives=4) == []
    assert recompute.positives([printed], units=10) == [4]


@pytest.mark.parametrize(
    ("value", "printed", "holds"),
    [(78.7234, 78.72, True), (78.7234, 78.73, True), (89.3617, 89.36, True), (89.3617, 89.38, False)],
)
def test_numbers_are_printed_rounded_or_cut_off(value, printed, holds):
    assert recompute.prints_as(value, printed) == holds


def test_the_fewest_units_of_a_share():
    assert recompute.least_units([93.10]) == 29  # 27/29
    assert recompute.least_units([33.33, 50.00]) == 6
    assert recompute.least_units([82.5, 93.5], digits=1) == 154  # 127/154 is 82.47 and 144/154 is 93.51
    assert recompute.least_units([99.84], most=100) is None


def test_mcnemar_is_bounded_by_what_two_models_share():
    # One error shared: 0 against 4 discordant, 2 (1/2)^4. None shared: 1 against 5, 2 (1 + 6) (1/2)^6.
    assert recompute.mcnemar_bounds(1, 5, 158) == pytest.approx((2 / 2**4, 2 * 7 / 2**6))
    assert recompute.mcnemar_bounds(2, 2, 10) == pytest.approx((1, 1))  # as many of either, whatever they share
    # 8 and 9 errors of 10: 7 or 8 are shared, so that 1 against 2 or 0 against 1 differ.
    assert recompute.mcnemar_bounds(8, 9, 10) == pytest.approx((1, 1))


def test_exact_interval_of_all_right_is_the_rule_of_its_tail():
    low, high = recompute.exact_interval(10, 10)
    assert (low, high) == (pytest.approx(100 * 0.025 ** (1 / 10)), 100)


def test_dice_of_iou():
    assert recompute.dice_of_iou(50) == pytest.approx(200 / 3)  # 2 * 0.5 / 1.5
    assert recompute.dice_of_iou(100) == 100


def test_the_background_makes_up_the_mean():
    assert recompute.background_iou(80, [70, 80, 75]) == 95  # (70 + 80 + 75 + 95) / 4


def test_shares_of_balanced_class_weights():
    assert recompute.balanced_shares([100 / (2 * 75), 100 / (2 * 25)]) == pytest.approx([0.75, 0.25])


def test_the_floor_of_a_weighted_dice_loss():
    assert recompute.dice_loss_floor(0.25) == 0.75
    assert recompute.dice_loss_floor(1) == 0


def test_learning_rate_in_the_last_epoch():
    assert recompute.rate_after(0.01, 0.1, 100, 500) == pytest.approx(1e-6)  # falls after 100, 200, 300 and 400
    assert recompute.rate_after(0.01, 0.1, 30, 500) == pytest.approx(1e-18)  # 16 times
