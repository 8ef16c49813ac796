"""Measurements in the report: what the ensemble's masks tell beside the true ones."""

import numpy as np
import pytest

from ensemble.report.measured import Measured, draw_differences
from spine.measurements import measure

LABELS = ("background", "vertebra", "disc", "canal")


def spine(discs: tuple[int, ...] = (8, 6), missing: int | None = None) -> np.ndarray:
    """Vertebrae 20 high and discs between them, lowest last in the picture, 30 wide, and a canal 10 wide."""
    mask = np.zeros((150, 80), np.uint8)
    bottom = 140
    for number, height in enumerate((*discs, 0)):
        mask[bottom - 20 : bottom, 20:50] = 1
        if number != missing:
            mask[bottom - 20 - height : bottom - 20, 20:50] = 2
        bottom -= 20 + height
    mask[:, 55:65] = 3
    return mask


def compared(true: np.ndarray, predicted: np.ndarray, spacing: tuple[float, float] | None = (0.5, 0.5)) -> Measured:
    return Measured.between([(measure(true, LABELS, spacing), measure(predicted, LABELS, spacing))])


def test_errors_are_predicted_less_true_in_their_unit():
    found = compared(spine((8, 6, 6)), spine((10, 6, 5)))
    height = next(one for one in found.agreements if (one.structure, one.name) == ("disc", "middle_height"))
    assert (height.unit, height.title) == ("mm", "disc: middle height")
    assert height.true.tolist() == pytest.approx([4, 3, 3])
    assert (height.predicted - height.true).tolist() == pytest.approx([1, 0, -0.5])
    assert (height.bias, height.median_error) == pytest.approx((0, 0.5))
    assert height.error_95 == pytest.approx(np.quantile([1, 0, 0.5], 0.95))
    width = next(one for one in found.agreements if one.structure == "canal")
    assert width.median_error == pytest.approx(0)
    assert [(one.structure, one.true, one.measured, one.same_level) for one in found.found] == [
        ("disc", 3, 3, 3),
        ("vertebra", 4, 4, 4),
        ("canal", 3, 3, 3),
    ]


def test_a_structure_is_compared_with_the_one_that_lies_on_it():
    found = compared(spine((8, 6)), spine((8, 6), missing=0), None)  # the lowest disc is not predicted
    assert [(one.structure, one.true, one.measured, one.same_level) for one in found.found] == [
        ("disc", 2, 1, 0),
        ("vertebra", 3, 3, 3),
        ("canal", 2, 1, 0),
    ]
    height = next(one for one in found.agreements if (one.structure, one.name) == ("disc", "middle_height"))
    assert (height.unit, height.true.tolist(), height.predicted.tolist()) == ("px", [6], [6])


def test_nothing_that_is_measured_leaves_the_section_out():
    nothing = compared(np.zeros((20, 20), np.uint8), spine())
    assert (nothing.agreements, nothing.found, nothing.drawn()) == ((), (), [])


def test_differences_are_drawn_a_panel_a_measurement():
    figure = draw_differences(compared(spine((8, 6, 6)), spine((10, 6, 5))).drawn())
    assert [axis.get_title(loc="left") for axis in figure.axes] == [
        "disc: middle height",
        "vertebra: middle height",
        "canal: least antero-posterior width",
    ]
