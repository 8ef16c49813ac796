"""Levels of discs, numbered from below."""

import pytest

from spine.annotations.levels import level_number, one_spelling


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1", 1),
        (" 3 ", 3),
        ("L5/S1", 1),
        ("l4-l5", 2),
        ("L4-5", 2),
        ("L4L5", 2),
        ("L1/L2", 5),
        ("T12/L1", 6),
        ("T1_T2", 17),
        ("Th12/L1", 6),
        ("th11-Th12", 7),
        ("", None),
        ("disc", None),
        ("L6/S1", None),  # of six lumbar vertebrae nothing says which disc is counted first
        ("T13/L1", None),
        ("S1/S2", None),
        ("\u0663", None),
    ],
)
def test_a_level_is_a_number_or_the_names_of_its_vertebrae(text, number):
    assert level_number(text) == number


def test_all_ways_to_write_a_level_are_one():
    assert {one_spelling(text) for text in ("L4/L5", "l4-5", "L4L5", "2", " 2")} == {"2"}
    assert [one_spelling(text) for text in ("C5/C6", " odd ", "")] == ["C5/C6", "odd", ""]
