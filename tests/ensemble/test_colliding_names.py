"""A member may be called anything: rows, columns, parameters and pictures stay apart."""

import numpy as np
import optuna
import pytest

from ensemble import evaluate, report, search
from ensemble.experiment_run import ExperimentRun
from ensemble.names import free, weight_names
from pipeline.experiments import validate_experiment
from spine.core.files import read_json
from spine.core.problems import SpineError
from tests.csv_rows import csv_rows
from tests.detection_on_disk import write_detection_experiment
from tests.ensemble.test_box_search import random_problem
from tests.experiment_on_disk import write_experiment, write_segmentation_experiment, write_weights

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("figures_without_pixels")]

QUICK = {"evaluate": {"resamples": 100}, "search": {"resamples": 0}}
NAMES = ("ensemble", "accuracy", "equal", "Ensemble-2")


def figures(found):
    return [{key: row[key] for key in ("kind", "weight", "metrics")} for row in found["rows"]]


def test_a_member_called_ensemble_changes_no_figure(tmp_path):
    weights = (0.2, 0.8, 0.0)
    plain, odd = (
        write_experiment(tmp_path / folder, members=names, weights=dict(zip(names, weights, strict=True)), **QUICK)
        for folder, names in (("plain", ("a", "b", "c")), ("odd", ("ensemble", "equal", "weight")))
    )
    expected, found = (read_json(evaluate.run(experiment)[0]) for experiment in (plain, odd))
    assert figures(found) == figures(expected)
    assert [row["name"] for row in found["rows"]] == ["ensemble", "equal", "weight", "equal weights", "the ensemble"]
    verdicts = [one["verdict"].replace("(ensemble)", "(a)").replace("(equal)", "(b)") for one in (expected, found)]
    assert verdicts[0] == verdicts[1]
    assert list(found["validation"].values()) == list(expected["validation"].values())
    assert list(found["costs"]) == ["ensemble", "equal", "weight", "equal weights", "the ensemble"]
    report.run(odd)


def test_rows_have_names_of_their_own_in_the_csv(tmp_path):
    experiment = write_experiment(tmp_path, members=("ensemble", "b"), **QUICK)
    rows = csv_rows(evaluate.run(experiment)[1])
    assert [(row["kind"], row["name"]) for row in rows] == [
        ("member", "ensemble"),
        ("member", "b"),
        ("equal", "equal weights"),
        ("ensemble", "the ensemble"),
    ]


def test_segmentation_with_members_called_like_pictures_and_rows(tmp_path):
    members = ("ensemble", "truth", "disagreement")
    experiment = write_segmentation_experiment(tmp_path, members=members, noise=(0.9, 0.5, 0.7), **QUICK)
    plain = write_segmentation_experiment(tmp_path / "plain", noise=(0.9, 0.5, 0.7), **QUICK)
    found, expected = (read_json(evaluate.run(one)[0]) for one in (experiment, plain))
    assert figures(found) == figures(expected)
    page = report.run(experiment)[0].read_text()
    for heading in ("the truth", "the disagreement", "the ensemble", ">input<"):
        assert heading in page


def test_detection_with_members_called_like_pictures_and_thresholds(tmp_path):
    members = ("ensemble", "truth", "iou_threshold")
    experiment = write_detection_experiment(tmp_path, members=members, **QUICK)
    plain = write_detection_experiment(tmp_path / "plain", **QUICK)
    found, expected = (read_json(evaluate.run(one)[0]) for one in (experiment, plain))
    assert figures(found) == figures(expected)
    assert [row["confidence"] for row in found["rows"]] == [row["confidence"] for row in expected["rows"]]
    assert "the truth" in report.run(experiment)[0].read_text()


@pytest.mark.parametrize("name", ["accuracy", "score", "undefined", "weight"])
def test_the_table_of_the_search_keeps_every_column(tmp_path, name):
    experiment = write_experiment(tmp_path, members=(name, "b"), search={"metric": "accuracy", "resamples": 0})
    weights = read_json(search.run(experiment)[0])
    first = csv_rows(experiment.ensemble_directory / "search.csv")[0]
    column = f"{name} (weight)" if name == "accuracy" else name
    assert float(first[column]) == weights["weights"][name]
    assert float(first["b"]) == weights["weights"]["b"]
    assert float(first["accuracy"]) == pytest.approx(weights["score"])


@pytest.mark.parametrize("method", ["tpe", "cmaes", "optuna-grid", "grid"])
def test_a_weight_is_no_threshold_to_the_study(method):
    members, truth = random_problem(0, members=2)
    odd = dict(zip(("iou_threshold", "score_threshold"), members.values(), strict=True))
    storage = optuna.storages.InMemoryStorage()
    settings = {"method": method, "trials": 12, "step": 0.5, "storage": storage, "study_name": "s"}
    found = search.search_weights(odd, truth, "detection", **settings)
    thresholds = {"iou_threshold", "score_threshold"}
    trials = optuna.load_study(study_name="s", storage=storage).trials
    scored = [set(trial.params) for trial in trials if trial.value is not None]
    assert scored
    assert all(params == {*thresholds, *(f"{name} (weight)" for name in thresholds)} for params in scored)
    assert set(found.fusion) == set(found.weights) == thresholds
    assert 0.4 <= found.fusion["iou_threshold"] <= 0.7  # as far as it is tried, whatever the member's weight
    if method == "grid":
        assert found.score == search.search_weights(members, truth, "detection", step=0.5).score


@pytest.mark.parametrize("names", [("Unet", "unet"), ("a", "B", "b"), ("VGG.1", "vgg.1")])
def test_names_that_some_disks_take_for_one_are_refused(names):
    raw = {
        "name": "x",
        "task": "classification",
        "data": "d",
        "labels": ["a", "b"],
        "members": {name: {} for name in names},
    }
    with pytest.raises(SpineError, match="differ only in case"):
        validate_experiment(raw, "here")


def test_a_name_with_a_line_end_is_refused():
    raw = {"name": "x", "task": "classification", "data": "d", "labels": ["a", "b"], "members": {"vgg\n": {}}}
    with pytest.raises(SpineError, match="holds more than letters"):
        validate_experiment(raw, "here")


def test_names_are_free_or_made_so():
    assert free("ensemble", ("a", "b")) == "ensemble"
    assert free("ensemble", ("ensemble", "the ensemble")) == "the the ensemble"
    assert weight_names(["a", "map50"], ["iou_threshold", "map50"]) == ["a", "map50 (weight)"]


def test_every_row_keeps_its_own_values_whatever_the_names(tmp_path):
    experiment = write_experiment(tmp_path, members=NAMES)
    write_weights(experiment, dict.fromkeys(NAMES, 0.25))
    rows = ExperimentRun(experiment).evaluator("test").rows
    assert len({row.name for row in rows}) == len(rows) == 6
    np.testing.assert_allclose(rows[-1].probabilities, rows[-2].probabilities)
