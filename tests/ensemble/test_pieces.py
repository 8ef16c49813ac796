"""Post-processing of masks: by hand, against OpenCV's components, and in the graph as on arrays."""

import cv2
import numpy as np
import pytest
import tensorflow as tf

from ensemble.fusion.pieces import kept_pieces, postprocess
from ensemble.fusion.pieces_graph import kept_pieces_in_graph, postprocess_in_graph
from spine.experiment.postprocess import PieceRule, PostprocessSettings

LABELS = ("background", "bone", "canal")

# Pieces of class 1 by size: 4 (through a corner), 3, 1; of class 2: 2 and 2.
MASK = np.array(
    [
        [1, 1, 0, 2, 0, 1],
        [0, 1, 0, 2, 0, 0],
        [0, 0, 1, 0, 0, 1],
        [2, 2, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 1],
    ]
)


def kept(rules: dict[int, PieceRule]) -> np.ndarray:
    """What stays of `MASK`, which arrays and graph agree about."""
    found = kept_pieces(MASK, rules)
    in_graph = kept_pieces_in_graph(tf.constant(np.stack([MASK, MASK]), tf.int32), rules, 3).numpy()
    for one in in_graph:
        np.testing.assert_array_equal(one, found)
    return MASK * found


def test_the_largest_pieces_of_a_class_stay_joined_by_corners():
    np.testing.assert_array_equal(kept({1: PieceRule(most=3)}), MASK)
    two = kept({1: PieceRule(most=2)})
    assert two[0, 5] == 0
    assert (two == 1).sum() == 4 + 3
    assert (kept({1: PieceRule(most=1)}) == 1).sum() == 4


def test_of_pieces_as_large_the_first_row_by_row_stays():
    one = kept({2: PieceRule(most=1)})
    assert one[:2, 3].tolist() == [2, 2]
    assert one[3, :2].tolist() == [0, 0]


@pytest.mark.parametrize(("share", "left"), [(0.25, 4 + 3 + 1), (0.26, 4 + 3), (0.75, 4 + 3), (0.76, 4)])
def test_pieces_below_a_share_of_the_largest_are_dropped(share, left):
    assert (kept({1: PieceRule(share=share)}) == 1).sum() == left


def probabilities(mask: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Of three classes: 0.6 for that of the mask, 0.3 for the second, 0.1 for the third."""
    eye = np.eye(3)
    return (0.1 + 0.5 * eye[mask] + 0.2 * eye[second]).astype(np.float32)


def test_what_is_dropped_becomes_the_next_class_or_background():
    second = np.zeros_like(MASK)
    second[0, 5] = 2  # would be a third canal, a speck
    second[3, :2] = 1
    rules = {1: PieceRule(most=2), 2: PieceRule(most=1)}
    expected = MASK.copy()
    expected[0, 5] = 0  # bone, then canal that is not the largest, then background
    expected[3, :2] = 1  # canal, then bone: it touches the large one at a corner
    found = postprocess(probabilities(MASK, second), rules)
    np.testing.assert_array_equal(found, expected)
    in_graph = postprocess_in_graph(tf.constant(probabilities(MASK, second)[None]), rules)
    np.testing.assert_array_equal(in_graph[0], expected)


def test_a_piece_of_its_class_goes_before_a_larger_one_that_others_became():
    mask = np.zeros((12, 20), int)
    mask[:4], mask[6:10, :8], mask[6:9, 14:] = 1, 1, 2  # bones of 80 and 32, a canal of 18
    second = np.zeros_like(mask)
    second[6:10, :8] = 2  # the smaller bone would be the larger canal
    for rules in ({1: PieceRule(most=1), 2: PieceRule(most=1)}, {1: PieceRule(most=1), 2: PieceRule(1, 0.7)}):
        expected = np.where(mask == 2, 2, np.arange(12)[:, None] < 4)
        np.testing.assert_array_equal(postprocess(probabilities(mask, second), rules), expected)
        in_graph = postprocess_in_graph(tf.constant(probabilities(mask, second)[None]), rules)
        np.testing.assert_array_equal(in_graph[0], expected)


def test_graph_and_arrays_agree_on_noise_blobs_and_spirals():
    random = np.random.default_rng(0)
    rules = {1: PieceRule(share=0.2), 2: PieceRule(most=2), 3: PieceRule(most=1, share=0.5)}
    answer = tf.function(
        lambda maps: postprocess_in_graph(maps, rules), input_signature=[tf.TensorSpec([None, None, None, 4])]
    )
    for number in range(30):
        height, width = random.integers(1, 40, 2)
        maps = random.dirichlet(np.ones(4), (2, height, width)).astype(np.float32)
        if number % 2:
            maps = np.stack([cv2.GaussianBlur(one, (0, 0), 1.5) for one in maps]).reshape(maps.shape)
        found = answer(maps).numpy()
        np.testing.assert_array_equal(found, [postprocess(one, rules) for one in maps])
        for mask in found:  # by OpenCV, no rule is broken
            for label, rule in rules.items():
                areas = cv2.connectedComponentsWithStats((mask == label).astype(np.uint8))[2][1:, cv2.CC_STAT_AREA]
                assert len(areas) <= (rule.most or len(areas))
                assert areas.min(initial=10**6) >= rule.share * areas.max(initial=0)


def test_a_piece_of_several_levels_is_of_the_one_that_most_of_its_pixels_have():
    mask = np.zeros((9, 8), int)
    mask[0:3, :4] = 1  # a vertebra of one level, of which a corner is taken for the next one
    mask[2, 2:4] = 2
    mask[5:7, :3], mask[5:7, 3:6] = 2, 1  # as many pixels of both: the lower class
    mask[8, 7] = 2
    mask[0:3, 6] = 3  # the canal is no part of it
    second = np.full_like(mask, 3)
    expected = np.where((mask == 2) & (np.arange(9)[:, None] < 8), 1, mask)
    rules = {label: PieceRule(unit=1) for label in (1, 2)}
    one_of_each = {label: rule._replace(most=1) for label, rule in rules.items()}
    dropped = np.where(np.isin(np.arange(9), (5, 6))[:, None] & (expected == 1), 3, expected)  # no other level
    maps = (0.1 + 0.4 * np.eye(4)[mask] + 0.2 * np.eye(4)[second] + 0.1 * np.eye(4)[3 - mask]).astype(np.float32)
    for asked, wanted in ((rules, expected), (one_of_each, dropped)):
        np.testing.assert_array_equal(postprocess(maps, asked), wanted)
        np.testing.assert_array_equal(postprocess_in_graph(tf.constant(np.stack([maps, maps])), asked)[1], wanted)


def test_graph_and_arrays_agree_on_pieces_of_several_levels():
    random = np.random.default_rng(0)
    rules = {label: PieceRule(most=1, share=0.1, unit=1) for label in (1, 2, 3)} | {4: PieceRule(most=2)}
    answer = tf.function(
        lambda maps: postprocess_in_graph(maps, rules), input_signature=[tf.TensorSpec([None, None, None, 5])]
    )
    for _ in range(30):
        maps = random.dirichlet(np.ones(5), (2, *random.integers(1, 40, 2))).astype(np.float32)
        maps = np.stack([cv2.GaussianBlur(one, (0, 0), 2) for one in maps]).reshape(maps.shape)
        found = answer(maps).numpy()
        np.testing.assert_array_equal(found, [postprocess(one, rules) for one in maps])
        for mask in found:  # by OpenCV, each piece is of one level, and each level has one
            count, pieces = cv2.connectedComponents(np.isin(mask, (1, 2, 3)).astype(np.uint8))
            levels = [np.unique(mask[pieces == piece]) for piece in range(1, count)]
            assert all(len(level) == 1 for level in levels)
            assert len(np.unique(levels)) == count - 1


def test_a_winding_piece_is_one():
    spiral = np.zeros((31, 31), np.int32)
    spiral[::2] = 1
    spiral[1::4, -1] = spiral[3::4, 0] = 1  # one line that winds down from row to row
    spiral[0, 0] = 0
    rules = {1: PieceRule(most=1)}
    assert kept_pieces(spiral, rules).all()
    assert kept_pieces_in_graph(tf.constant(spiral[None]), rules, 2).numpy().all()


def test_rules_are_by_label():
    settings = PostprocessSettings(largest_components={"canal": 1}, smallest_area={"bone": 0.1, "canal": 0.05})
    assert settings.rules(LABELS) == {1: PieceRule(None, 0.1), 2: PieceRule(1, 0.05)}
    assert PostprocessSettings().asks_for_nothing
    together = PostprocessSettings(one_label=[["canal", "bone"]], largest_components={"canal": 1})
    assert together.rules(LABELS) == {1: PieceRule(unit=1), 2: PieceRule(1, unit=1)}
    assert not PostprocessSettings(one_label=[["canal", "bone"]]).asks_for_nothing
    assert PostprocessSettings(one_label=None).asks_for_nothing
    for groups, told in {
        (("bone",),): r"has the group \[bone\]; a group has at least two labels",
        ((),): r"has the group \[\]; a group has at least two labels",
        (("bone", "bone"),): "names 'bone' twice; a label is in one group",
        (("bone", "canal"), ("canal", "bone")): "names 'bone' twice; a label is in one group",
    }.items():
        with pytest.raises(ValueError, match=told):
            PostprocessSettings(one_label=groups).rules(LABELS)
    for given in (0, False, "", {}, "bone", ["bone", "canal"]):
        with pytest.raises(ValueError, match=r"a list of groups is expected, such as \[\[L5, L4, L3\]\], or null"):
            PostprocessSettings(one_label=given)
    with pytest.raises(ValueError, match=r"postprocess names 'cnal'.*Did you mean 'canal'"):
        PostprocessSettings(one_label=[["bone", "cnal"]]).rules(LABELS)
    for label in ("background", "cnal"):
        with pytest.raises(ValueError, match=f"postprocess names '{label}'; it is of bone, canal, not"):
            PostprocessSettings(largest_components={label: 1}).rules(LABELS)
