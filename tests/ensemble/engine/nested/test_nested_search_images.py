"""Class weights chosen again on drawn images, against the search itself on copies of those images."""

import numpy as np
import pytest

from ensemble.engine.nested import nested_search_images as engine
from ensemble.engine.nested.nested_search_images import nested_search_images
from ensemble.engine.nested.resampled_gains import grid_weights
from ensemble.engine.scoring.images import reduce_images
from ensemble.engine.scoring.presolve import FreeRows, Presolved
from ensemble.search import search_weights
from spine import metrics
from spine.metrics.statistics import patient_resamples
from tests.found_weights import found_weights
from tests.image_counts import count_images


def images_at_random(seed: int = 0, shape: tuple[int, ...] = (6, 7, 5), classes: int = 3):
    """Members (N, H, W, C) that see the masks (N, H, W) through noise, each one class better than the others."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, shape)
    members, surely = {}, np.where(random.random((*shape, 1)) < 0.4, 6, 1)  # of such pixels some are settled
    for number, name in enumerate("abc"):
        logits = (1 + np.eye(classes)[number]) * np.eye(classes)[truth] + random.normal(0, 1, (*shape, classes))
        powers = np.exp(surely * logits)
        members[name] = (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float16)
    return members, truth


def searched(members, truth, metric, draws, temperatures=()):
    both = [reduce_images(members, truth, True, temperatures, per_class) for per_class in (False, True)]
    return list(nested_search_images(*both, metric, draws, grid_weights(len(members), 4)))


@pytest.mark.parametrize("metric", ["dice_foreground", "iou_all_per_image", "pixel_accuracy"])
def test_against_searching_copies_of_the_drawn_images(metric):
    members, truth = images_at_random()
    draws = patient_resamples(list("AABBCD"), 8, seed=1)
    function = metrics.segmentation.METRICS.named(metric).function
    expected, climbed = [], 0
    for draw in draws.astype(int):
        rows, others = np.repeat(np.arange(6), draw), np.flatnonzero(draw == 0)
        drawn = {name: said[rows] for name, said in members.items()}
        found = search_weights(drawn, truth[rows], "segmentation", metric, step=0.25, per_class=True)
        plain = search_weights(drawn, truth[rows], "segmentation", metric, step=0.25)
        climbed += found.score > plain.score
        fuse = found_weights(found.weights, class_weights=found.class_weights).mean()
        kept = [name for name, weight in found.weights.items() if weight]
        called = fuse([members[name][others].astype(np.float64) for name in kept]).argmax(axis=-1)
        counts = count_images(truth[others], called, 3) if len(others) else np.zeros((1, 3, 3))
        expected.append(function(counts))
    assert np.isfinite(expected).any()
    assert climbed > 0  # so that there is something to compare
    assert searched(members, truth, metric, draws) == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_members_are_scaled_by_their_temperatures_first():
    members, truth = images_at_random()
    draws = patient_resamples(list("ABCDEF"), 6, seed=2)
    scaled = {name: said.astype(np.float64) ** 0.5 for name, said in members.items()}
    scaled = {name: said / said.sum(axis=-1, keepdims=True) for name, said in scaled.items()}
    hot = searched(members, truth, "dice_foreground", draws, (2.0, 2.0, 2.0))
    assert hot == pytest.approx(searched(scaled, truth, "dice_foreground", draws), abs=1e-12)
    assert hot != searched(members, truth, "dice_foreground", draws)


def test_where_nothing_is_left_out_or_no_class_occurs_there_is_no_score():
    members, truth = images_at_random(shape=(2, 4, 4))
    truth[1] = 0  # background only, and all members are sure of it
    for said in members.values():
        said[1] = np.eye(3)[0]
    draws = np.array([[1.0, 1.0], [0.0, 2.0], [2.0, 0.0]])
    assert np.isfinite(searched(members, truth, "dice_foreground_per_image", draws)).tolist() == [False, False, False]
    assert np.isfinite(searched(members, truth, "pixel_accuracy", draws)).tolist() == [False, True, True]


def test_the_work_is_bounded_by_a_count(monkeypatch):
    """Two members and classes, so two lines a class, over three pixels of a drawn image and five of another."""
    part = FreeRows(np.zeros((4, 2, 8)), np.ones(8, int), np.array([0, 3, 8]), np.array([[0, 1], [4, 5]]))
    by_class = Presolved((part,), np.zeros((4, 2), int))
    numbers = engine.ROUNDS * 4 * 3 * (2 * 4 + 4)
    counts = np.array([2, 0])
    assert [engine._thinned(by_class, "dice_all", counts, 2, numbers / n) for n in (0.5, 1, 2, 2.5)] == [1, 1, 2, 3]


def test_one_pixel_of_two_stands_for_both():
    part = FreeRows(np.arange(16.0).reshape(1, 2, 8), np.arange(1, 9), np.array([0, 3, 8]), np.array([[0, 1], [4, 5]]))
    by_class = Presolved((part,), np.ones((4, 2), int))
    counted = engine._counted_in(by_class, "dice_all", np.array([1, 3]), np.array([0]), every=2)
    (thinned,) = counted.presolved.free
    assert thinned.scores.tolist() == [[[0, 2, 4, 6], [8, 10, 12, 14]]]
    assert thinned.multiplicity.tolist() == [2 * 1, 2 * 3, 2 * 3 * 5, 2 * 3 * 7]
    assert thinned.offsets.tolist() == [0, 2, 4]
    assert thinned.cells.tolist() == [[0, 1], [0, 1]]
    assert counted.presolved.fixed.tolist() == [[4, 4], [4, 4]]


def test_class_weights_are_chosen_on_a_sample_where_there_are_many_pixels(monkeypatch):
    members, truth = images_at_random()
    draws = patient_resamples(list("ABCDEF"), 6, seed=2)
    scores = searched(members, truth, "dice_foreground", draws)
    monkeypatch.setattr(engine, "MOST_SWEPT", 1e6)
    sampled = searched(members, truth, "dice_foreground", draws)
    assert np.isfinite(sampled).all()
    assert sampled != scores
