"""Weighted boxes fusion against arithmetic and the library itself; the graph and the compiled loop against both."""

import numpy as np
import pytest
from ensemble_boxes import weighted_boxes_fusion

from ensemble.fusion.fuse_boxes import BoxFusion, fuse_boxes
from spine.core.problems import SpineError
from spine.dataset.detections import Detections

NOTHING = Detections.from_arrays(np.zeros((0, 4)), np.zeros(0), np.zeros(0))


def detections(*rows: tuple) -> Detections:
    """Each row is y1, x1, y2, x2, score and, where it is not 1, class."""
    return Detections.from_arrays(
        np.array([row[:4] for row in rows]),
        np.array([row[4] for row in rows]),
        np.array([row[5] if len(row) > 5 else 1 for row in rows]),
    )


def random_detections(random, most: int = 12, classes: int = 2, coarse: bool = False) -> Detections:
    """Boxes around a few places, so that many overlap; `coarse` scores often tie."""
    count = random.integers(0, most + 1)
    centres = random.choice([0.3, 0.5, 0.7], (count, 2)) + random.normal(0, 0.03, (count, 2))
    sizes = random.uniform(0.05, 0.15, (count, 2))
    scores = random.uniform(0.01, 1, count)
    return Detections.from_arrays(
        np.concatenate([centres - sizes, centres + sizes], axis=1).clip(0, 1),
        scores.round(1) if coarse else scores,
        random.integers(1, classes + 1, count),
    )


def test_two_boxes_of_one_object_become_their_weighted_mean():
    first = detections((0.1, 0.1, 0.5, 0.5, 0.8))
    second = detections((0.1, 0.1, 0.5, 0.6, 0.4))
    fused = fuse_boxes([first, second], [0.75, 0.25])
    pull = (0.75 * 0.8, 0.25 * 0.4)
    right = (pull[0] * 0.5 + pull[1] * 0.6) / sum(pull)
    np.testing.assert_allclose(fused.boxes, [[0.1, 0.1, 0.5, right]], atol=1e-7)
    np.testing.assert_allclose(fused.scores, [0.75 * 0.8 + 0.25 * 0.4])
    assert fused.classes.tolist() == [1]


def test_a_box_that_one_member_alone_sees_keeps_its_place_and_its_share_of_the_score():
    fused = fuse_boxes([detections((0.1, 0.1, 0.5, 0.5, 0.8)), NOTHING], [0.75, 0.25])
    np.testing.assert_allclose(fused.boxes, [[0.1, 0.1, 0.5, 0.5]])
    np.testing.assert_allclose(fused.scores, [0.75 * 0.8])


def test_classes_are_never_mixed():
    box = (0.1, 0.1, 0.5, 0.5)
    fused = fuse_boxes([detections((*box, 0.8, 1)), detections((*box, 0.6, 2))], [1, 1])
    assert fused.classes.tolist() == [1, 2]
    np.testing.assert_allclose(fused.scores, [0.4, 0.3])


def test_a_member_of_weight_zero_is_as_if_it_were_not_there():
    random = np.random.default_rng(0)
    first, second, third = (random_detections(random) for _ in range(3))
    with_it, without = fuse_boxes([first, third, second], [2, 0, 1]), fuse_boxes([first, second], [2, 1])
    for name in ("boxes", "scores", "classes"):
        np.testing.assert_array_equal(getattr(with_it, name), getattr(without, name))


def test_the_score_threshold_is_for_scores_before_they_are_weighted():
    boxes = detections((0.1, 0.1, 0.5, 0.5, 0.8), (0.6, 0.6, 0.9, 0.9, 0.3))
    assert len(fuse_boxes([boxes, NOTHING], [0.1, 0.9], BoxFusion(score_threshold=0.3))) == 2
    assert len(fuse_boxes([boxes, NOTHING], [0.1, 0.9], BoxFusion(score_threshold=0.4))) == 1


def test_the_iou_threshold_must_be_passed():
    pair = [detections((0.0, 0.0, 0.5, 0.5, 0.5)), detections((0.0, 0.25, 0.5, 0.5, 0.5))]  # IoU 1/2
    assert len(fuse_boxes(pair, [1, 1], BoxFusion(iou_threshold=0.5))) == 2
    assert len(fuse_boxes(pair, [1, 1], BoxFusion(iou_threshold=0.49))) == 1


def test_boxes_without_area_or_score_take_no_part():
    odd = detections((0.1, 0.1, 0.1, 0.5, 0.9), (0.1, 0.1, 0.5, 0.5, 0.0), (0.1, 0.1, 0.5, 0.5, 0.0))
    assert len(fuse_boxes([odd, odd], [1, 1])) == 0


def test_a_score_never_exceeds_one():
    # One member puts two boxes on one object: the mean of 0.9 and 0.9, times two boxes.
    twice = detections((0.1, 0.1, 0.5, 0.5, 1.0), (0.1, 0.1, 0.5, 0.5, 1.0))
    assert fuse_boxes([twice, NOTHING], [0.9, 0.1]).scores.tolist() == [1]


@pytest.mark.parametrize("seed", range(10))
def test_it_is_the_library_s_where_no_scores_tie(seed):
    random = np.random.default_rng(seed)
    members, weights = [random_detections(random) for _ in range(2 + seed % 3)], random.uniform(0.1, 1, 2 + seed % 3)
    fused = fuse_boxes(members, weights.tolist(), BoxFusion(0.4, 0.05))
    boxes, scores, classes = weighted_boxes_fusion(
        [member.boxes[:, [1, 0, 3, 2]] for member in members],
        [member.scores for member in members],
        [member.classes for member in members],
        weights=weights,
        iou_thr=0.4,
        skip_box_thr=0.05,
    )
    np.testing.assert_array_equal(fused.boxes, boxes[:, [1, 0, 3, 2]].astype(np.float32))
    np.testing.assert_array_equal(fused.scores, scores.clip(0, 1).astype(np.float32))
    np.testing.assert_array_equal(fused.classes, classes)


def test_equal_scores_are_taken_in_the_members_order():
    # Of three boxes with one score the first two overlap enough, and so do the last two, but not all three.
    places = [detections((0.1, left, 0.5, left + 0.4, 0.5)) for left in (0.1, 0.2, 0.3)]
    ahead = fuse_boxes(places, [1, 1, 1], BoxFusion(0.55))
    assert sorted(ahead.boxes[:, 1].tolist()) == pytest.approx([0.15, 0.3])
    back = fuse_boxes(places[::-1], [1, 1, 1], BoxFusion(0.55))
    assert sorted(back.boxes[:, 1].tolist()) == pytest.approx([0.1, 0.25])


@pytest.mark.parametrize(
    ("weights", "said"),
    [([1], "2 members and 1 weights"), ([0, 0], "above 0"), ([1, -1], "0 or more"), ([1, np.nan], "0 or more")],
)
def test_weights_that_do_not_hold_are_refused(weights, said):
    with pytest.raises(SpineError, match=said):
        fuse_boxes([NOTHING, NOTHING], weights)


@pytest.mark.parametrize("settings", [{"iou_threshold": 1.0}, {"score_threshold": -0.1}])
def test_thresholds_that_do_not_hold_are_refused(settings):
    with pytest.raises(SpineError, match=next(iter(settings))):
        BoxFusion(**settings)


def test_boxes_at_the_edge_of_the_image_stay_in_it():
    random = np.random.default_rng(0)
    for scores in random.uniform(0.1, 1, (50, 8)).astype(np.float32):
        members = [Detections.from_arrays([[0.0, 0.5, 1.0, 1.0]], [score], [1]) for score in scores]
        (box,) = fuse_boxes(members, [0.125] * 8).boxes
        np.testing.assert_allclose(box, [0, 0.5, 1, 1], atol=1e-6)
        assert box.max() <= 1
