"""What has no value: null with its reason in every file, told in the report, and never a traceback."""

import json
import re

import numpy as np
import pytest

from ensemble import evaluate, report, search
from ensemble.experiment_run import ExperimentRun
from ensemble.leaderboard import leaderboard_table
from spine.core.files import read_json
from spine.dataset.detections import Detections
from spine.dataset.manifest import Manifest
from spine.dataset.truth import BoxTruth, ClassTruth
from spine.member.member import Member
from spine.tasks import TASKS
from tests.csv_rows import csv_rows
from tests.detection_on_disk import store_detections, write_box_weights, write_detection_experiment
from tests.experiment_on_disk import write_experiment, write_predictions, write_segmentation_experiment, write_weights

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("figures_without_pixels")]

QUICK = {"evaluate": {"resamples": 100}}


def strict(path):
    """A file of JSON in which no NaN or infinity stands."""

    def refuse(name):
        raise AssertionError(f"{path} holds {name}")

    return json.loads(path.read_text(), parse_constant=refuse)


def quiet(experiment, name, score=0.3, boxes=100):
    """Let a detector be as unsure of all that it finds, at most so many boxes an image."""
    member = Member.open(experiment.member_directory(name))
    for split in ("validation", "test"):
        truth = BoxTruth.of_detection(Manifest.read(experiment.data), split, experiment.labels)
        found = [
            Detections(one.boxes[:boxes], np.full(len(one), score, np.float32)[:boxes], one.classes[:boxes])
            for one in member.predictions(split)
        ]
        store_detections(member.path, truth, split, found, member.card.model_hash)
    write_box_weights(experiment, {each: 1 / len(experiment.members) for each in experiment.members})


@pytest.mark.parametrize("method", ["grid", "equal", "best", "greedy", "tpe"])
def test_a_detector_of_low_scores_is_searched_and_judged_at_its_own_confidence(tmp_path, method):
    settings = {"metric": "f1", "method": method, "step": 0.5, "trials": 6, "resamples": 10}
    experiment = write_detection_experiment(tmp_path, members=("loud", "quiet"), search=settings, **QUICK)
    quiet(experiment, "quiet")
    weights = strict(search.run(experiment)[0])
    assert weights["singles"]["quiet"] > 0
    assert search.summary(experiment)
    found = strict(evaluate.run(experiment)[0])
    rows = {row["name"]: row for row in found["rows"]}
    assert rows["quiet"]["confidence"] <= 0.3
    assert rows["quiet"]["metrics"]["f1"]["value"] > 0
    assert {name: found["validation"][name] for name in weights["singles"]} == pytest.approx(weights["singles"])
    assert found["validation"]["ensemble"] == pytest.approx(weights["score"])
    report.run(experiment)
    assert leaderboard_table(ExperimentRun(experiment).evaluation())


def one_class(experiment, split, value):
    """Let the truth of a split be one class, and members say what they said."""
    manifest = Manifest.read(experiment.data)
    samples = set(manifest.samples_in(split))
    manifest.labels.loc[manifest.labels["sample"].isin(samples), "value"] = value
    manifest.write()
    truth = ClassTruth.of_classification(Manifest.read(experiment.data), split, experiment.target, experiment.labels)
    for name in experiment.members:
        member = Member.open(experiment.member_directory(name))
        said = np.random.default_rng(len(name) + ord(name[0])).dirichlet(
            [1] * len(experiment.labels), len(truth.samples)
        )
        write_predictions(member.path, truth, said, split, member.card.model_hash)


UNDEFINED = {
    "healthy": {"roc_auc", "sensitivity", "recall", "precision", "f1"},
    "degenerated": {"roc_auc", "specificity"},
}


@pytest.mark.parametrize("value", UNDEFINED)
def test_a_test_split_of_one_class_is_told_everywhere(tmp_path, value):
    experiment = write_experiment(tmp_path, members=("a", "b"), **QUICK)
    one_class(experiment, "test", value)
    paths = evaluate.run(experiment)
    found = strict(paths[0])
    for row in found["rows"]:
        lacking = {name: one for name, one in row["metrics"].items() if one["value"] is None}
        assert set(lacking) == UNDEFINED[value]
        assert lacking["roc_auc"]["why"] == "the truth holds one class only"
    assert "AUC undefined" in found["verdict"]
    assert found["comparisons"][0]["differences"]["roc_auc"]["why"] == "the truth holds one class only"
    for row in csv_rows(paths[1]):
        assert row["roc_auc"] == ""
        assert "roc_auc: the truth holds one class only" in row["undefined"]
    told = "–: AUC of any row is undefined, since the truth holds one class only."
    assert told in ExperimentRun(experiment).evaluation().footnotes(["roc_auc", "accuracy"])
    assert told in report.run(experiment)[0].read_text()
    assert "since the truth holds one class only" in leaderboard_table(ExperimentRun(experiment).evaluation()).caption


def test_one_patient_has_values_without_bounds(tmp_path):
    experiment = write_experiment(
        tmp_path, members=("a",), patients={"train": 2, "validation": 4, "test": 1}, slices=1, **QUICK
    )
    found = strict(evaluate.run(experiment)[0])
    accuracy = found["rows"][0]["metrics"]["accuracy"]
    assert accuracy["low"] is None
    assert accuracy["why"] == "with fewer than two patients there is nothing to draw"
    report.run(experiment)


def test_members_that_never_vary_are_judged(tmp_path):
    experiment = write_experiment(tmp_path, members=("a", "b"), **QUICK)
    for name, row in (("a", [0.5, 0.5]), ("b", [1.0, 0.0])):
        member = Member.open(experiment.member_directory(name))
        for split in ("validation", "test"):
            truth = ClassTruth.of_classification(
                Manifest.read(experiment.data), split, "degeneration", experiment.labels
            )
            write_predictions(member.path, truth, np.tile(row, (len(truth.samples), 1)), split, member.card.model_hash)
    search.run(experiment)
    found = strict(evaluate.run(experiment)[0])
    assert found["rows"][0]["metrics"]["roc_auc"]["value"] == 0.5
    report.run(experiment)


@pytest.mark.parametrize("spacings", [("", ""), (0.5, "")])
def test_segmentation_without_spacing_or_without_a_class(tmp_path, spacings):
    experiment = write_segmentation_experiment(tmp_path, members=("a", "b"), spacings=spacings, **QUICK)
    write_weights(experiment, {"a": 1.0, "b": 0.0}, "dice_foreground")
    strict(evaluate.run(experiment)[0])
    report.run(experiment)


def test_every_metric_that_may_have_no_value_has_a_reason():
    nothing = "there is nothing to measure"
    without = {name for task in TASKS.values() for name in task.metrics if task.metrics.why_undefined(name) == nothing}
    assert without == {
        *("accuracy", "balanced_accuracy", "macro_f1", "log_loss", "matthews", "brier", "mean_absolute_error"),
        "pixel_accuracy",
    }
    assert TASKS["segmentation"].metrics.why_undefined("precision.disc") == "no pixel is called so"
    assert TASKS["detection"].metrics.why_undefined("map50_95_small") == "there is no true box to find"


def test_weights_json_of_defined_scores_tells_no_reason(tmp_path):
    experiment = write_experiment(tmp_path, members=("a", "b"), search={"resamples": 0})
    assert "undefined" not in read_json(search.run(experiment)[0])


def bare(path):
    """A page without its embedded pictures, whose letters may spell anything."""
    return re.sub(r"base64,[A-Za-z0-9+/=]+", "", path.read_text())


def right_or_corner(truth, number):
    boxes, (height, width) = truth.boxes[number], truth.sizes[number]
    if not len(boxes):
        return Detections.from_arrays(np.array([[0, 0, 0.1, 0.1]]), np.array([0.9]), np.array([1]))
    corners = boxes[:, [1, 0, 3, 2]] / [height, width, height, width]
    return Detections.from_arrays(corners, np.full(len(boxes), 0.9), truth.classes[number])


def test_a_model_that_is_silent_on_an_empty_picture_has_a_dash_there(tmp_path):
    experiment = write_detection_experiment(tmp_path, members=("loud", "silent"), **QUICK)
    loud = Member.open(experiment.member_directory("loud"))
    for split in ("validation", "test"):  # all true boxes, and one in the corner of an empty picture
        truth = BoxTruth.of_detection(Manifest.read(experiment.data), split, experiment.labels)
        store_detections(loud.path, truth, split, [right_or_corner(truth, n) for n in range(8)], loud.card.model_hash)
    quiet(experiment, "silent", boxes=0)
    write_box_weights(experiment, {"loud": 1.0, "silent": 0.0})
    evaluate.run(experiment)
    page = bare(report.run(experiment)[0])
    # of the one test picture without a box: the loud one is wrong, F1 0; the silent one is right, and divides by 0
    assert '<span>silent</span><i><b style="width: 0%; background: #cc6677"></b></i><span>–</span>' in page
    assert not re.search(r"\bnan\b", page)


@pytest.mark.parametrize("metric", ["map50", "f1", "ar"])
def test_detectors_that_find_nothing_are_judged_without_a_warning(tmp_path, metric):
    settings = {"metric": metric, "step": 0.5, "resamples": 8}
    experiment = write_detection_experiment(tmp_path, members=("a", "b"), search=settings, **QUICK)
    for name in experiment.members:
        quiet(experiment, name, boxes=0)
    write_box_weights(experiment, {"a": 0.5, "b": 0.5})
    strict(search.run(experiment)[0])
    found = strict(evaluate.run(experiment)[0])
    assert [row["metrics"]["map50"]["value"] for row in found["rows"]] == [0, 0, 0, 0]
    assert not re.search(r"\bnan\b", bare(report.run(experiment)[0]))
