"""Numbers and times in sentences."""

import pytest

from spine.core.words import counted, duration, enumerated, needs_extra, signed


def test_what_is_counted_is_one_or_several():
    assert [counted(number, "picture") for number in (0, 1, 2000)] == ["0 pictures", "1 picture", "2,000 pictures"]
    assert counted(2, "study", "studies") == "2 studies"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0 s"), (89, "89 s"), (90, "1.5 min"), (9 * 60, "9.0 min"), (40 * 60, "40 min"), (96 * 60, "1.6 h")],
)
def test_a_time_has_the_unit_that_people_would_use(seconds, told):
    assert duration(seconds) == told


@pytest.mark.parametrize(
    ("difference", "told"),
    [
        (0.0124, "+0.012"),
        (-0.0124, "-0.012"),
        (-0.0004, "0.000"),
        (0.0004, "0.000"),
        (-0.0, "0.000"),
        (-0.0006, "-0.001"),
    ],
)
def test_a_difference_that_rounds_to_nothing_has_no_sign(difference, told):
    assert signed(difference) == told
    assert signed(-0.04, digits=1) == "0.0"
    assert signed(-0.06, digits=1) == "-0.1"


def test_a_missing_package_is_told_with_what_needs_it_and_how_it_is_installed():
    assert needs_extra("the page", "Gradio", "demo") == (
        "the page needs Gradio; install it from the repository: pip install -e '.[demo]'"
    )


@pytest.mark.parametrize(
    ("names", "told"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_names_are_listed_as_a_sentence_has_them(names, told):
    assert enumerated(names) == enumerated(iter(names)) == told
