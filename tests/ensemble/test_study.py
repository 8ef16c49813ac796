"""The Optuna record: what a dashboard reads, what is resumed, and Optuna's grid against the exact one."""

import itertools
from math import lcm

import numpy as np
import optuna
import pytest

from ensemble.search import search_weights
from spine.core.problems import SpineError
from spine.metrics.classification import METRICS, accuracy


@pytest.fixture
def problem():
    random = np.random.default_rng(0)
    truth = random.integers(0, 3, 30)
    logits = np.eye(3)[truth] + random.normal(0, 1, (3, 30, 3))
    powers = np.exp(logits)
    return dict(zip("abc", powers / powers.sum(axis=2, keepdims=True), strict=True)), truth


@pytest.fixture
def memory():
    return optuna.storages.InMemoryStorage()


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'study.db'}"


def test_a_grid_is_recorded_as_completed_trials(problem, url):
    found = search_weights(*problem, step=0.25, storage=url, study_name="weights")
    study = optuna.load_study(study_name="weights", storage=url)
    points = len(found.best) + 3 + 1  # the grid's, each member alone, equal weights
    assert len(found.best) == 15
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * points
    assert study.best_value == pytest.approx(found.score)
    assert study.trials[0].params == found.weights
    assert study.trials[0].user_attrs["weights"] == list(found.weights.values())
    assert study.trials[-1].params == pytest.approx(dict.fromkeys("abc", 1 / 3))
    assert [trial.value for trial in study.trials[-4:-1]] == pytest.approx(list(found.singles.values()))
    assert study.trials[0].distributions == {n: optuna.distributions.FloatDistribution(0, 1) for n in "abc"}
    assert study.user_attrs["metric"] == "accuracy"
    assert study.user_attrs["method"] == "grid"
    assert study.user_attrs["members"] == ["a", "b", "c"]


def test_a_loss_is_recorded_as_it_is_and_minimised(problem, memory):
    found = search_weights(*problem, metric="log_loss", step=0.25, storage=memory, study_name="weights")
    study = optuna.load_study(study_name="weights", storage=memory)
    assert study.direction.name == "MINIMIZE"
    assert study.best_value == pytest.approx(found.score)
    assert study.trials[0].value == pytest.approx(found.score)


@pytest.mark.parametrize("method", ["grid", "tpe", "cmaes", "optuna-grid"])
def test_asking_again_adds_nothing_and_answers_the_same(problem, memory, method):
    settings = {"method": method, "step": 0.5, "trials": 8, "storage": memory, "study_name": "weights"}
    first = search_weights(*problem, **settings)
    trials = len(optuna.load_study(study_name="weights", storage=memory).trials)
    assert search_weights(*problem, **settings) == first
    assert len(optuna.load_study(study_name="weights", storage=memory).trials) == trials


def test_a_stopped_record_is_completed(problem, memory):
    settings = {"step": 0.25, "storage": memory, "study_name": "weights"}
    found = search_weights(*problem, **settings)
    whole = optuna.load_study(study_name="weights", storage=memory)
    partial = optuna.create_study(study_name="weights", direction="maximize")
    partial.set_user_attr("inputs_hash", whole.user_attrs["inputs_hash"])
    partial.add_trials(whole.trials[:4])
    again = search_weights(*problem, **{**settings, "storage": partial._storage})
    assert again == found
    assert [t.params for t in partial.trials] == [t.params for t in whole.trials]


@pytest.mark.parametrize("method", ["tpe", "cmaes"])
def test_a_stopped_sampler_goes_on_with_other_points(problem, memory, method, monkeypatch):
    settings = {"metric": "log_loss", "method": method, "trials": 16, "storage": memory, "study_name": "weights"}
    tried = []
    suggest = optuna.trial.Trial.suggest_float

    def stop_at_the_ninth(trial, *arguments):
        tried.append(trial.number)
        if trial.number == 9:
            raise KeyboardInterrupt
        return suggest(trial, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(optuna.trial.Trial, "suggest_float", stop_at_the_ninth)
        with pytest.raises(KeyboardInterrupt):
            search_weights(*problem, **settings)
    found = search_weights(*problem, **settings)
    complete = [t for t in optuna.load_study(study_name="weights", storage=memory).trials if t.state.name == "COMPLETE"]
    assert len(complete) == 16
    assert found.evaluated == 16  # distinct: none was drawn twice
    assert found.score <= found.equal


def test_another_problem_under_the_same_name_is_refused(problem, memory):
    members, truth = problem
    search_weights(members, truth, step=0.5, storage=memory, study_name="weights")
    with pytest.raises(SpineError, match="other predictions or with other settings"):
        search_weights(members, truth, step=0.25, storage=memory, study_name="weights")
    with pytest.raises(SpineError, match="other predictions or with other settings"):
        search_weights(members, 2 - truth, step=0.5, storage=memory, study_name="weights")


def test_optuna_keeps_its_voice_outside(problem, capfd):
    before = optuna.logging.get_verbosity()
    search_weights(*problem, method="tpe", trials=5)
    assert optuna.logging.get_verbosity() == before
    assert capfd.readouterr() == ("", "")


def fused(members, weights):
    return sum(weight * array for weight, array in zip(weights, members.values(), strict=True))


def cube(steps, members):
    """All normalised vectors of {0, 1/steps ... 1} per member but the zero one."""
    wholes = [v for v in itertools.product(range(steps + 1), repeat=members) if any(v)]
    return [tuple(k / sum(v) for k in v) for v in wholes]


@pytest.mark.parametrize("metric", ["accuracy", "log_loss", "roc_auc"])
def test_optunas_grid_is_the_whole_normalised_cube(problem, metric):
    members, truth = problem
    found = search_weights(members, truth, metric=metric, method="optuna-grid", step=0.5)
    pick = max if METRICS[metric].higher_is_better else min
    scores = [METRICS[metric].function(truth, fused(members, weights)) for weights in cube(2, 3)]
    assert found.score == pytest.approx(pick(scores), abs=1e-12)
    assert found.evaluated == len({tuple(np.round(weights, 9)) for weights in cube(2, 3)}) == 19


@pytest.mark.parametrize("metric", ["accuracy", "log_loss", "roc_auc"])
def test_optunas_grid_lies_between_two_exact_grids(problem, metric):
    # Normalising takes the cube {0, 1/2, 1}^3 to vectors with denominators 1 to 6: all of the simplex grid of step 1/2
    # is among them, and all of them are in the grid of step 1/60.
    coarse, fine = (search_weights(*problem, metric=metric, step=1 / steps) for steps in (2, lcm(*range(1, 7))))
    between = search_weights(*problem, metric=metric, method="optuna-grid", step=0.5)
    assert fine.evaluated == 1891
    scores = [coarse.score, between.score, fine.score]
    assert scores == sorted(scores, reverse=not METRICS[metric].higher_is_better)


def test_where_the_optimum_lies_on_both_grids_both_find_it():
    # Three members, each wrong on samples of its own with little confidence: half "a", half "b" is right on all.
    truth = np.array([0, 0, 1, 1])
    members = {
        "a": np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7]]),
        "b": np.array([[0.4, 0.6], [0.9, 0.1], [0.3, 0.7], [0.2, 0.8]]),
        "c": np.array([[0.1, 0.9], [0.1, 0.9], [0.9, 0.1], [0.9, 0.1]]),
    }
    exact = search_weights(members, truth, step=0.5)
    optunas = search_weights(members, truth, method="optuna-grid", step=0.5)
    assert exact.score == optunas.score == accuracy(truth, (members["a"] + members["b"]) / 2) == 1
    assert exact.weights == optunas.weights == {"a": 0.5, "b": 0.5, "c": 0}


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("sqlite:////nowhere/at/all/study.db", "unable to open database file"),
        ("nosuch://me:secret@host/x", "nosuch://me:\\*\\*\\*@host/x cannot be opened: "),
        ("no url", "no url cannot be opened: "),
    ],
)
def test_a_storage_that_cannot_be_opened_is_told_without_its_password(problem, url, reason):
    with pytest.raises(SpineError, match=reason) as error:
        search_weights(*problem, step=0.5, storage=url)
    assert "search.storage" in str(error.value)
    assert "secret" not in str(error.value)
