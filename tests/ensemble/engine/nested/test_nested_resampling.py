"""Weights are chosen on the drawn patients and judged on the others: against a plain loop, and where luck is all."""

import numpy as np
import pytest

from ensemble.engine.boxes.box_objectives import Boxes
from ensemble.engine.grid.choice import first_choice
from ensemble.engine.nested.nested_estimate import nested_estimate
from ensemble.engine.nested.resampled_gains import Draws, ResampledGains, grid_weights, steps_within
from ensemble.engine.nested.scorers import BoxScorer, ImageScorer, SampleScorer
from ensemble.engine.scoring.images import reduce_images
from ensemble.engine.scoring.stack import Stack
from ensemble.fusion.fuse_boxes import BoxFusion, fuse_boxes
from ensemble.search import search_weights
from spine.metrics.classification import METRICS
from spine.metrics.detection import METRICS as METRICS_OF_BOXES
from spine.metrics.matches import match_images
from spine.metrics.statistics import patient_resamples
from tests.boxes_at_random import random_detections, random_truth


def probabilities(random, shape, truth, signal):
    logits = signal * np.eye(shape[-1])[truth] + random.normal(0, 1, shape)
    powers = np.exp(logits)
    return powers / powers.sum(axis=-1, keepdims=True)


def estimate(scorers, draws, chosen, steps, *, higher_is_better, allowed=None, most=20_000):
    steps = steps_within(len(chosen), steps, most)
    whole = Draws(np.array([]), np.ones(draws.shape[1], dtype=bool), draws)
    weights = grid_weights(len(chosen), steps, allowed)
    (gains,) = ResampledGains.of(scorers, weights, [whole], higher_is_better=higher_is_better)
    return nested_estimate(gains, chosen, steps)


@pytest.fixture
def classified():
    random = np.random.default_rng(1)
    truth = random.integers(0, 2, 40)
    said = probabilities(random, (3, 40, 2), truth, 1.0)
    patients = [f"p{number // 4}" for number in range(40)]
    return dict(zip("abc", said, strict=True)), truth, patient_resamples(patients, 12, seed=2)


@pytest.mark.parametrize("metric", ["accuracy", "roc_auc", "log_loss"])
def test_against_searching_each_resample_by_itself(classified, metric):
    members, truth, draws = classified
    better = METRICS[metric].higher_is_better
    function, chosen = METRICS[metric].function, np.array([0.2, 0.8, 0.0])
    stack = Stack.from_members(members, truth)
    found = estimate([SampleScorer(stack, metric)], draws, chosen, 5, higher_is_better=better)
    nested, equal, single, best = [], [], [], []
    for draw in draws.astype(int):
        rows, others = np.repeat(np.arange(40), draw), np.flatnonzero(draw == 0)
        drawn = {name: said[rows] for name, said in members.items()}
        again = search_weights(drawn, truth[rows], metric=metric, step=0.2)
        fused = {name: said[others] for name, said in members.items()}
        judged = lambda weights: function(truth[others], sum(w * fused[n] for n, w in weights.items()))  # noqa: B023, E731
        nested.append(judged(again.weights))
        equal.append(judged(dict.fromkeys(members, 1 / 3)))
        alone = (max if better else min)(again.singles, key=again.singles.get)
        single.append(judged({alone: 1.0}))
        mine = function(truth[rows], sum(w * drawn[n] for n, w in zip(members, chosen, strict=True)))
        best.append(abs(mine - again.score) < 1e-12)
    assert found.resamples == 12
    assert found.nested == pytest.approx(np.mean(nested))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(nested, [0.025, 0.975])))
    assert found.equal == pytest.approx(np.mean(equal))
    assert found.single == pytest.approx(np.mean(single))
    assert found.share == np.mean(best)


def test_a_search_among_coin_throws_promises_what_it_does_not_keep():
    random = np.random.default_rng(5)
    truth = random.integers(0, 2, 60)
    members = dict(zip("abcd", probabilities(random, (4, 60, 2), truth, 0.0), strict=True))
    search = search_weights(members, truth, step=0.1)
    draws = patient_resamples([str(number) for number in range(60)], 200, seed=1)
    scorer = SampleScorer(Stack.from_members(members, truth), "accuracy")
    found = estimate([scorer], draws, np.array(list(search.weights.values())), 10, higher_is_better=True)
    assert search.score > 0.55
    assert found.nested == pytest.approx(0.5, abs=0.06)
    assert search.score - found.nested > 0.05


def test_images_are_drawn_with_all_their_pixels():
    random = np.random.default_rng(3)
    truth = random.integers(0, 3, (6, 5, 4))
    members = dict(zip("ab", probabilities(random, (2, 6, 5, 4, 3), truth, 1.0), strict=True))
    draws = patient_resamples(list("AABBCD"), 20, seed=1)
    scorer = ImageScorer(reduce_images(members, truth, per_image=True), "dice_foreground")
    found = estimate([scorer], draws, np.array([0.5, 0.5]), 4, higher_is_better=True)
    nested = []
    for draw in draws.astype(int):
        rows, others = np.repeat(np.arange(6), draw), np.flatnonzero(draw == 0)
        if not len(others):
            continue
        again = search_weights({n: m[rows] for n, m in members.items()}, truth[rows], "segmentation", step=0.25)
        left = {name: said[others] for name, said in members.items()}
        picked = dict(again.weights)
        fused = sum(weight * left[name] for name, weight in picked.items())
        alone = search_weights({"fused": fused}, truth[others], "segmentation")
        nested.append(alone.score)
    assert found.resamples == len(nested)
    assert found.nested == pytest.approx(np.mean(nested))


def test_a_grid_that_is_too_large_is_taken_coarser(classified):
    members, truth, draws = classified
    scorer = SampleScorer(Stack.from_members(members, truth), "accuracy")
    found = estimate([scorer], draws, np.array([0.35, 0.65, 0]), 20, higher_is_better=True, most=21)
    assert found.step == 0.2  # three members at that step make 21 vectors


def test_one_patient_can_not_be_left_out(classified):
    members, truth, _ = classified
    draws = patient_resamples(["only"] * 40, 5, seed=0)
    scorer = SampleScorer(Stack.from_members(members, truth), "accuracy")
    found = estimate([scorer], draws, np.array([1.0, 0, 0]), 5, higher_is_better=True)
    assert found.resamples == 0
    assert np.isnan(found.nested)


def test_weights_that_are_not_allowed_are_never_chosen(classified):
    members, truth, draws = classified
    scorer = SampleScorer(Stack.from_members(members, truth), "accuracy")
    only_last = estimate(
        [scorer], draws, np.array([0, 0, 1.0]), 5, higher_is_better=True, allowed=lambda weights: weights[:, 2] == 1
    )
    left_out = next(scorer(np.array([[0, 0, 1.0]]), draws == 0))
    assert only_last.nested == only_last.single == pytest.approx(left_out.mean())
    assert only_last.share == 1


def test_thresholds_of_boxes_are_chosen_again_with_the_weights():
    random = np.random.default_rng(4)
    truth = random_truth(random, 6)
    members = {name: random_detections(random, truth) for name in "ab"}
    boxes = Boxes.of("map50", members, truth)
    settings = [{"iou_threshold": iou, "score_threshold": 0.0} for iou in (0.4, 0.7)]
    draws = patient_resamples(list("AABBCD"), 8, seed=1)
    scorers = [BoxScorer(boxes, setting) for setting in settings]
    found = estimate(scorers, draws, np.array([0.5, 0.5]), 2, higher_is_better=True)
    nested = []
    weights = np.array([[1, 0], [0.5, 0.5], [0, 1]])
    for draw in draws:
        both = [
            [map50(match_images(truth, fused(members, row, setting)), counted) for counted in (draw, draw == 0)]
            for setting in settings
            for row in weights
        ]
        if np.isfinite(both).all():
            drawn, left_out = np.array(both).T
            nested.append(left_out[first_choice(np.tile(weights, (2, 1)), drawn)])
    assert found.resamples == len(nested) > 0
    assert found.nested == pytest.approx(np.mean(nested))


def map50(matches, weights):
    return float(METRICS_OF_BOXES["map50"].function(matches, weights.astype(float)))


def fused(members, weights, setting):
    images = zip(*members.values(), strict=True)
    return [fuse_boxes(image, weights.tolist(), BoxFusion(**setting)) for image in images]
