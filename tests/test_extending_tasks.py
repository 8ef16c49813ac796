"""A task is a row in each table of tasks: external members of it are stored, searched and evaluated."""

import json
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pytest

from ensemble import evaluate, search
from ensemble.evaluators.classification import ClassificationEvaluator
from ensemble.report import EVIDENCE
from ensemble.results.evaluation import ClassificationEvaluation
from ensemble.search_problem.classification import ClassificationProblem
from ensemble.tasks import ENSEMBLE_TASKS, EnsembleTask
from pipeline.experiments import validate_experiment
from spine.experiment.foreign import read_samples, write_foreign
from spine.member.member import Member
from spine.predictions.stored_tables import LAYOUTS
from spine.tasks import TASKS
from tests.experiment_on_disk import noisy, write_dataset


class OrdinalEvaluation(ClassificationEvaluation):
    task: Literal["ordinal"]


@dataclass(frozen=True)
class OrdinalEvaluator(ClassificationEvaluator):
    TASK = "ordinal"
    EVALUATION = OrdinalEvaluation
    COMPARED = ("accuracy",)


@dataclass(frozen=True)
class OrdinalProblem(ClassificationProblem):
    TASK = "ordinal"


@pytest.fixture
def _task_of_five_rows(monkeypatch):
    alike = TASKS["classification"]
    by_accuracy = replace(alike.metrics, headline="accuracy", searched="brier")
    monkeypatch.setitem(TASKS, "ordinal", replace(alike, name="ordinal", package="classification", metrics=by_accuracy))
    monkeypatch.setitem(LAYOUTS, "ordinal", LAYOUTS["classification"])
    monkeypatch.setitem(ENSEMBLE_TASKS, "ordinal", EnsembleTask(OrdinalProblem, OrdinalEvaluator))
    monkeypatch.setitem(EVIDENCE, "ordinal", EVIDENCE["classification"])


@pytest.mark.usefixtures("_task_of_five_rows")
def test_external_members_of_a_task_are_searched_and_evaluated(tmp_path):
    write_dataset(tmp_path / "data", ("mild", "severe"), 1, {"train": 2, "validation": 8, "test": 8})
    raw = {
        "name": "graded",
        "task": "ordinal",
        "data": tmp_path / "data",
        "target": "degeneration",
        "labels": ("mild", "severe"),
        "runs": tmp_path / "runs",
        "members": {name: {"foreign": True} for name in ("first", "second")},
        "evaluate": {"resamples": 100},
    }
    experiment = validate_experiment(raw, "the experiment of a toy task")
    for seed, name in enumerate(experiment.members):
        truths = {split: read_samples(experiment, split) for split in ("validation", "test")}
        write_foreign(experiment, name, {split: noisy(truth, 1, seed) for split, truth in truths.items()})
    assert Member.open(experiment.member_directory("first")).predictions("test").task == "ordinal"
    search.run(experiment)
    weights = json.loads((experiment.ensemble_directory / "weights.json").read_text())
    assert weights["metric"] == "brier"
    assert sum(weights["weights"].values()) == pytest.approx(1)
    evaluate.run(experiment)
    metrics = json.loads((experiment.evaluation_directory / "metrics.json").read_text())
    assert (metrics["task"], metrics["headline"]) == ("ordinal", "accuracy")
    assert [row["name"] for row in metrics["rows"]][:2] == ["first", "second"]
    values = [row["metrics"]["accuracy"]["value"] for row in metrics["rows"]]
    assert np.isfinite(values).all()


@pytest.mark.usefixtures("_task_of_five_rows")
def test_members_of_it_have_the_settings_of_its_package(tmp_path):
    raw = {"name": "graded", "task": "ordinal", "data": tmp_path, "labels": ("mild", "severe"), "target": "grade"}
    experiment = validate_experiment({**raw, "members": {"one": {"network": "vgg16"}}}, "here")
    assert experiment.members["one"].network == "vgg16"
