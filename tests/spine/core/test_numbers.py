"""Numbers are finite, whatever they are written as."""

import numpy as np
import pytest

from spine.core.numbers import finite, whole


@pytest.mark.parametrize(
    ("value", "number"),
    [("4", 4.0), (" -1.5 ", -1.5), ("+.5", 0.5), ("1.", 1.0), ("2e3", 2000.0), (7, 7.0), (np.float32(0.5), 0.5)],
)
def test_a_number_is_read(value, number):
    assert finite(value) == number


@pytest.mark.parametrize(
    "value",
    [
        *("nan", "inf", "-Infinity", "1_0", "", "4,5", "0x10", "1e999", "9" * 5000, "٣"),
        *(None, True, float("nan"), 10**400, np.float64("inf"), [1.0]),
    ],
)
def test_what_is_no_finite_number_is_refused(value):
    with pytest.raises(ValueError, match=r"is not a (finite )?number"):
        finite(value)


def test_a_whole_number_has_no_fraction():
    assert [whole(value) for value in ("4", 4.0, "-3", "4.0")] == [4, 4, -3, 4]
    with pytest.raises(ValueError, match=r"'1.5' is not a whole number"):
        whole("1.5")
