"""The report's part on members: figures where there are numbers, fronts, and the words on the search's worth."""

from importlib import import_module

import pytest

from ensemble import evaluate, search
from ensemble.costs import Cost, describe_budget
from ensemble.engine.nested import contributions
from ensemble.experiment_run import ExperimentRun
from ensemble.report.members import cheapest_sets, cost_rows
from spine.core.files import read_json
from spine.member.member import Member
from tests.ensemble.small_evaluation import evaluation, row
from tests.experiment_on_disk import write_experiment

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("figures_without_pixels")]

FOUND = evaluation(
    rows=[
        row(name, roc_auc={"value": value, "low": None, "high": None})
        for name, value in {"small": 0.8, "large": 0.9, "idle": 0.7, "foreign": 0.95}.items()
    ],
    costs={
        "small": {"seconds": 0.01, "megabytes": 1.0, "summed": False},
        "large": {"seconds": 0.04, "megabytes": 9.0, "summed": False},
        "idle": {"seconds": None, "megabytes": 0.5, "summed": True},
    },
    search={
        "metric": "log_loss",
        "contributions": {"sets": {"small": 0.5, "large": 0.6, "small + large": 0.4, "foreign": 0.1}},
    },
)


def test_on_the_front_by_one_cost_or_both():
    fronts = {row.name: row.fronts for row in cost_rows(FOUND)}
    assert fronts == {"small": ("ms", "megabytes"), "large": ("ms", "megabytes"), "idle": ("megabytes",)}


def test_the_cheapest_sets_of_a_metric_where_lower_is_better():
    sets = cheapest_sets(FOUND)  # large alone is dearer and worse than small; what foreign costs is not known
    assert [(one.members, one.ms, one.megabytes) for one in sets] == [
        ("small", 10, 1),
        ("small + large", 10 + 40, 1 + 9),
    ]


@pytest.fixture
def page(tmp_path, monkeypatch):
    def write(**settings):
        monkeypatch.setattr(Cost, "of_model", classmethod(lambda cls, model, pictures: cls(0.25, 3.0)))
        experiment = write_experiment(tmp_path, evaluate={"resamples": 100}, **settings)
        if "search" in settings:
            search.run(experiment)
        evaluate.run(experiment)
        path, *_ = import_module("ensemble.report").run(experiment)
        pictures = {picture.stem for picture in experiment.evaluation_directory.glob("*.png")}
        return experiment, path.read_text(), pictures

    return write


def test_the_worth_of_the_search_is_told(page):
    experiment, text, pictures = page(search={"step": 0.25, "resamples": 20})
    nested = read_json(experiment.ensemble_directory / "weights.json")["nested"]
    assert f"<strong>{nested['score']:.3f}</strong> on the patients left out" in text
    assert ExperimentRun(experiment).weights.describe_baselines() in text
    assert {"shapley", "pairs", "pareto"} <= pictures
    assert "What each member adds" in text
    assert "250.0" in text
    assert text.count("its own model") == 3
    assert text.count("sum of its members") == 2  # of equal weights and of the ensemble, which was not exported
    assert "whatever the budget" not in text


def test_resamples_that_have_no_score_are_told(page):
    few = {"train": 2, "validation": 3, "test": 2}
    experiment, text, _ = page(patients=few, search={"step": 0.5, "resamples": 40})
    nested = read_json(experiment.ensemble_directory / "weights.json")["nested"]
    assert f"{40 - nested['resamples']} of 40 drawn have no score, since they leave no patient out" in text


def test_a_budget_is_told(page):
    experiment, text, _ = page(search={"step": 0.25, "resamples": 0, "max_megabytes": 6.0})
    told = describe_budget(ExperimentRun(experiment).weights)
    assert "whatever the budget" in text
    assert "which 12 of 15 vectors keep" in told  # all but the three in which every member of 3 MB has weight
    assert told in text


def test_temperatures_and_class_weights_are_told_with_what_they_are_worth(page):
    experiment, text, _ = page(search={"step": 0.25, "resamples": 8, "temperature": True, "per_class": True})
    found = read_json(experiment.ensemble_directory / "weights.json")
    assert "<h3>Temperatures and class weights</h3>" in text
    assert "members scaled by their temperatures, without class weights)" in text
    assert "; members before temperatures" in text
    for name in experiment.members:
        numbers = [f"{found['temperatures'][name]:.2f}", *(f"{one:.3f}" for one in found["class_weights"][name])]
        assert f"{name}</td>" + "".join(f"<td>{number}</td>" for number in numbers) in text
    assert "8 times, weights and class weights, after temperatures that were fitted again, score" in text
    assert f"Ordinary weights alone score {found['nested']['plain']:.3f} on them." in text


def test_patients_that_also_stopped_the_training_are_told(page):
    told = "These patients also stopped the training of vgg, dense, squeeze: that flatters every score on validation"
    experiment, text, _ = page(search={"step": 0.5, "resamples": 4})
    assert told in text
    for name in experiment.members:
        member = Member.open(experiment.member_directory(name))
        patients = member.card.patients.model_copy(update={"stopped": ()})
        Member.publish(member.path, member.card.model_copy(update={"patients": patients}))
    evaluate.run(experiment)
    path, *_ = import_module("ensemble.report").run(experiment)
    assert "stopped" not in path.read_text().split("<pre>")[0]


def test_without_options_there_is_no_table_of_them(page):
    _, text, _ = page(search={"step": 0.5, "resamples": 4})
    assert "emperatures" not in text.split("<pre>")[0]
    assert "lass weights" not in text.split("<pre>")[0]


def test_shapley_values_that_were_left_out_are_told(page, monkeypatch):
    monkeypatch.setattr(contributions, "MOST", 2)
    _, text, pictures = page(search={"step": 0.5, "resamples": 4})
    assert "Shapley values were left out" in text
    assert "shapley" not in pictures
    assert "left_out" in pictures


def test_without_numbers_there_are_no_figures(page):
    _, text, pictures = page(members=("only",), weights={"only": 1.0})
    assert not {"shapley", "left_out", "pairs"} & pictures
    assert "was not estimated" in text
    assert "What each member adds" not in text
    assert "Do members err alike?" not in text
