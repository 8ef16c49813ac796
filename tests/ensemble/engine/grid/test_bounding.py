"""No vector of a box scores above its upper bound, and what is fixed or left free there counts to the same."""

import numpy as np
import pytest

from ensemble.engine.grid.bounding import RowTable
from ensemble.engine.grid.simplex_box import SimplexBoxes
from tests.ensemble.engine.grid.test_branch_and_bound import of_samples


class AtOnce:
    """An executor that works in place."""

    map = staticmethod(map)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("metric", ["macro_f1", "specificity", "balanced_accuracy", "precision"])
def test_no_vector_of_a_box_is_above_its_upper_bound(metric, seed):
    objective, members = of_samples(seed, metric)
    rows, boxes = RowTable.of(objective.scores.presolved), SimplexBoxes.whole(members, 12)
    for _ in range(6):
        boxes, _ = boxes.halves()
        every = [np.arange(len(rows))] * len(boxes)
        fixed = np.repeat(objective.scores.presolved.fixed[None], len(boxes), axis=0)
        bounded = rows.bound(boxes, every, fixed, AtOnce)
        upper_bounds = objective.scores.upper_bound(bounded.optimistic_confusions)
        for number, (box, upper_bound) in enumerate(zip(boxes, upper_bounds, strict=True)):
            scores = objective.scores(box.vectors() / 12)
            assert scores.max() <= upper_bound + 1e-12
            if not len(bounded.free_rows(number)):
                assert scores == pytest.approx(np.full(len(scores), upper_bound), abs=1e-12)


def test_what_is_left_free_in_a_box_and_what_is_fixed_are_all_rows():
    objective, members = of_samples(6, "accuracy")
    rows = RowTable.of(objective.scores.presolved)
    boxes, _ = SimplexBoxes.whole(members, 10).halves()
    fixed = np.repeat(objective.scores.presolved.fixed[None], len(boxes), axis=0)
    bounded = rows.bound(boxes, [np.arange(len(rows))] * len(boxes), fixed, AtOnce)
    assert (bounded.fixed.sum(axis=(1, 2)) + bounded.optimistic_counts.sum(axis=(1, 2)) == 60).all()
    for number, box in enumerate(boxes):
        weights = box.vectors() / 10
        fewer = rows.presolved_of(bounded.free_rows(number), bounded.fixed[number])
        assert (fewer.confusions(weights) == objective.scores.presolved.confusions(weights)).all()
