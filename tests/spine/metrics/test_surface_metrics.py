"""Surface metrics on squares whose outlines can be drawn by hand."""

import numpy as np
import pytest

from spine.core.problems import SpineError
from spine.metrics.surface import TOLERANCE, surface_scores

SQUARE = np.zeros((9, 9), dtype=bool)
SQUARE[2:5, 2:5] = True
DOWN, RIGHT = np.roll(SQUARE, 1, axis=0), np.roll(SQUARE, 1, axis=1)

# The outline of a 3 x 3 square has 12 elements on the ring of a 4 x 4 lattice: 8 on the sides, as long as a pixel,
# and 4 across the corners, half a pixel's diagonal. Shifted by a pixel, 6 of them lie on the other ring (4 on the
# sides, 2 at corners), the other 6 are one pixel away from it.


def hausdorff_95(truth, predicted, spacing):
    return surface_scores(truth.astype(int), predicted.astype(int), spacing, classes=2)[0, 0]


def normalized_surface_distance(truth, predicted, spacing, tolerance=TOLERANCE):
    return surface_scores(truth.astype(int), predicted.astype(int), spacing, classes=2, tolerance=tolerance)[0, 1]


def test_equal_masks():
    assert hausdorff_95(SQUARE, SQUARE, (1, 1)) == 0
    assert normalized_surface_distance(SQUARE, SQUARE, (1, 1), tolerance=0) == 1


def test_a_shift_by_one_pixel():
    assert hausdorff_95(SQUARE, DOWN, (1, 1)) == 1
    corner = np.sqrt(2) / 2
    within = (4 + 2 * corner) / (8 + 4 * corner)
    assert normalized_surface_distance(SQUARE, DOWN, (1, 1), tolerance=0.9) == pytest.approx(within)
    assert normalized_surface_distance(SQUARE, DOWN, (1, 1), tolerance=1) == 1


def test_spacing_is_y_before_x_in_mm():
    assert hausdorff_95(SQUARE, DOWN, (0.5, 2)) == 0.5
    assert hausdorff_95(SQUARE, RIGHT, (0.5, 2)) == 2
    assert normalized_surface_distance(SQUARE, DOWN, (0.5, 2)) == 1
    # Right: the column that is left behind is 2 mm away, two sides of 0.5 mm and two corners, of each outline.
    corner = np.hypot(0.5, 2) / 2
    outline = 4 * 0.5 + 4 * 2 + 4 * corner
    assert normalized_surface_distance(SQUARE, RIGHT, (0.5, 2)) == pytest.approx(1 - (2 * 0.5 + 2 * corner) / outline)


def test_a_far_speck_of_less_than_5_percent_is_not_seen_by_the_95_percent_distance():
    truth = np.zeros((60, 60), dtype=bool)
    truth[5:35, 5:35] = True
    called = truth.copy()
    called[55, 55] = True  # its outline is 4 * sqrt(2) / 2 long, the square's about 4 * 30
    assert 4 * np.sqrt(2) / 2 < 0.05 * 4 * 30
    assert hausdorff_95(truth, called, (1, 1)) == 0


def test_missed_and_absent_classes():
    empty = np.zeros_like(SQUARE)
    assert hausdorff_95(SQUARE, empty, (1, 1)) == hausdorff_95(empty, SQUARE, (1, 1)) == np.inf
    assert normalized_surface_distance(SQUARE, empty, (1, 1)) == 0
    assert np.isnan(hausdorff_95(empty, empty, (1, 1)))
    assert np.isnan(normalized_surface_distance(empty, empty, (1, 1)))


def test_scores_of_every_foreground_class():
    found = surface_scores(SQUARE * 1, DOWN * 1 + 2 * (SQUARE & ~SQUARE), (1, 1), classes=3)
    assert found[0].tolist() == [1, 1]
    assert np.isnan(found[1]).all()


def test_what_does_not_hold_is_refused():
    with pytest.raises(SpineError, match="spacing"):
        hausdorff_95(SQUARE, SQUARE, (0, 1))
    with pytest.raises(SpineError, match=r"\(9, 9\), predicted \(3, 3\)"):
        hausdorff_95(SQUARE, SQUARE[:3, :3], (1, 1))
