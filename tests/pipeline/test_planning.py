"""What is told of trainings before they run."""

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.jobs.job import Record
from pipeline.planning.makespan import makespan
from pipeline.planning.plan import make_plan
from spine.core.files import write_json
from spine.core.problems import SpineError
from tests.detection_on_disk import LABELS as BOX_LABELS
from tests.detection_on_disk import write_boxes
from tests.experiment_on_disk import experiment_in, write_dataset
from tests.jobs_here import train_here
from tests.segmentation_on_disk import LABELS as MASK_LABELS
from tests.segmentation_on_disk import write_masks

LABELS = ("healthy", "degenerated")
PATIENTS = {"train": 10, "validation": 5, "test": 3}  # of two discs each
REHEARSED = {
    "pictures": 5.0,
    "epoch_seconds": {"scratch": 0.5},
    "lengths": {"scratch": 2},
    "memory": 3 * 10**9,
    "gpu_memory": 0,
    "kept": 10**6,
    "passing": 4 * 10**6,
}


def experiment_of(folder, members, **settings):
    write_dataset(folder / "data", LABELS, 1, PATIENTS)
    own = {"network": "plain_cnn", "weights": "none", "epochs": 12}
    raw = {
        "name": "planned",
        "task": "classification",
        "target": "degeneration",
        "labels": LABELS,
        "members": {name: {**own, **more} for name, more in members.items()},
    }
    return experiment_in(folder, raw | settings)


@pytest.fixture
def rehearsals(monkeypatch) -> list[str]:
    """The members that are rehearsed, each by a process that took no time."""
    asked = []

    def write(member, file, *overrides):
        where = overrides[overrides.index("--rehearse") + 1]
        asked.append(" ".join([member, *(word for word in overrides if word.startswith("fold="))]))
        write_json(REHEARSED, Path(where))
        return 0

    train_here(monkeypatch, write)
    return asked


def test_a_training_takes_its_rehearsal_and_what_more_epochs_and_pictures_take(tmp_path, rehearsals):
    plan = make_plan(experiment_of(tmp_path, {"small": {}}), print)
    (training,) = plan.trainings
    assert (training.learned_from, training.stopped_on, training.epochs) == (20, 10, 12)
    pictures = 20 + 10 / 3
    expected = training.rehearsed.took + 0.5 * (12 * pictures / 5 - 2)
    assert training.seconds == pytest.approx(expected)
    assert (plan.memory, plan.kept, plan.passing) == (3 * 10**9, 10**6, 4 * 10**6)


@pytest.mark.parametrize(
    ("task", "write", "labels", "shown_often"),
    [
        ("detection", write_boxes, BOX_LABELS, {"repeats": 10}),
        ("segmentation", write_masks, MASK_LABELS, {"patches": {"per_picture": 10}}),
    ],
)
def test_pictures_that_an_epoch_shows_often_count_as_often(tmp_path, rehearsals, task, write, labels, shown_often):
    write(tmp_path / "data", {"train": 3, "validation": 2, "test": 1})  # patients of two pictures each
    members = {"often": shown_often, "once": {}}
    raw = {"name": "planned", "task": task, "labels": labels, "members": members}
    often, once = make_plan(experiment_in(tmp_path, raw), print).trainings
    assert (often.learned_from, once.learned_from) == (60, 6)
    assert often.pictures - once.pictures == 54


def test_members_and_folds_are_all_counted_and_a_member_is_rehearsed_once(tmp_path, rehearsals):
    members = {"small": {}, "large": {"filters": [64, 64], "epochs": 24}, "again": {}}
    plan = make_plan(experiment_of(tmp_path, members, folds=5, served="refit", jobs=2), print)
    assert [len(stage) for stage in plan.stages] == [15, 3]
    assert sorted(rehearsals) == ["large fold=0", "small fold=0"]  # `again` has the settings of `small`
    assert sum(training.learned_from for training in plan.stages[0][:5]) == 4 * 30
    assert [(training.learned_from, training.stopped_on) for training in plan.stages[1]] == [(30, 0)] * 3
    assert plan.seconds_on(1) == pytest.approx(makespan([[t.seconds for t in stage] for stage in plan.stages], 2))
    assert plan.memory == 2 * 3 * 10**9  # of two at once


def test_members_are_planned_alone_where_they_are_named(tmp_path, rehearsals):
    experiment = experiment_of(
        tmp_path, {"small": {"seeds": 2}, "large": {"filters": [64, 64]}, "other": {"epochs": 3}}
    )
    plan = make_plan(experiment, print, ["small", "other"])
    assert [training.name for training in plan.trainings] == ["small_seed1", "small_seed2", "other"]
    assert rehearsals == ["small_seed1", "other"]
    with pytest.raises(SpineError, match="member 'tiny' is not in planned; its members: small_seed1"):
        make_plan(experiment, print, ["tiny"])


def test_rehearsals_are_kept_until_what_they_depend_on_changes(tmp_path, rehearsals):
    for members in ({"small": {}}, {"small": {}}, {"small": {"epochs": 13}}, {"small": {"epochs": 13}}):
        make_plan(experiment_of(tmp_path, members), print)
    assert rehearsals == ["small", "small"]


def test_what_trainings_took_stands_beside_the_plan(tmp_path, rehearsals):
    experiment = experiment_of(tmp_path, {"small": {}, "other": {"epochs": 3}})
    Record("train small", "done", took=20.0).write(experiment.directory / "jobs" / "train-small.json")
    plan = make_plan(experiment, print)
    planned, took, count = plan.measured
    assert (took, count) == (20.0, 1)
    assert planned == plan.trainings[0].seconds


def test_no_more_machines_are_shown_than_there_are_trainings_for(tmp_path, rehearsals):
    plan = make_plan(experiment_of(tmp_path, {"small": {}}, folds=5, jobs=2), print)
    assert plan.worth_of([1, 2, 4, 8]) == [1, 2, 4]
    assert plan.worth_of([1, 2]) == [1, 2]


def test_what_cannot_be_rehearsed_is_told_with_its_member(tmp_path, monkeypatch):
    train_here(monkeypatch, lambda *given: 1)
    with pytest.raises(SpineError, match=r"rehearse small failed \(.*; what cannot be rehearsed could not be trained"):
        make_plan(experiment_of(tmp_path, {"small": {}}), print)


@pytest.mark.parametrize(
    ("stages", "at_once", "seconds"),
    [
        ([[3, 1, 2]], 1, 6),
        ([[3, 1, 2]], 2, 3),
        ([[3, 1, 2], [4]], 2, 7),
        ([[1, 1, 1, 3]], 2, 4),  # begun in their order, not the longest first
        ([[5]], 8, 5),
        ([], 2, 0),
    ],
)
def test_trainings_begin_in_their_order_as_soon_as_there_is_room(stages, at_once, seconds):
    assert makespan(stages, at_once) == seconds


def test_the_command_shows_members_and_machines_and_where_the_plan_lies(tmp_path, rehearsals):
    experiment = experiment_of(tmp_path, {"small": {}, "large": {"filters": [64, 64]}}, folds=4)
    file = experiment.write(tmp_path / "experiment.yaml")
    shown = CliRunner().invoke(app, ["plan", str(file), "-n", "4", "-n", "1", "--member", "small"])
    assert shown.exit_code == 0, shown.output
    assert rehearsals == ["small fold=0"]
    assert "planned: 4 trainings" in shown.stdout
    assert "memory of a machine: 3.0 GB" in shown.stdout
    file = experiment.directory / "plan" / "plan.json"
    assert shown.stdout.splitlines()[-1] == str(file)
    plan = json.loads(file.read_text())
    assert list(plan["seconds_on_machines"]) == ["1", "4"]
    assert plan["seconds_on_machines"]["1"] > 3 * plan["seconds_on_machines"]["4"]
    assert len(plan["trainings"]) == 4
    assert yaml.safe_load((file.parent / "experiment.yaml").read_text())["folds"] == 4
