"""On the test split: the same members with the weights of other rules, and of the validation split alone."""

import pytest

from ensemble import evaluate
from ensemble.experiment_run import ExperimentRun
from ensemble.results.found_weights import FoundWeights
from spine.core.files import read_json, write_json
from spine.core.problems import SpineError
from tests.bootstrap import bootstrap_interval
from tests.detection_on_disk import write_detection_experiment
from tests.experiment_on_disk import write_experiment, write_segmentation_experiment
from tests.found_weights import found_weights

FAST = {"evaluate": {"resamples": 100}}
WRITE = {
    "classification": write_experiment,
    "segmentation": write_segmentation_experiment,
    "detection": write_detection_experiment,
}
THRESHOLDS = {"iou_threshold": 0.3, "score_threshold": 0.2}


def told(experiment, **others):
    """The stages' weights.json with what a search by rules adds to it."""
    path = experiment.ensemble_directory / "weights.json"
    write_json({**read_json(path), "rule": "shrunk", **others}, path)
    return experiment


def with_rules(experiment):
    """All weight on the first member by one rule, on the last by the weights of one split."""
    first, *_, last = experiment.members
    fusion = THRESHOLDS if experiment.task == "detection" else {}
    shares = {name: {member: float(member == name) for member in experiment.members} for name in (first, last)}
    served = read_json(experiment.ensemble_directory / "weights.json")
    equal = dict.fromkeys(experiment.members, 1 / len(experiment.members))
    return told(
        experiment,
        rules={
            "shrunk": {"weights": served["weights"], "fusion": served.get("fusion", {}), "score": 0.9},
            "optimum": {"weights": shares[first], "fusion": fusion, "score": 0.9},
            "equal": {"weights": equal, "fusion": served.get("fusion", {}), "score": 0.9},
        },
        one_split={"weights": shares[last], "fusion": fusion, "patients": 3},
    )


@pytest.mark.parametrize("task", WRITE)
def test_each_is_what_the_search_would_have_served(tmp_path, task):
    experiment = with_rules(WRITE[task](tmp_path, **FAST))
    found = read_json(evaluate.run(experiment)[0])
    run = ExperimentRun(experiment)
    test, headline = run.evaluator("test"), found["headline"]
    assert [one["name"] for one in found["alternatives"]] == ["optimum", "one_split"]
    assert not {"optimum", "one_split"} & {row["name"] for row in found["rows"]}
    for one in found["alternatives"]:
        update = {"weights": one["weights"], "fusion": one["fusion"]}
        other = type(test).of(run.predictions("test"), run.weights.model_copy(update=update))
        assert one["score"]["value"] == pytest.approx(other.score(other.ensemble, headline))
        ahead = bootstrap_interval(
            lambda drawn, other=other: (
                test.score(test.ensemble, headline, drawn) - other.score(other.ensemble, headline, drawn)
            ),
            test.patients,
            100,
            0.95,
            experiment.seed,
        )
        difference = one["difference"]
        assert (difference["value"], difference["low"], difference["high"]) == pytest.approx(
            (ahead.value, ahead.low, ahead.high)
        )


def test_all_weight_on_a_member_is_that_members_row(tmp_path):
    found = read_json(evaluate.run(with_rules(write_experiment(tmp_path, **FAST)))[0])
    rows = {row["name"]: row["metrics"]["roc_auc"] for row in found["rows"]}
    optimum, one_split = found["alternatives"]
    assert (optimum["score"], one_split["score"]) == (rows["vgg"], rows["squeeze"])


def test_an_unchanged_rule_is_zero_behind(tmp_path):
    experiment = write_experiment(tmp_path, **FAST)
    weights = read_json(experiment.ensemble_directory / "weights.json")["weights"]
    told(experiment, rules={"bagged": {"weights": weights, "score": 0.9}})
    (bagged,) = read_json(evaluate.run(experiment)[0])["alternatives"]
    assert [bagged["difference"][bound] for bound in ("value", "low", "high")] == [0, 0, 0]


def test_equal_weights_have_a_row_unless_they_are_others():
    equal, pair = {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}, {"a": 0.5, "b": 0.5, "c": 0.0}
    served = {"weights": {"a": 0.7, "b": 0.3, "c": 0.0}, "rule": "shrunk"}

    def names(**rule):
        return list(found_weights(**served, rules={"equal": {"score": 0.9, **rule}}, fusion=THRESHOLDS).alternatives())

    assert names(weights=equal, fusion=THRESHOLDS) == []
    assert names(weights=pair, fusion=THRESHOLDS) == ["equal"]  # a budget leaves c out
    assert names(weights=equal, fusion={**THRESHOLDS, "iou_threshold": 0.6}) == ["equal"]  # boxes fused otherwise


def test_temperatures_stay_and_class_weights_go():
    weights = found_weights(
        {"a": 0.5, "b": 0.5},
        temperatures={"a": 2.0, "b": 1.0},
        class_weights={"a": [0.5, 0.5], "b": [0.5, 0.5]},
        rules={"bagged": {"weights": {"b": 0.25, "a": 0.75}, "score": None}},
    )
    (bagged,) = weights.alternatives().values()
    assert bagged.mean().weights == (0.75, 0.25)
    assert bagged.mean().temperatures == (2.0, 1.0)


def test_weights_of_other_members_are_a_damaged_file(tmp_path):
    experiment = told(write_experiment(tmp_path), rules={"bagged": {"weights": {"who": 1.0}, "score": 0.9}})
    with pytest.raises(SpineError, match="weights of bagged are of who, not of vgg, dense, squeeze"):
        FoundWeights.read(experiment)


def test_files_without_rules_have_no_alternatives(tmp_path):
    found = read_json(evaluate.run(write_experiment(tmp_path, **FAST))[0])
    assert found["alternatives"] == []
    assert ExperimentRun(write_experiment(tmp_path)).weights.alternatives() == {}
