"""A missed disc leaves a gap, or is in the mask alone; the levels above it are in doubt."""

import numpy as np
import pytest

from spine.answers.answer import Finding
from spine.answers.doubts import doubts_of_levels
from spine.measurements import measure


def discs(*heights, label="disc"):
    """Boxes around these rows, numbered from below."""
    rows = sorted(heights, reverse=True)
    return [Finding(label, (10, row - 4, 40, row + 4), 0.9, level) for level, row in enumerate(rows, start=1)]


def test_levels_that_follow_each_other_are_not_in_doubt():
    assert doubts_of_levels(discs(200, 165, 133, 102, 72)) == ()


def test_a_gap_for_one_more_is_told_with_the_levels_above_it():
    (doubt,) = doubts_of_levels(discs(200, 165, 102, 72, 43))
    assert doubt == "disc 2 and disc 3 lie far apart: one between them may be missed, and the levels from 3 on too low"


def test_of_few_boxes_nothing_is_said():
    assert doubts_of_levels(discs(200, 165, 60)) == ()


def test_boxes_without_levels_and_other_labels_do_not_mix():
    region = Finding("region", (0, 0, 100, 300), 0.9)
    vertebrae = discs(180, 150, 118, 88, label="vertebra")
    assert doubts_of_levels([region, *discs(200, 165, 133, 102), *vertebrae]) == ()


@pytest.mark.parametrize(("spacing", "doubted"), [(None, 1), ((1.0, 1.0), 1), ((0.25, 3.0), 0)])
def test_distances_are_those_on_the_patient(spacing, doubted):
    """Columns far apart on the patient, and rows near each other: the wide row is no wide gap."""
    rows = [(200, 0), (170, 30), (140, 60), (80, 90), (50, 120)]
    findings = [Finding("disc", (x, y, x + 10, y + 10), 0.9, level) for level, (y, x) in enumerate(rows, start=1)]
    assert len(doubts_of_levels(findings, spacing)) == doubted


def test_levels_that_boxes_and_mask_count_differently_are_told():
    mask = np.zeros((240, 60), np.int32)
    for row in (200, 165, 133):
        mask[row - 4 : row + 4, 10:40] = 1
    measured = measure(mask, ("background", "disc"), None, vertebra=None, canal=None)
    assert [disc.level for disc in measured.discs] == [1, 2, 3]
    assert doubts_of_levels(discs(200, 165, 133), None, measured) == ()
    (doubt,) = doubts_of_levels(discs(200, 133), None, measured)
    assert doubt == ("boxes and mask do not have the same discs: disc 2 of the findings is level 3 of the measurements")
