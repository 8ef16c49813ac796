"""Rules of a whole search: of every task, on a grid finer than the resamples', under a budget, and pruned."""

import numpy as np
import pytest

from ensemble.engine.grid.simplex import Simplex
from ensemble.results.weight_rules import Ahead, ComparedRule, RuleComparison
from ensemble.search import run, search_weights
from ensemble.search_problem import resampling
from spine.core.files import read_json
from spine.core.problems import SpineError
from tests.ensemble.test_nested_estimate import write_any
from tests.experiment_on_disk import write_experiment

PATIENTS = np.array([f"p{number // 4}" for number in range(80)])
RULES = {"exponential", "shrunk", "optimum", "equal", "bagged", "dropped", "penalised"}


def problem(signals, seed=1, noise=1.5):
    """Members of different worth on 20 patients of 4 rows each."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, 2, len(PATIENTS))
    logits = [signal * (2 * truth - 1) + random.normal(0, noise, len(truth)) for signal in signals]
    positive = 1 / (1 + np.exp(-np.array(logits)))
    return dict(zip("abcdef", np.stack([1 - positive, positive], axis=2), strict=False)), truth


def found(signals=(0.5, 1.0, 2.0), **options):
    return search_weights(*problem(signals), metric="roc_auc", step=0.25, patients=PATIENTS, **options)


@pytest.mark.parametrize("task", ["classification", "segmentation", "detection"])
def test_every_task_is_written_with_all_rules(tmp_path, task):
    written = read_json(run(write_any(task, tmp_path))[0])
    assert written["rule"] == "exponential"
    assert set(written["rules"]) == set(written["comparison"]["rows"]) == RULES
    for ruled in written["rules"].values():
        assert sum(ruled["weights"].values()) == pytest.approx(1)
        assert set(ruled["fusion"]) == ({"iou_threshold", "score_threshold"} if task == "detection" else set())
    assert 0 <= written["shrinkage"]["share"] <= 1
    rows = written["comparison"]["rows"]
    assert rows["equal"]["from_equal"]["value"] == rows["exponential"]["from_served"]["value"] == 0
    for row in rows.values():
        ahead = row["from_equal"]
        assert ahead["value"] == pytest.approx(row["score"] - rows["equal"]["score"])
        assert ahead["low"] <= ahead["high"]
    if not written.get("pruned"):
        assert written["weights"] == written["rules"]["exponential"]["weights"]


@pytest.mark.parametrize("rule", sorted(RULES))
def test_the_rule_that_is_asked_for_serves(rule):
    result = found(rule=rule, prune=False)
    assert result.rule == rule
    np.testing.assert_array_equal(list(result.weights.values()), result.rules.by_rule[rule].weights)
    optimum = search_weights(*problem((0.5, 1.0, 2.0)), metric="roc_auc", step=0.25)
    np.testing.assert_array_equal(result.rules.by_rule["optimum"].weights, list(optimum.weights.values()))
    assert result.best == optimum.best
    assert optimum.rule == "optimum"
    assert optimum.rules is None


def test_a_penalised_optimum_is_of_the_whole_grid(monkeypatch):
    monkeypatch.setattr(resampling, "MOST_VECTORS", 10)
    members, truth = problem((0.5, 1.0, 2.0))
    result = search_weights(
        members, truth, metric="accuracy", step=0.05, patients=PATIENTS, rule="penalised", prune=False
    )
    assert result.resampled.steps < 20
    weights = Simplex(3, 20).weights(np.arange(Simplex(3, 20).size))
    said = np.stack(list(members.values()))
    right = (np.einsum("vm,mnc->vnc", weights, said).argmax(axis=2) == truth).mean(axis=1)
    penalised = right - result.rules.kappa * np.square(weights - 1 / 3).sum(axis=1)
    chosen = np.array(list(result.weights.values()))
    (row,) = np.flatnonzero(np.isclose(weights, chosen).all(axis=1))
    assert penalised[row] == pytest.approx(penalised.max(), abs=1e-12)


def test_a_useless_member_is_pruned_where_that_costs_nothing():
    members, truth = problem((1.5, 1.5, 1.5, -1.5), noise=1.0)
    result = search_weights(members, truth, metric="roc_auc", step=0.25, patients=PATIENTS, rule="shrunk")
    assert set(result.rules.pruned) == {"d"}
    assert result.weights["d"] == 0
    unpruned = result.rules.by_rule["shrunk"].weights
    assert 0 < unpruned[3] < 1 / 8
    assert result.rules.pruned["d"].weight == unpruned[3]
    assert result.rules.pruned["d"].difference >= 0
    kept = unpruned[:3] / unpruned[:3].sum()
    np.testing.assert_allclose(list(result.weights.values())[:3], kept)


@pytest.mark.parametrize("rule", ["optimum", "dropped", "penalised", "bagged"])
def test_a_rule_is_worth_the_same_on_other_patients_whether_it_serves_or_not(rule):
    """Folds may weigh members that all patients leave out: to leave those out too would have seen the fold."""
    members, truth = problem((0.2, 0.3, 0.3, 0.2), noise=1.0, seed=2)
    options = {"metric": "roc_auc", "step": 0.25, "patients": PATIENTS, "prune": False}
    served = search_weights(members, truth, rule=rule, **options)
    other = search_weights(members, truth, rule="equal", **options)
    assert served.rules.comparison.rows[rule].score == other.rules.comparison.rows[rule].score
    np.testing.assert_array_equal(served.rules.by_rule[rule].weights, other.rules.by_rule[rule].weights)


def test_the_best_single_member_is_chosen_again_without_each_fold():
    members, truth = problem((0.3, 0.3, 0.3), noise=1.0, seed=3)
    result = search_weights(members, truth, metric="roc_auc", step=0.25, patients=PATIENTS, method="best")
    answers = np.stack(list(members.values()))
    assert (np.asarray(result.rules.answers)[None] == answers).all(axis=(1, 2)).sum() == 0  # of several members
    assert result.rules.comparison.rows["optimum"].score < result.score


def test_few_resamples_make_no_interval():
    ahead = found(resamples=2).rules.comparison.rows["exponential"].from_equal
    assert ahead.value is not None
    assert ahead.low is ahead.high is ahead.error is None
    assert "no interval" in ahead.describe()


def test_without_patients_no_rule_can_resample_them():
    with pytest.raises(SpineError, match="give `patients`"):
        search_weights(*problem((1.0, 1.0)), rule="shrunk")


@pytest.mark.parametrize(
    ("patients", "message"),
    [
        (PATIENTS[:10], "patients are 10, and the truth has 80"),
        ([], "shape"),
        ("abc", "shape"),
        (PATIENTS[None], "shape"),
        ([None] * len(PATIENTS), "None or NaN"),
        (np.full(len(PATIENTS), np.nan), "None or NaN"),
    ],
)
def test_patients_that_are_not_those_of_the_rows(patients, message):
    with pytest.raises(SpineError, match=message):
        search_weights(*problem((1.0, 1.0)), patients=patients)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rule": "shrunk", "per_class": True}, "per_class starts from the optimum"),
        ({"rule": "shrunk", "method": "best"}, "decides the weights by itself"),
        ({"rule": "bagged", "resamples": 0}, "needs resamples"),
        ({"rule": "shrunken"}, "shrunk"),
    ],
)
def test_settings_that_do_not_go_together(options, message):
    with pytest.raises(SpineError, match=message):
        search_weights(*problem((1.0, 1.0)), patients=PATIENTS, **options)


@pytest.mark.parametrize("options", [{"resamples": 0}, {"method": "best"}, {"method": "greedy"}, {"per_class": True}])
def test_where_the_method_decides_the_rule_is_the_optimum(tmp_path, options):
    written = read_json(run(write_experiment(tmp_path, search={"step": 0.5, **options}))[0])
    assert written["rule"] == "optimum"


def test_a_rule_that_is_ahead_by_more_than_the_standard_error_is_named():
    def row(score, error):
        ahead = Ahead(value=score - 0.9, low=0.0, high=0.1, error=error)
        return ComparedRule(score=score, from_equal=ahead, from_served=ahead)

    rows = {"shrunk": row(0.9, 0.0), "equal": row(0.89, 0.02), "optimum": row(0.91, 0.02), "bagged": row(0.93, 0.02)}
    comparison = RuleComparison(folds=5, resamples=50, rows=rows)
    said = comparison.describe_better("shrunk", "AUC", higher_is_better=True)
    assert "'bagged'" in said
    assert "search.rule=bagged" in said
    assert "optimum" not in said
    unsure = RuleComparison(folds=5, resamples=1, rows={"shrunk": rows["shrunk"], "bagged": row(0.93, None)})
    assert not unsure.describe_better("shrunk", "AUC", higher_is_better=True)
    lower = comparison.describe_better("shrunk", "log loss", higher_is_better=False)
    assert not lower  # equal weights are better, but by less


@pytest.mark.parametrize("patients", [1, 2])
def test_few_patients_are_told_and_weights_stay_equal(patients):
    members, truth = problem((1.0, 1.0, 1.0))
    names = np.array([f"p{number % patients}" for number in range(len(truth))])
    result = search_weights(members, truth, metric="accuracy", step=0.25, patients=names)
    if patients == 1:
        assert list(result.weights.values()) == [1 / 3] * 3
        assert result.rules.comparison.rows == {}
    else:
        assert result.rules.comparison.folds == 2
