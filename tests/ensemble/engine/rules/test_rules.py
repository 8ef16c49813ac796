"""Rules on resampled patients: against a plain loop, and on patients that they must not see."""

import numpy as np
import pytest

from ensemble.engine.boxes.box_objectives import Boxes
from ensemble.engine.grid.choice import first_choice
from ensemble.engine.nested.resampled_gains import Draws, ResampledGains, grid_weights
from ensemble.engine.nested.scorers import BoxScorer, SampleScorer
from ensemble.engine.rules.cross_validation import CrossValidated, draws_of_folds, fold_of_units
from ensemble.engine.rules.rules import KAPPAS, RULES, Evidence
from ensemble.engine.rules.shrinkage import shrink
from ensemble.engine.scoring.stack import Stack
from spine.metrics.classification import METRICS
from spine.metrics.matches import match_images
from tests.boxes_at_random import random_detections, random_truth

PATIENTS = np.array([f"p{number // 4}" for number in range(60)])
EQUAL = np.full(3, 1 / 3)


def problem(seed=1, signals=(0.5, 1.0, 2.0)):
    """Members of different worth on 15 patients of 4 rows each."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, 2, len(PATIENTS))
    logits = [signal * (2 * truth - 1) + random.normal(0, 1.5, len(truth)) for signal in signals]
    positive = 1 / (1 + np.exp(-np.array(logits)))
    return dict(zip("abc", np.stack([1 - positive, positive], axis=2), strict=True)), truth


def evidence_of(members, truth, draws, metric="roc_auc", steps=5, allowed=None):
    scorer = SampleScorer(Stack.from_members(members, truth), metric)
    higher = METRICS.named(metric).higher_is_better
    weights = grid_weights(len(members), steps, allowed)
    return [Evidence(one, allowed) for one in ResampledGains.of([scorer], weights, draws, higher_is_better=higher)]


@pytest.mark.parametrize("metric", ["roc_auc", "accuracy", "log_loss"])
def test_against_a_loop_over_resamples(metric):
    members, truth = problem()
    draws = Draws.of_patients(PATIENTS, 20, seed=3)
    (evidence,) = evidence_of(members, truth, [draws], metric)
    function, sign = METRICS.named(metric).function, 1 if METRICS.named(metric).higher_is_better else -1
    grid, said = grid_weights(3, 5), np.stack(list(members.values()))

    def gains(counted):
        return np.array([sign * function(truth, np.einsum("m,mnc->nc", row, said), counted) for row in grid])

    def middle(values):
        return grid[values >= values.max() - 1e-12].mean(axis=0)

    whole, drawn = gains(np.ones(60)), [gains(row) for row in draws.drawn]
    left_out = [gains((row == 0).astype(float)) for row in draws.drawn]
    shrunk = shrink(middle(whole), np.array([middle(one) for one in drawn]), EQUAL)
    np.testing.assert_allclose(RULES["shrunk"](evidence).weights, shrunk.weights)
    np.testing.assert_allclose(RULES["bagged"](evidence).weights, shrunk.mean)
    assert RULES["optimum"](evidence).gain == pytest.approx(whole.max())
    assert RULES["equal"](evidence).weights.tolist() == EQUAL.tolist()
    far = np.square(grid - 1 / 3).sum(axis=1)
    held = [np.mean([b[first_choice(grid, a - k * far)] for a, b in zip(drawn, left_out, strict=True)]) for k in KAPPAS]
    best = [kappa for kappa, mean in zip(KAPPAS, held, strict=True) if mean >= max(held) - 1e-12]
    assert evidence.kappa in best
    penalised = whole - evidence.kappa * far
    assert penalised[(grid == RULES["penalised"](evidence).weights).all(axis=1)].item() == pytest.approx(
        penalised.max()
    )
    alone = [sign * function(truth, one) for one in said]
    ranked = np.argsort(alone)[::-1]
    tried = [np.isin(np.arange(3), ranked[:count]) / count for count in (3, 2, 1)]
    scores = [sign * function(truth, np.einsum("m,mnc->nc", row, said)) for row in tried]
    np.testing.assert_allclose(RULES["dropped"](evidence).weights, tried[int(np.argmax(scores))])


def test_rules_read_resamples_that_leave_nothing_to_judge_by():
    """One patient has all positives: who draws him leaves none out, and whoever leaves him out has none to draw."""
    members, _ = problem()
    truth = np.where(PATIENTS == "p0", np.arange(60) % 2, 0)
    draws = Draws.of_patients(PATIENTS, 20, seed=3)
    (evidence,) = evidence_of(members, truth, [draws])
    with_him = draws.drawn[draws.drawn[:, 0] > 0]
    np.testing.assert_array_equal(evidence.gains.draws.drawn, with_him)
    assert 0 < evidence.gains.resamples == len(with_him) < 20
    assert not len(evidence.gains.judged)
    grid, said = grid_weights(3, 5), np.stack(list(members.values()))

    def middle(counted):
        gains = [METRICS["roc_auc"].function(truth, np.einsum("m,mnc->nc", row, said), counted) for row in grid]
        return grid[np.array(gains) >= max(gains) - 1e-12].mean(axis=0)

    shrunk = shrink(middle(np.ones(60)), np.array([middle(row) for row in with_him]), EQUAL)
    np.testing.assert_allclose(RULES["bagged"](evidence).weights, shrunk.mean)
    np.testing.assert_allclose(RULES["shrunk"](evidence).weights, shrunk.weights)
    assert evidence.kappa == KAPPAS[-1]


def test_a_single_patient_has_no_resamples():
    members, truth = problem()
    (evidence,) = evidence_of(members, truth, [Draws.of_patients(np.repeat("p", 60), 5, seed=0)])
    assert evidence.gains.resamples == 0
    assert RULES["exponential"](evidence).weights.tolist() == EQUAL.tolist()


def test_a_fold_sees_nothing_of_its_own_patients():
    members, truth = problem()
    fold_of = fold_of_units(PATIENTS, seed=7)
    draws = draws_of_folds(PATIENTS, fold_of, 10, seed=7)
    for fold, one in enumerate(draws):
        assert not set(PATIENTS[one.own]) & set(PATIENTS[fold_of == fold])
        assert not one.drawn[:, fold_of == fold].any()
        assert not one.left_out[:, fold_of == fold].any()
    before = CrossValidated.of(evidence_of(members, truth, draws), fold_of)
    own = fold_of == 2
    turned = {name: np.where(own[:, None], said[:, ::-1], said) for name, said in members.items()}
    after = CrossValidated.of(evidence_of(turned, np.where(own, 1 - truth, truth), draws), fold_of)
    for rule in RULES:
        np.testing.assert_array_equal(before.ruled[rule][2].weights, after.ruled[rule][2].weights)
        assert not np.array_equal(before.said[rule][own], after.said[rule][own])
    assert any((before.ruled[rule][1].weights != after.ruled[rule][1].weights).any() for rule in RULES)


def test_what_folds_said_is_each_patient_by_weights_of_the_others():
    members, truth = problem()
    fold_of = fold_of_units(PATIENTS, seed=7)
    judged = CrossValidated.of(evidence_of(members, truth, draws_of_folds(PATIENTS, fold_of, 10, seed=7)), fold_of)
    said = np.stack(list(members.values()))
    for row in range(60):
        weights = judged.ruled["shrunk"][fold_of[row]].weights
        np.testing.assert_allclose(judged.said["shrunk"][row], weights @ said[:, row])
    scores = judged.scores(judged.said["shrunk"], np.ones((1, 60)))
    assert scores.tolist() == [METRICS.named("roc_auc").function(truth, judged.said["shrunk"])] * 2


@pytest.mark.parametrize(("patients", "folds"), [(2, 2), (4, 4), (7, 5)])
def test_folds_are_as_even_in_patients_as_can_be(patients, folds):
    names = np.repeat([f"p{number}" for number in range(patients)], 3)
    fold_of = fold_of_units(names, seed=1)
    sizes = [len(set(names[fold_of == fold])) for fold in range(fold_of.max() + 1)]
    assert len(sizes) == folds
    assert sum(sizes) == patients
    assert max(sizes) - min(sizes) <= 1


def test_one_patient_can_not_be_judged_and_one_class_has_no_area():
    members, truth = problem()
    one = np.array(["only"] * 60)
    fold_of = fold_of_units(one, seed=0)
    assert draws_of_folds(one, fold_of, 5, seed=0) == []
    assert CrossValidated.of([], fold_of) is None
    (evidence,) = evidence_of(members, truth, [Draws.of_patients(one, 10, seed=0)])
    assert evidence.shrinkage.share == 0
    assert {tuple(RULES[rule](evidence).weights) for rule in ("shrunk", "bagged", "equal")} == {tuple(EQUAL)}
    only_class = np.zeros(60, dtype=int)
    fold_of = fold_of_units(PATIENTS, seed=0)
    draws = draws_of_folds(PATIENTS, fold_of, 5, seed=0)
    assert CrossValidated.of(evidence_of(members, only_class, draws), fold_of) is None


def test_where_a_budget_forbids_all_members_the_optimum_says_which_are_weighed():
    members, truth = problem(signals=(0.2, 1.0, 1.0))

    def at_most_two(weights):
        return np.count_nonzero(weights, axis=1) <= 2

    (evidence,) = evidence_of(members, truth, [Draws.of_patients(PATIENTS, 20, seed=3)], allowed=at_most_two)
    kept = RULES["optimum"](evidence).weights > 0
    assert kept.sum() == 2
    for rule, make in RULES.items():
        weights = make(evidence).weights
        assert weights.sum() == pytest.approx(1)
        assert np.count_nonzero(weights) <= 2, rule
        if rule in ("shrunk", "bagged", "equal"):
            assert not weights[~kept].any()


def test_boxes_of_several_weights_are_joined_image_by_image():
    random = np.random.default_rng(4)
    truth = random_truth(random, 6)
    boxes = Boxes.of("map50", {name: random_detections(random, truth) for name in "ab"}, truth)
    scorers = [BoxScorer(boxes, {"iou_threshold": iou, "score_threshold": 0.0}) for iou in (0.4, 0.7)]
    rows = [np.array([[1.0, 0.0]]), np.array([[0.3, 0.7]])]
    said = [next(iter(scorer.said(row))) for scorer, row in zip(scorers, rows, strict=True)]
    own = np.array([[True, False, True, False, False, True], [False, True, False, True, True, False]])
    joined = scorers[0].join(said, own)
    draws = np.concatenate([np.ones((1, 6)), random.integers(0, 3, (8, 6))])
    for image in range(6):
        alone = np.eye(6)[image][None]
        np.testing.assert_array_equal(
            scorers[0].score(joined, alone), scorers[0].score(said[int(own[1, image])], alone)
        )
    same = scorers[0].join([said[0], said[0]], own)
    np.testing.assert_array_equal(scorers[0].score(same, draws), scorers[0].score(said[0], draws))
    for name in ("images", "classes", "ranks", "scores", "right", "wrong"):
        np.testing.assert_array_equal(getattr(same, name), getattr(said[0], name))
    assert match_images(truth, [one for one in boxes.members[0]], areas=("all",)).size == joined.size
