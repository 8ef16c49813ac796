"""The search over weights and thresholds of box fusion against a plain brute force, and what it refuses."""

import itertools

import numpy as np
import optuna
import pytest

from ensemble.engine.boxes.box_objectives import Boxes
from ensemble.fusion.fuse_boxes import BoxFusion, fuse_boxes
from ensemble.search import search_weights
from spine.core.problems import SpineError
from spine.dataset.detections import Detections
from spine.dataset.truth import BoxTruth
from spine.metrics.detection import METRICS
from spine.metrics.matches import match_images
from tests.detection_on_disk import noisy
from tests.ensemble.test_fuse_boxes import NOTHING, random_detections

THRESHOLDS = {"iou_thresholds": (0.4, 0.6), "score_thresholds": (0.0, 0.3)}


@pytest.fixture
def problem():
    """Three noisy members and the truth of six images of 60 x 90 pixels."""
    return random_problem(0)


def random_problem(seed: int, members: int = 3, images: int = 6):
    random = np.random.default_rng(seed)
    found = [random_detections(random, most=5) for _ in range(images - 1)] + [NOTHING]
    names = tuple(f"image{number}" for number in range(images))
    truth = BoxTruth(
        labels=("bright", "dark"),
        samples=names,
        patients=names,
        paths=(),
        sizes=((60, 90),) * images,
        boxes=tuple(one.in_pixels(60, 90).astype(np.float32) for one in found),
        classes=tuple(one.classes for one in found),
    )
    return {name: noisy(truth, 0.04, number) for number, name in enumerate("abcde"[:members])}, truth


def score_of(metric, members, truth, weights, fusion):
    fused = [fuse_boxes(image, weights, fusion) for image in zip(*members.values(), strict=True)]
    return float(METRICS[metric].function(match_images(truth, fused)))


def brute_force(metric, members, truth, steps):
    """The score of every pair of weights and thresholds."""
    vectors = [v for v in itertools.product(range(steps + 1), repeat=len(members)) if sum(v) == steps]
    fusions = itertools.product(THRESHOLDS["iou_thresholds"], THRESHOLDS["score_thresholds"])
    return {
        (vector, fusion): score_of(metric, members, truth, [n / steps for n in vector], BoxFusion(*fusion))
        for fusion in fusions
        for vector in vectors
    }


@pytest.mark.parametrize(("metric", "seed"), [("map50", 0), ("map50", 1), ("map50_95", 2), ("f1", 3), ("ar_small", 4)])
def test_grid_equals_brute_force_with_its_ties(metric, seed):
    members, truth = random_problem(seed)
    found = search_weights(members, truth, "detection", metric, step=0.25, **THRESHOLDS)
    scores = brute_force(metric, members, truth, 4)
    best = max(scores.values())
    tied = [pair for pair, score in scores.items() if score >= best - 1e-12]
    assert found.score == pytest.approx(best, abs=1e-12)
    assert found.evaluated == len(scores) == 15 * 4
    assert found.ties == len(tied)
    chosen = tuple(round(4 * weight) for weight in found.weights.values()), tuple(found.fusion.values())
    preferred = min(tied, key=lambda pair: (np.count_nonzero(pair[0]), sum(n * n for n in pair[0])))
    assert chosen in tied
    assert np.count_nonzero(chosen[0]) == np.count_nonzero(preferred[0])
    assert sum(n * n for n in chosen[0]) == sum(n * n for n in preferred[0])
    for point in found.best:
        vector = tuple(round(4 * weight) for weight in point.weights.values())
        assert point.score == pytest.approx(scores[vector, tuple(point.fusion.values())], abs=1e-12)


def test_members_alone_are_not_fused_and_equal_weights_are_as_the_chosen_ones(problem):
    members, truth = problem
    found = search_weights(members, truth, "detection", step=0.5)
    alone = {name: METRICS["map50"].function(match_images(truth, own)) for name, own in members.items()}
    assert found.singles == pytest.approx(alone)
    assert found.metric == "map50"
    assert found.equal == pytest.approx(score_of("map50", members, truth, [1 / 3] * 3, BoxFusion(**found.fusion)))


@pytest.mark.parametrize("method", ["tpe", "cmaes"])
def test_samplers_search_between_the_thresholds_and_are_recorded_and_resumed(problem, method):
    storage = optuna.storages.InMemoryStorage()
    settings = {"method": method, "trials": 10, "storage": storage, "study_name": "boxes", **THRESHOLDS}
    found = search_weights(*problem, "detection", **settings)
    assert found.score == pytest.approx(
        score_of("map50", *problem, list(found.weights.values()), BoxFusion(**found.fusion))
    )
    assert 0.4 <= found.fusion["iou_threshold"] <= 0.6
    trials = optuna.load_study(study_name="boxes", storage=storage).trials
    assert len(trials) == 10
    assert set(trials[-1].params) == {"a", "b", "c", "iou_threshold", "score_threshold"}
    assert search_weights(*problem, "detection", **settings) == found
    assert len(optuna.load_study(study_name="boxes", storage=storage).trials) == 10


def test_a_grid_is_recorded_with_its_thresholds(problem):
    storage = optuna.storages.InMemoryStorage()
    settings = {"step": 0.5, "storage": storage, "study_name": "boxes", **THRESHOLDS}
    found = search_weights(*problem, "detection", **settings)
    study = optuna.load_study(study_name="boxes", storage=storage)
    assert study.best_value == pytest.approx(found.score)
    assert study.trials[0].params == {**found.weights, **found.fusion}
    assert len(study.trials) == len(found.best) + 3 + 1
    assert search_weights(*problem, "detection", **settings) == found


def test_a_grid_that_was_stopped_goes_on_under_the_thresholds_that_are_left(problem, tmp_path, monkeypatch):
    settings = {"step": 0.5, "unfinished": tmp_path / "grid.npy", **THRESHOLDS}
    expected = search_weights(*problem, "detection", step=0.5, **THRESHOLDS)
    searched, scores_of = [], Boxes._scores

    def stop_at(count):
        def scores(self, fusion):
            def counted(weights):
                searched.append(fusion)
                if len(searched) == count:
                    raise KeyboardInterrupt
                return scores_of(self, fusion)(weights)

            return counted

        monkeypatch.setattr(Boxes, "_scores", scores)

    stop_at(3)
    with pytest.raises(KeyboardInterrupt):
        search_weights(*problem, "detection", **settings)
    searched.clear()
    stop_at(0)
    assert search_weights(*problem, "detection", **settings) == expected
    assert len(searched) == 2
    assert not list(tmp_path.iterdir())


def test_optunas_grid_tries_every_pair(problem):
    found = search_weights(*problem, "detection", method="optuna-grid", step=1, **THRESHOLDS)
    assert found.evaluated == 7 * 4  # the corners of the cube but the zero one
    assert found.score >= max(
        search_weights(*problem, "detection", method=method, **THRESHOLDS).score for method in ("best", "equal")
    )


def test_equal_and_best_choose_the_thresholds_alone(problem):
    equal = search_weights(*problem, "detection", method="equal", **THRESHOLDS)
    assert equal.weights == dict.fromkeys("abc", 1 / 3)
    assert equal.evaluated == 4
    assert equal.score == equal.equal
    best = search_weights(*problem, "detection", method="best", **THRESHOLDS)
    assert sorted(best.weights.values()) == [0, 0, 1]


def test_greedy_is_no_worse_than_the_best_member(problem):
    found, best = (search_weights(*problem, "detection", method=name, **THRESHOLDS) for name in ("greedy", "best"))
    assert found.score >= best.score


def test_f1_is_searched_at_each_vectors_own_confidence(problem):
    """A member that is as right and half as sure is as good: 0.5 is no place to cut all scores."""
    _, truth = problem
    sizes = [(height, width, height, width) for height, width in truth.sizes]
    right = [
        Detections.from_arrays(boxes[:, [1, 0, 3, 2]] / np.array(size), np.full(len(boxes), 0.3), classes)
        for boxes, classes, size in zip(truth.boxes, truth.classes, sizes, strict=True)
    ]
    found = search_weights({"right": right, "noisy": noisy(truth, 0.2, 0)}, truth, "detection", "f1", step=0.5)
    assert found.singles["right"] == 1
    assert found.weights == {"right": 1, "noisy": 0}
    assert found.score == 1


def refusal(members, truth, **settings):
    with pytest.raises(SpineError) as caught:
        search_weights(members, truth, "detection", **settings)
    return str(caught.value)


def test_what_does_not_hold_is_refused(problem):
    members, truth = problem
    assert "one of map50" in refusal(members, truth, metric="dice")
    assert "iou_threshold is 1.0" in refusal(members, truth, iou_thresholds=(0.5, 1.0))
    assert "'b' has predictions of 5 images" in refusal({**members, "b": members["b"][:5]}, truth)
    assert "ar_large has no value for any member: there is no true box" in refusal(members, truth, metric="ar_large")
    assert "grid" in refusal(members, truth, method="line")
    for metric in ("precision", "recall", "sensitivity", "specificity"):
        told = refusal(members, truth, metric=metric)
        assert f"metric '{metric}' is best at the highest or the lowest confidence" in told
        assert "use one of map50, map75, map50_95," in told
    first, *others = members["a"]
    third = Detections(first.boxes, first.scores, np.full(len(first), 3))
    assert "'a' detects class 3" in refusal({**members, "a": [third, *others]}, truth)
