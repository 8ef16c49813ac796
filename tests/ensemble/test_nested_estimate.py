"""What weights.json tells beside the weights, of each task, against a search of one's own on the same predictions."""

import pytest

from ensemble.experiment_run import ExperimentRun
from ensemble.results.found_weights import FoundWeights
from ensemble.search import run, search_weights
from spine.core.files import read_json
from spine.metrics.statistics import patient_resamples
from tests.detection_on_disk import write_detection_experiment
from tests.experiment_on_disk import write_experiment, write_segmentation_experiment
from tests.found_weights import ESTIMATE, found_weights

SEARCH = {"step": 0.5, "resamples": 16}


def write_any(task, folder, **search):
    settings = {"search": {**SEARCH, **search}}
    if task == "detection":
        settings["search"] |= {"iou_thresholds": [0.4, 0.6], "score_thresholds": [0.0]}
        return write_detection_experiment(folder, **settings)
    return {"classification": write_experiment, "segmentation": write_segmentation_experiment}[task](folder, **settings)


@pytest.mark.parametrize("task", ["classification", "segmentation", "detection"])
def test_of_every_task(tmp_path, task):
    experiment = write_any(task, tmp_path)
    found = read_json(run(experiment)[0])
    nested, contributions = found["nested"], found["contributions"]
    optimum = found["rules"]["optimum"]
    assert nested["optimism"] == pytest.approx(optimum["score"] - nested["score"])
    assert nested["low"] <= nested["score"] <= nested["high"]
    assert 0 < nested["resamples"] <= 16
    assert 0 <= nested["share"] <= 1
    assert nested["step"] == contributions["step"] == 0.5
    first, *others = experiment.members
    members, truth = ExperimentRun(experiment).predictions("validation").to_search()
    thresholds = {f"{name}s": [value] for name, value in optimum["fusion"].items()}
    without = search_weights(
        {name: members[name] for name in others}, truth, task, found["metric"], step=0.5, **thresholds
    )
    assert contributions["members"][first]["without"] == pytest.approx(without.score)
    assert contributions["sets"][" + ".join(others)] == pytest.approx(without.score)
    assert contributions["sets"][" + ".join(experiment.members)] == pytest.approx(optimum["score"])


def test_shapley_values_sum_to_what_the_best_weights_are_ahead_of_a_coin(tmp_path):
    found = read_json(run(write_any("classification", tmp_path, metric="roc_auc"))[0])
    values = [one["shapley"] for one in found["contributions"]["members"].values()]
    assert sum(values) == pytest.approx(found["score"] - 0.5)


def test_where_nothing_was_chosen_there_is_no_optimism(tmp_path):
    assert read_json(run(write_any("classification", tmp_path, method="equal"))[0])["nested"] == {}


def test_no_resamples_are_none(tmp_path):
    assert read_json(run(write_any("classification", tmp_path, resamples=0))[0])["nested"] == {}


def test_the_best_member_is_chosen_again_among_members_only(tmp_path):
    nested = read_json(run(write_any("classification", tmp_path, method="best"))[0])["nested"]
    assert nested["step"] == 1
    assert nested["score"] == pytest.approx(nested["single"])


def test_lower_is_better_turns_the_optimism_round(tmp_path):
    found = read_json(run(write_any("classification", tmp_path, metric="log_loss"))[0])
    assert found["nested"]["optimism"] == pytest.approx(found["nested"]["score"] - found["rules"]["optimum"]["score"])


def test_the_sentence():
    searched = {"task": "classification", "metric": "roc_auc", "score": 0.9}
    assert found_weights(**searched, nested=ESTIMATE).describe() == (
        "Search score (roc_auc): 0.900 on the patients it chose on, about 0.880 on others (optimism +0.020; "
        "200 resamples, middle 95 % 0.810 to 0.930). There neither equal weights (0.870) nor the best single member "
        "(0.860) did better."
    )
    assert (
        found_weights(**searched).describe()
        == "Search score (roc_auc): 0.900 on the patients it chose on; what it is on others was not estimated."
    )


def test_resamples_without_a_score_are_told_with_the_reason(tmp_path):
    # Of three patients all are drawn in 3! / 3^3 of the resamples, which leave nobody out to judge on.
    patients = {"train": 2, "validation": 3, "test": 2}
    found = read_json(run(write_experiment(tmp_path, patients=patients, search={"step": 0.5, "resamples": 40}))[0])
    draws = patient_resamples(["a", "b", "c"], 40, seed=0)
    scored = int((draws == 0).any(axis=1).sum())
    assert (found["nested"]["resamples"], found["nested"]["drawn"]) == (scored, 40)
    assert 0 < scored < 40
    weights = FoundWeights.model_validate(found)
    left_aside = weights.nested.left_aside
    assert left_aside.startswith(f"{40 - scored} of 40 drawn have no score, since they leave no patient out")
    assert f"; {left_aside}). There" in weights.describe()
    assert weights.nested.model_copy(update={"resamples": 40}).left_aside == ""


@pytest.mark.parametrize(
    ("metric", "equal", "single", "sentence"),
    [
        ("roc_auc", 0.9, 0.7, "There equal weights (0.900) did better than the chosen weights."),
        ("roc_auc", 0.9, 0.95, "There equal weights (0.900) and the best single member (0.950) did better than "),
        ("log_loss", 0.9, 0.7, "There the best single member (0.700) did better than the chosen weights."),
        ("roc_auc", 0.8004, 0.7, "There neither equal weights (0.800) nor the best single member (0.700) did better."),
    ],
)
def test_who_does_better_on_other_patients_is_said(metric, equal, single, sentence):
    nested = {**ESTIMATE, "score": 0.8, "equal": equal, "single": single}
    weights = found_weights(task="classification", metric=metric, nested=nested)
    assert weights.describe_baselines().startswith(sentence)
    assert found_weights(task="classification", metric=metric, nested={}).describe_baselines() == ""
