"""Weights under a budget: exactly the best of those that keep it, by every method; refused with the numbers."""

import numpy as np
import pytest

from ensemble.costs import Cost, describe_budget, megabytes_of, pareto_front
from ensemble.engine.grid.budget import Budget
from ensemble.engine.grid.simplex import Simplex
from ensemble.search import run, search_weights
from spine import metrics
from spine.core.files import read_json
from spine.core.problems import SpineError
from spine.core.strict import validate
from spine.experiment.stages import SearchSettings
from tests.experiment_on_disk import write_experiment
from tests.found_weights import found_weights

NAMES = ("a", "b", "c")
BUDGET = Budget({"ms an image": 50.0}, {"ms an image": (30.0, 20.0, 40.0)})  # a and b fit together, c alone


@pytest.fixture
def said():
    random = np.random.default_rng(3)
    truth = random.integers(0, 2, 60)
    logits = 1.2 * np.eye(2)[truth] + random.normal(0, 1, (3, 60, 2))
    powers = np.exp(logits)
    return dict(zip(NAMES, powers / powers.sum(axis=-1, keepdims=True), strict=True)), truth


def test_an_ensemble_costs_the_sum_of_the_members_that_it_runs():
    weights = np.array([[1, 0, 0], [0.5, 0.5, 0], [0.9, 0, 0.1], [0, 0, 1], [0.2, 0.3, 0.5]])
    assert BUDGET.allows(weights).tolist() == [True, 30 + 20 <= 50, 30 + 40 <= 50, True, 30 + 20 + 40 <= 50]


def test_every_limit_counts():
    both = Budget({"ms": 50.0, "MB": 10.0}, {"ms": (30.0, 20.0), "MB": (8.0, 4.0)})
    assert both.allows(np.array([[1, 0], [0.5, 0.5]])).tolist() == [True, False]


def test_a_sum_that_meets_its_limit_keeps_it():
    assert 0.1 + 0.2 > 0.3
    assert Budget({"s": 0.3}, {"s": (0.1, 0.2)}).allows(np.array([[0.5, 0.5]])).all()


@pytest.mark.parametrize("metric", ["accuracy", "log_loss"])
def test_the_grid_is_exactly_the_best_of_those_that_keep_it(said, metric):
    members, truth = said
    grid = Simplex(3, 10)
    weights = grid.weights(np.arange(grid.size))
    weights = weights[[not (row[2] > 0 and row[:2].any()) for row in weights]]  # c with another costs 60 or more
    scores = [
        metrics.classification.METRICS.named(metric).function(truth, np.einsum("m,mnc->nc", row, [*members.values()]))
        for row in weights
    ]
    found = search_weights(members, truth, metric=metric, budget=BUDGET)
    assert found.score == pytest.approx(
        max(scores) if metrics.classification.METRICS.named(metric).higher_is_better else min(scores)
    )
    assert found.evaluated == len(weights) == 11 + 1
    assert all(BUDGET.allows(np.array([[*point.weights.values()]])).all() for point in found.best)


@pytest.mark.parametrize("method", ["greedy", "best", "tpe"])
def test_every_method_keeps_it(said, method):
    members, truth = said
    found = search_weights(members, truth, method=method, trials=12, budget=BUDGET)
    assert BUDGET.allows(np.array([[*found.weights.values()]])).all()


def test_what_no_weights_keep_is_refused_with_the_numbers(said):
    members, truth = said
    small = Budget({"ms an image": 10.0}, BUDGET.costs)
    with pytest.raises(SpineError, match=r"at most 10 ms an image, where a takes 30, b takes 20, c takes 40"):
        search_weights(members, truth, budget=small)
    with pytest.raises(SpineError, match="no weight vector fits"):
        search_weights(members, truth, method="equal", budget=BUDGET)
    with pytest.raises(SpineError, match="method 'line' does not support a budget"):
        search_weights(members, truth, method="line", budget=BUDGET)
    with pytest.raises(SpineError, match="method 'line' does not support a budget"):
        validate(SearchSettings, {"method": "line", "max_megabytes": 5}, "search")


def test_the_stage_searches_within_the_budget_and_tells_it(tmp_path, monkeypatch):
    seconds = iter([0.030, 0.020, 0.040])
    monkeypatch.setattr(Cost, "of_model", classmethod(lambda cls, model, pictures: cls(next(seconds), 1.0)))
    experiment = write_experiment(tmp_path, search={"max_latency_ms": 50, "step": 0.25, "resamples": 20})
    found = read_json(run(experiment)[0])
    assert found["budget"] == {
        "limits": {"ms an image": 50.0},
        "costs": {"ms an image": {"vgg": 30.0, "dense": 20.0, "squeeze": 40.0}},
        "left": 5 + 1,
        "vectors": 15,
    }
    assert sum({"vgg": 30, "dense": 20, "squeeze": 40}[name] for name, one in found["weights"].items() if one) <= 50
    assert found["evaluated"] == 5 + 1
    assert list(read_json(experiment.directory / "costs.json")) == ["vgg", "dense", "squeeze"]


def test_the_budget_is_told_in_words():
    costs = {"MB": {"a": 30.0, "b": 20.0, "c": 40.0}}
    weights = {"a": 0.5, "b": 0.5, "c": 0.0}
    kept = {"limits": {"MB": 50.0}, "costs": costs}
    assert describe_budget(found_weights(weights, budget={**kept, "left": 12, "vectors": 1066})) == (
        "Searched under a budget of 50 MB, which 12 of 1,066 vectors keep. The chosen members take 50 MB; all of them, "
        "as equal weights need, 90 MB: that breaks it, and was no choice."
    )
    wide = found_weights(weights, budget={"limits": {"MB": 90.0}, "costs": costs})
    assert describe_budget(wide) == "Searched under a budget of 90 MB. The chosen members take 50 MB."
    assert describe_budget(found_weights()) == ""


def test_a_member_that_does_not_run_has_no_latency(tmp_path):
    experiment = write_experiment(tmp_path, search={"max_latency_ms": 50})  # its models are not SavedModels
    with pytest.raises(SpineError, match="the budget needs the cost of dense, squeeze, vgg"):
        run(experiment)


def test_megabytes_are_those_of_all_files(tmp_path):
    (tmp_path / "variables").mkdir()
    (tmp_path / "variables" / "data").write_bytes(bytes(1_500_000))
    (tmp_path / "saved_model.pb").write_bytes(bytes(250_000))
    assert megabytes_of(tmp_path) == 1.75


def test_on_the_front_is_what_no_other_beats():
    #      dearer and worse, best, cheapest, dearer for the same
    assert pareto_front([30, 40, 10, 20], [0.7, 0.9, 0.8, 0.8]) == [2, 1]
