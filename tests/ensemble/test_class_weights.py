"""Temperatures and class weights: options of the search that the exported graph and the leaderboard know too."""

import itertools

import numpy as np
import pytest

from ensemble.decisions.temperature import fit_temperature
from ensemble.engine.nested.nested_search import nested_search
from ensemble.engine.scoring import class_members
from ensemble.engine.scoring.presolve import Presolved
from ensemble.engine.scoring.stack import Stack
from ensemble.fusion.fuse import Mean
from ensemble.results.searched import Searched
from ensemble.search import search_weights
from ensemble.search_problem.classification import ClassificationProblem
from ensemble.search_problem.detection import DetectionProblem
from ensemble.search_problem.segmentation import SegmentationProblem
from spine import metrics
from spine.core.problems import SpineError
from spine.metrics.classification import accuracy, log_loss
from tests.found_weights import found_weights
from tests.image_counts import count_images


def members(classes=3, samples=60, number=3, seed=0, sure=1.0):
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, samples)
    powers = np.exp(sure * (np.eye(classes)[truth] + random.normal(0, 1, (number, samples, classes))))
    return dict(zip("abcdef", powers / powers.sum(axis=2, keepdims=True), strict=False)), truth


def test_a_temperature_undoes_a_wrong_one():
    # Nine of ten are right at 0.9 each, so this member is as sure as it is right; its square root is less so.
    truth = np.array([0] * 9 + [1])
    right = np.tile([0.9, 0.1], (10, 1))
    assert fit_temperature(right, truth) == pytest.approx(1, abs=1e-3)
    flat = np.sqrt(right) / np.sqrt(right).sum(axis=1, keepdims=True)
    assert fit_temperature(flat, truth) == pytest.approx(0.5, abs=1e-3)


def mean_of(found):
    return found_weights(found.weights, class_weights=found.class_weights, temperatures=found.temperatures).mean()


def test_a_temperature_is_bounded():
    assert fit_temperature(np.array([[0.6, 0.4]]), np.array([0])) == pytest.approx(0.1, rel=1e-3)
    assert fit_temperature(np.array([[0.6, 0.4]]), np.array([1])) == pytest.approx(10, rel=1e-3)


def test_a_member_that_calls_nothing_wrong_has_no_temperature():
    truth = np.tile([0, 1], 10)
    right = np.where(np.eye(2)[truth] == 1, 0.6, 0.4)
    wrong = np.concatenate([right[:14], right[14:, ::-1]])
    found = search_weights({"right": right, "wrong": wrong}, truth, step=0.5, temperature=True)
    assert found.temperatures["right"] == 1
    assert found.temperatures["wrong"] == pytest.approx(fit_temperature(wrong, truth))
    weights = found_weights(found.weights, temperatures=found.temperatures)
    assert Searched.of(weights).describe({})[0].startswith("Without a temperature: right. The fit ran to its bound")


def test_temperatures_come_before_the_average():
    said, truth = members(sure=4)
    plain = search_weights(said, truth, metric="log_loss")
    found = search_weights(said, truth, metric="log_loss", temperature=True)
    fused = found_weights(found.weights, temperatures=found.temperatures).mean(said)(list(said.values()))
    assert found.score == pytest.approx(log_loss(truth, fused), abs=1e-12)
    assert all(found.singles[name] < plain.singles[name] for name in said)  # though not every mean of them is better
    assert all(value > 1 for value in found.temperatures.values())  # these members are too sure
    assert search_weights(said, truth, metric="log_loss").temperatures == {}


def test_images_and_their_pixels_have_the_same_temperature():
    said, truth = members(samples=2 * 5 * 6)
    images = {name: rows.reshape(2, 5, 6, 3) for name, rows in said.items()}
    of_images = SegmentationProblem(images, truth.reshape(2, 5, 6), "dice_foreground", temperature=True)
    of_rows = ClassificationProblem(said, truth, "accuracy", temperature=True)
    assert of_images.temperatures == pytest.approx(of_rows.temperatures, rel=1e-4)


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "log_loss", "brier"])
@pytest.mark.parametrize("temperature", [False, True])
def test_class_weights_are_never_worse_and_tell_their_score(metric, temperature):
    said, truth = members()
    settings = {"metric": metric, "step": 0.25, "temperature": temperature}
    plain, found = search_weights(said, truth, **settings), search_weights(said, truth, **settings, per_class=True)
    sign = 1 if metrics.classification.METRICS[metric].higher_is_better else -1
    assert sign * found.score >= sign * plain.score
    kept = [name for name, weight in found.weights.items() if weight > 0]
    fused = mean_of(found)([said[name] for name in kept])
    assert fused.sum(axis=1) == pytest.approx(1)
    assert found.score == pytest.approx(metrics.classification.METRICS[metric].function(truth, fused), abs=1e-12)
    total = np.sum(list(found.class_weights.values()))
    assert found.weights == pytest.approx({name: sum(row) / total for name, row in found.class_weights.items()})
    assert set(kept) <= {name for name, weight in plain.weights.items() if weight > 0}  # the budget's members
    sums = np.sum(list(found.class_weights.values()), axis=0)
    assert ((sums > 1 / 4 - 1e-9) & (sums < 4 + 1e-9)).all()


def test_class_weights_find_what_one_member_knows_of_one_class():
    # "a" is right about classes 0 and 1 only, "b" about class 2 only, and loud about what it does not know.
    truth = np.array([0, 1, 2, 0, 1, 2])
    a = np.array([[0.5, 0.3, 0.2], [0.3, 0.5, 0.2], [0.42, 0.38, 0.2]] * 2)
    b = np.array([[0.2, 0.75, 0.05], [0.75, 0.2, 0.05], [0.25, 0.25, 0.5]] * 2)
    plain = search_weights({"a": a, "b": b}, truth, step=0.01)
    found = search_weights({"a": a, "b": b}, truth, step=0.01, per_class=True)
    assert plain.score < 1
    assert found.score == 1
    assert f"It scored {plain.score:.6g}" in found.why


def test_no_class_weights_of_a_cube_beat_the_climb_by_much():
    said, truth = members(classes=2, number=2, samples=30)
    found = search_weights(said, truth, per_class=True)
    levels = (0, 0.25, 0.5, 0.75, 1)
    cube = [
        accuracy(truth, Mean(((a, b), (c, d)))(list(said.values())))
        for a, b, c, d in itertools.product(levels, repeat=4)
    ]
    assert found.score >= max(cube) - 1 / 30


def test_a_pixel_on_which_all_agree_can_change_under_class_weights():
    said, truth = members(samples=2 * 6 * 6)
    images = {name: rows.reshape(2, 6, 6, 3) for name, rows in said.items()}
    settings = {"metric": "pixel_accuracy", "step": 0.25, "per_class": True}
    found = search_weights(images, truth.reshape(2, 6, 6), "segmentation", **settings)
    rows = search_weights(said, truth, **{**settings, "metric": "accuracy"})
    assert found.score == rows.score
    assert found.class_weights == rows.class_weights


@pytest.mark.parametrize("metric", ["dice_foreground", "iou_all_per_image"])
def test_images_with_temperatures_and_class_weights_score_what_is_judged(metric):
    said, truth = members(samples=2 * 6 * 6)
    images = {name: rows.reshape(2, 6, 6, 3).astype(np.float16) for name, rows in said.items()}
    masks = truth.reshape(2, 6, 6)
    found = search_weights(images, masks, "segmentation", metric, step=0.25, temperature=True, per_class=True)
    kept = [name for name, weight in found.weights.items() if weight > 0]
    called = mean_of(found)([images[name].astype(np.float64) for name in kept]).argmax(axis=3)
    counts = count_images(masks, called, 3)
    assert found.score == metrics.segmentation.METRICS.named(metric).function(counts)


def test_what_cannot_be_is_refused_with_the_reason(monkeypatch):
    said, truth = members(classes=2)
    with pytest.raises(SpineError, match="per_class does not support roc_auc"):
        search_weights(said, truth, metric="roc_auc", per_class=True)
    with pytest.raises(SpineError, match="which detection does not have"):
        search_weights(said, truth, "detection", temperature=True)
    with pytest.raises(SpineError, match="which detection does not have"):
        DetectionProblem({}, truth, "map50").class_objective([])
    monkeypatch.setattr(class_members, "MOST_BYTES", 100)
    images = {name: rows.reshape(2, 5, 6, 2) for name, rows in said.items()}
    with pytest.raises(SpineError, match=r"more than 1e-07 GB; search on fewer images"):
        search_weights(images, truth.reshape(2, 5, 6), "segmentation", per_class=True)


def test_the_whole_search_again_shows_what_class_weights_overfit():
    # Nothing but noise: what is chosen among more looks better here, and is as bad as ever on others.
    random = np.random.default_rng(1)
    truth = random.integers(0, 3, 60)
    said = {name: random.dirichlet([1, 1, 1], 60) for name in "abc"}
    stack = Stack.from_members(said, truth)
    draws = random.multinomial(60, [1 / 60] * 60, size=6)
    scores = [
        np.mean(list(nested_search(stack, "accuracy", draws, 5, fit=fit_temperature, per_class=option)))
        for option in (False, True)
    ]
    plain, found = (search_weights(said, truth, step=0.2, temperature=True, per_class=one) for one in (False, True))
    assert found.score > plain.score
    assert found.score - scores[1] > plain.score - scores[0] > 0


def test_without_options_the_whole_search_again_is_the_grid_on_the_drawn():
    said, truth = members(samples=30)
    draws = np.random.default_rng(0).multinomial(30, [1 / 30] * 30, size=3)
    again = nested_search(Stack.from_members(said, truth), "accuracy", draws, 4, fit=None, per_class=False)
    for counts, score in zip(draws, again, strict=True):
        rows = np.repeat(np.arange(30), counts)
        found = search_weights({n: p[rows] for n, p in said.items()}, truth[rows], step=0.25)
        fused = sum(weight * said[name] for name, weight in found.weights.items())
        assert score == pytest.approx(accuracy(truth[counts == 0], fused[counts == 0]))


def test_pixels_that_class_weights_cannot_change_are_fixed():
    # Of two members and three classes: sure of class 0; agreed but not sure; sure that it is not class 2.
    said = np.array([[[0.98, 0.01, 0.01], [0.6, 0.2, 0.2], [0.5, 0.49, 0.01]]] * 2)
    fixed, (two, three) = class_members.reduce_by_class(said, np.array([0, 1, 0]), 3)
    assert fixed.tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert two["cells"].tolist() == [[0, 1]]
    assert three["cells"].tolist() == [[3, 4, 5]]


@pytest.mark.parametrize("seed", range(3))
def test_no_class_weights_within_their_bounds_change_what_was_fixed(seed):
    said, truth = members(samples=300, sure=3, seed=seed)
    stack = np.stack(list(said.values()))
    reduced = Presolved.from_chunks([class_members.reduce_by_class(stack, truth, 3)])
    random = np.random.default_rng(seed)
    weights = random.dirichlet([0.3] * 3, (50, 3)).transpose(0, 2, 1) * 4 ** random.uniform(-1, 1, (50, 1, 3))
    called = np.einsum("vmc,mnc->vnc", weights, stack).argmax(axis=2)
    expected = [[[np.sum((truth == t) & (one == c)) for c in range(3)] for t in range(3)] for one in called]
    assert reduced.fixed.sum() > 0  # so that there is something to show
    assert reduced.confusions(weights.reshape(50, 9)).tolist() == expected


def test_by_matthews_a_resample_of_one_class_tells_nothing():
    said, truth = members(classes=2, samples=6)
    drawn = (truth == 0).astype(float)
    again = nested_search(Stack.from_members(said, truth), "matthews", drawn[None], 4, fit=None, per_class=True)
    assert np.isnan(list(again)).all()
