"""On the test split: the ensemble without each member, how members err together, and what rows cost."""

import numpy as np
import pytest

from ensemble import evaluate
from ensemble.costs import Cost
from ensemble.evaluators.pairs import Pairs, count_pairs
from ensemble.experiment_run import ExperimentRun
from ensemble.results.evaluation import Estimate
from spine.core.files import read_json
from spine.metrics import classification as metrics
from spine.metrics.statistics import interval, patient_resamples
from tests.detection_on_disk import write_detection_experiment
from tests.experiment_on_disk import write_experiment, write_segmentation_experiment
from tests.found_weights import found_weights

FAST = {"evaluate": {"resamples": 100}}
WRITE = {
    "classification": write_experiment,
    "segmentation": write_segmentation_experiment,
    "detection": write_detection_experiment,
}


def test_the_others_weights_are_renormalised():
    left = found_weights({"a": 0.5, "b": 0.3, "c": 0.2, "d": 0.0}).without_each()
    assert [reduced.weights for reduced in left] == [
        pytest.approx({"a": 0, "b": 0.3 / 0.5, "c": 0.2 / 0.5, "d": 0}),
        pytest.approx({"a": 0.5 / 0.7, "b": 0, "c": 0.2 / 0.7, "d": 0}),
        pytest.approx({"a": 0.5 / 0.8, "b": 0.3 / 0.8, "c": 0, "d": 0}),
    ]
    assert found_weights({"a": 1.0, "b": 0.0}).without_each() == []


def test_weights_of_classes_are_renormalised_class_by_class():
    weights = found_weights({"a": 0.5, "b": 0.5}, class_weights={"a": [0.4, 1.0], "b": [0.6, 0.0]})
    first, second = weights.without_each()
    assert first.class_weights == {"a": [0.0, 0.0], "b": [1.0, 1.0]}  # b alone, of the class only a told of too
    assert second.class_weights == {"a": [1.0, 1.0], "b": [0.0, 0.0]}


@pytest.mark.parametrize("task", WRITE)
def test_without_a_member_is_what_its_weights_make(tmp_path, task):
    experiment = WRITE[task](tmp_path, **FAST)
    found = ExperimentRun(experiment).evaluator("test")
    names = [row.name for row in found.members]
    assert [row.name for row in found.reduced] == names
    weights = dict(zip(names, (0, *[1 / (len(names) - 1)] * (len(names) - 1)), strict=True))
    run = ExperimentRun(experiment)
    other = type(found).of(run.predictions("test"), run.weights.model_copy(update={"weights": weights}))
    for metric in found.COMPARED:
        assert found.score(found.reduced[0], metric) == pytest.approx(other.score(other.ensemble, metric))


def test_differences_are_the_ensembles_less_those_without(tmp_path):
    found = read_json(evaluate.run(write_experiment(tmp_path, **FAST))[0])
    ensemble = found["rows"][-1]["metrics"]["roc_auc"]["value"]
    for one in found["without"]:
        assert one["difference"]["value"] == pytest.approx(ensemble - one["score"]["value"])
        assert one["difference"]["low"] <= one["difference"]["value"] <= one["difference"]["high"]


def test_pairs_by_hand():
    #                         both right, a wrong, both wrong alike, both wrong otherwise
    called = np.array([[0, 1, 2, 1], [0, 0, 2, 2]])
    differ, both_wrong = count_pairs(called, np.array([0, 0, 1, 0]))
    assert differ.tolist() == [[0, 2], [2, 0]]
    assert both_wrong.tolist() == [[3, 2], [2, 2]]
    assert count_pairs(np.zeros((2, 0)), np.zeros(0)).tolist() == np.zeros((2, 2, 2)).tolist()


def test_rates_are_pooled_and_patients_drawn():
    counts = np.array([[[0, 1], [1, 0]], [[0, 3], [3, 0]]])
    pairs = Pairs("pixels", counts, counts, np.array([2, 8]))
    draws = patient_resamples(["p", "q"], 200, seed=1)
    (pair,) = pairs.rates(["a", "b"], lambda rate, _: Estimate(**vars(interval(rate, draws)))).pairs
    assert pair.members == ("a", "b")
    assert pair.disagreement.value == (1 + 3) / (2 + 8)
    assert (pair.disagreement.low, pair.disagreement.high) == (3 / 8, 1 / 2)


def test_pairs_of_classification_are_of_the_predicted_classes(tmp_path):
    experiment = write_experiment(tmp_path, **FAST)
    found = ExperimentRun(experiment).evaluator("test")
    first, second = (metrics.predicted(row.probabilities) for row in found.members[:2])
    pair = read_json(evaluate.run(experiment)[0])["pairs"]["pairs"][0]
    assert pair["disagreement"]["value"] == pytest.approx(np.mean(first != second))
    both = (first != found.values) & (second != found.values)
    assert pair["double_fault"]["value"] == pytest.approx(np.mean(both))


def test_pairs_of_segmentation_leave_out_what_is_background_to_all(tmp_path):
    experiment = write_segmentation_experiment(tmp_path, **FAST)
    split = ExperimentRun(experiment).predictions("test")
    first, second, *others = (np.asarray(one.values).argmax(axis=1) for one in split.stored.values())
    truth = np.concatenate([mask.ravel() for mask in split.truth])
    told = np.any([truth, first, second, *others], axis=0)
    pair = read_json(evaluate.run(experiment)[0])["pairs"]["pairs"][0]
    assert pair["disagreement"]["value"] == pytest.approx(np.mean((first != second)[told]))
    assert pair["double_fault"]["value"] == pytest.approx(np.mean(((first != truth) & (second != truth))[told]))


def test_pairs_of_detection_are_of_true_boxes(tmp_path):
    found = ExperimentRun(write_detection_experiment(tmp_path, **FAST)).evaluator("test")
    pairs = found.pairs
    assert pairs.total.tolist() == [len(boxes) for boxes in found.truth.boxes]
    missed = pairs.both_wrong.diagonal(axis1=1, axis2=2).sum(axis=0)
    # Matching gives a detection to one true box only, so that it may miss more of them.
    by_matching = [found.written(row, {}).missed for row in found.members]
    assert (missed <= by_matching).all()
    assert missed.sum() > 0


def test_costs_of_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(Cost, "of_model", classmethod(lambda cls, model, timing: cls(0.25, 3.0)))
    experiment = write_experiment(tmp_path, members=("vgg", "dense"), weights={"vgg": 1.0, "dense": 0.0}, **FAST)
    costs = read_json(evaluate.run(experiment)[0])["costs"]
    assert costs == {
        "vgg": {"seconds": 0.25, "megabytes": 3.0, "summed": False},
        "dense": {"seconds": 0.25, "megabytes": 3.0, "summed": False},
        "equal weights": {"seconds": 0.25 + 0.25, "megabytes": 3.0 + 3.0, "summed": True},
        "ensemble": {"seconds": 0.25, "megabytes": 3.0, "summed": True},  # vgg alone
    }


@pytest.mark.parametrize("task", WRITE)
def test_every_reported_number_has_a_difference(tmp_path, task):
    found = read_json(evaluate.run(WRITE[task](tmp_path, **FAST))[0])
    rows = {row["name"]: row["metrics"] for row in found["rows"]}
    for one in found["comparisons"]:
        assert set(one["all_differences"]) == set(rows["ensemble"])
        for name, ahead in one["all_differences"].items():
            values = rows["ensemble"][name]["value"], rows[one["against"]][name]["value"]
            if None in values:
                assert ahead["value"] is None
            else:
                assert ahead["value"] == pytest.approx(values[0] - values[1])
