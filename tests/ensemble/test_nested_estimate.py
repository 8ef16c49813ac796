"""What weights.json tells beside the weights, of each task, against a search of one's own on the same predictions."""

import numpy as np
import pytest

from ensemble.experiment_run import ExperimentRun
from ensemble.results.found_weights import FoundWeights
from ensemble.results.searched import Searched
from ensemble.results.weight_rules import RuleComparison, WeightShrinkage
from ensemble.search import run, search_weights
from ensemble.search_problem.nested_estimate import find_nested_estimate
from spine.core.files import read_json
from spine.experiment.stages import SearchSettings
from spine.metrics.statistics import patient_resamples
from tests.detection_on_disk import write_detection_experiment
from tests.experiment_on_disk import write_experiment, write_segmentation_experiment
from tests.found_weights import ESTIMATE, found_weights

SEARCH = {"step": 0.5, "resamples": 20}


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
    assert 0 < nested["resamples"] <= 20
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
    assert described(found_weights(**searched, nested=ESTIMATE)) == [
        "Search score (AUC): 0.900 on the patients it chose on, about 0.880 on others (optimism +0.020; "
        "200 resamples, middle 95 % 0.810 to 0.930). There neither equal weights (0.870) nor the best single member "
        "(0.860) did better."
    ]
    assert described(found_weights(**searched)) == [
        "Search score (AUC): 0.900 on the patients it chose on; what it is on others was not estimated."
    ]


def described(weights):
    return Searched.of(weights).describe({"roc_auc": "AUC"})


def test_the_sentences_of_a_rule():
    def row(score, from_equal):
        ahead = {"value": from_equal, "low": from_equal - 0.01, "high": from_equal + 0.01, "error": 0.005}
        return {"score": score, "from_equal": ahead, "from_served": {**ahead, "value": score - 0.85}}

    weights = found_weights(
        {"a": 0.6, "b": 0.4, "c": 0.0},
        task="classification",
        metric="roc_auc",
        nested=ESTIMATE,
        rule="shrunk",
        rules={name: {"weights": {"a": 1.0, "b": 0.0, "c": 0.0}, "score": 0.91} for name in ("shrunk", "optimum")},
        shrinkage={"share": 0.2, "served": 0.35},
        pruned={"c": {"weight": 0.04, "difference": 0.0}},
        comparison={
            "folds": 5,
            "resamples": 50,
            "rows": {"shrunk": row(0.85, 0.01), "equal": row(0.84, 0.0), "bagged": row(0.86, 0.02)},
        },
    )
    assert described(weights) == [
        "Weights by the rule 'shrunk'. The patients support going 35 % of the way from equal weights. Left out, since "
        "that costs nothing: c (weight 0.04).",
        "Search score (AUC): 0.900 on the patients it chose on. On patients that they were not chosen on (5-fold "
        "cross-validation by patient), AUC is 0.850, with equal weights 0.840: +0.010 (95 % interval 0.000 to "
        "+0.020).",
        "There the rule 'bagged' did better than 'shrunk' by more than the standard error (AUC +0.010, standard error "
        "0.005); search.rule=bagged would serve it.",
        "The optimum alone: 0.910 on the patients it chose on, about 0.880 on others (optimism +0.020; 200 resamples, "
        "middle 95 % 0.810 to 0.930). There neither equal weights (0.870) nor the best single member (0.860) did "
        "better.",
    ]


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
    assert f"; {left_aside}). There" in described(weights)[-1]
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


@pytest.mark.parametrize(
    ("served", "told"),
    [
        (None, ""),
        (0.004, "The patients do not support leaving equal weights."),
        (0.35, "The patients support going 35 % of the way from equal weights."),
        (35.2, "Resamples of the patients prefer weights nearer to equal ones than these."),
        (1.12, "The patients support going all the way from equal weights to what resamples of them prefer."),
    ],
)
def test_how_far_weights_go_in_words(served, told):
    assert WeightShrinkage(share=0.2, served=served).describe() == told
    assert WeightShrinkage(share=0.2, served=served, resamples=12).describe() == told


def test_without_a_resample_nothing_was_tested():
    told = "Whether the patients support leaving equal weights was not tested: no resample of them has a score."
    assert WeightShrinkage(share=0.0, served=0.0, resamples=0).describe() == told


@pytest.mark.parametrize("options", [{"temperature": True}, {"per_class": True}])
def test_baselines_of_repeated_searches_are_of_the_same_resamples(options):
    random = np.random.default_rng(3)
    truth, patients = np.tile([0, 1, 1], 10), np.repeat(np.arange(10), 3)
    said = {name: random.dirichlet([1, 1], 30) for name in "ab"}
    asked = {"metric": "accuracy", "step": 0.5, "resamples": 60, **options}
    found = search_weights(said, truth, patients=patients, **asked)
    nested = find_nested_estimate(
        found.context, SearchSettings(**asked), np.array([0.5, 0.5]), found.score, found.resampled
    )
    assert nested.resamples == nested.drawn == 50
    gains = found.resampled.whole.gains
    drawn = gains.draws.drawn[:50]
    weights = np.array([[0.5, 0.5], [1.0, 0.0], [0.0, 1.0]])
    equal, first, second = gains.scorers[0](weights, (drawn == 0).astype(float))
    _, first_drawn, second_drawn = gains.scorers[0](weights, drawn)
    assert nested.equal == pytest.approx(np.mean(equal))
    assert nested.single == pytest.approx(np.mean(np.where(first_drawn >= second_drawn, first, second)))


def test_rules_that_were_better_are_listed_and_how_to_have_the_best_of_them():
    def row(score):
        ahead = {"value": score, "low": None, "high": None, "error": 0.005}
        return {"score": score, "from_equal": ahead, "from_served": ahead}

    rows = {"optimum": row(0.0), "bagged": row(0.01), "dropped": row(0.02), "equal": row(0.03)}
    comparison = RuleComparison.model_validate({"folds": 5, "resamples": 50, "rows": rows})
    said = comparison.describe_better("optimum", "AUC", higher_is_better=True, method="best")
    assert said == (
        "There the rule 'equal' did better than 'optimum' by more than the standard error (AUC +0.030, standard error "
        "0.005), as did 'dropped' and 'bagged'; search.method=grid search.rule=equal would serve it."
    )
    rows["shrunk"] = row(0.025)
    comparison = RuleComparison.model_validate({"folds": 5, "resamples": 50, "rows": rows})
    said = comparison.describe_better("optimum", "AUC", higher_is_better=True, method="grid")
    assert said.endswith(", as did 'shrunk', 'dropped' and 'bagged'; search.rule=equal would serve it.")
