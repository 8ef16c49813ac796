"""Several targets, one network: trained once, published as a member a target, resumed, and made again as a whole."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from classification.data import Data
from classification.fit import ClassifierFitting
from classification.model import build
from classification.train import train
from ensemble.evaluate import run as evaluate
from ensemble.experiment_run import ExperimentRun
from ensemble.predict import run as predict
from ensemble.search import run as search
from pipeline import training
from pipeline.experiments import load_experiments
from spine.core.files import read_json
from spine.core.privacy import patient_hash
from spine.core.problems import SpineError
from spine.dataset.manifest import Manifest
from spine.experiment.truth import read_truth
from spine.member.member import Member
from spine.training import trainer
from spine.training.history import History
from tests.member_contract import MemberContract
from tests.targets_on_disk import LABELS, SMALL, write_targets

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def experiments(tmp_path_factory):
    return load_experiments(write_targets(tmp_path_factory.mktemp("targets")))


@pytest.fixture(scope="module")
def directories(experiments) -> dict[str, Path]:
    """Target -> the member's directory, after one training that was asked for by the last target."""
    train(experiments[-1], "one")
    for experiment in experiments:
        predict(experiment)
    return {experiment.target: experiment.member_directory("one") for experiment in experiments}


class TestMemberOfOrderedGrades(MemberContract):
    @pytest.fixture
    def member_directory(self, directories):
        return directories["grade"]


def test_one_training_publishes_a_member_a_target(experiments, directories, monkeypatch):
    for experiment in experiments:
        card = Member.open(directories[experiment.target]).card
        assert (card.name, card.labels) == ("one", experiment.labels)
        assert card.outputs["probabilities"]["shape"] == [None, len(experiment.labels)]
    monkeypatch.setattr(trainer, "silence_tensorflow", lambda: pytest.fail("it was trained again"))
    assert [train(experiment, "one") for experiment in experiments] == list(directories.values())
    shown = []
    for experiment in experiments:
        training.train_members(experiment, shown.append)
    assert shown == ["train one: up to date"] * 2


def test_a_network_of_one_of_the_targets_learns_as_one_of_a_target(tmp_path):
    """Class weights too."""
    fast = {"optimizer": "sgd", "learning_rate": 0.05, "class_weights": {"1": 1, "2": 9, "3": 1}}
    members = {"one": {**SMALL, "head": {"dense": [4]}, **fast}}
    grade = {"labels": list(LABELS["grade"])}
    (of_targets,) = load_experiments(write_targets(tmp_path, targets={"grade": grade}, members=members))
    (alone,) = load_experiments(
        write_targets(tmp_path, name="alone", targets=None, target="grade", **grade, members=members)
    )
    histories = [History.read(train(one, "one") / "history.csv") for one in (of_targets, alone)]
    for column in ("loss", "val_loss", "accuracy"):
        first, second = ([row[column] for row in history.rows] for history in histories)
        assert first == pytest.approx(second, rel=1e-4), column


def test_both_have_seen_every_patient_that_the_network_has(experiments, directories):
    manifest = Manifest.read(experiments[0].data)
    patient_of = manifest.patient_of()
    everybody = {
        split: {patient_hash(patient_of[one]) for one in manifest.samples_in(split)}
        for split in ("train", "validation")
    }
    own = {patient_hash(patient) for patient in read_truth(experiments[1], manifest, "train").patients}
    for directory in directories.values():
        patients = Member.open(directory).card.patients
        assert set(patients.trained) == everybody["train"] >= own
        assert set(patients.stopped) == everybody["validation"]


def test_the_record_of_each_has_its_own_accuracy_and_the_loss_of_all(directories):
    histories = {target: History.read(directory / "history.csv") for target, directory in directories.items()}
    for target, history in histories.items():
        (other,) = set(histories) - {target}
        for row, same in zip(history.rows, histories[other].rows, strict=True):
            for sums in ("", "val_"):  # also where the last batch is short
                parts = row[f"{sums}degeneration_loss"] + row[f"{sums}grade_loss"]
                assert row[f"{sums}loss"] == pytest.approx(parts, rel=1e-5)
            assert row["val_accuracy"] == same[f"val_{target}_accuracy"]


def test_the_validation_loss_is_the_mean_over_those_with_a_value(experiments, directories):
    manifest = Manifest.read(experiments[0].data)
    for experiment in experiments:
        truth = read_truth(experiment, manifest, "validation")
        member = Member.open(directories[experiment.target])
        said = np.asarray(member.predictions("validation").values)[np.arange(len(truth.values)), truth.values]
        best = History.read(member.path / "history.csv").best
        assert best[f"val_{experiment.target}_loss"] == pytest.approx(-np.log(said).mean(), rel=1e-4)


def test_what_is_published_of_each_is_the_network_that_it_would_have_alone(experiments, directories):
    for experiment in experiments:
        alone = build(experiment.members["one"], len(experiment.labels), ordinal=experiment.ordinal)
        saved = tf.saved_model.load(str(Member.open(directories[experiment.target]).model))
        assert [v.shape for v in saved.variables_of_network] == [v.shape for v in alone.variables]


def test_each_target_is_searched_and_judged_by_itself(experiments, directories):
    measured = {}
    for experiment in experiments:
        search(experiment)
        weights = ExperimentRun(experiment).weights
        assert (weights.metric, weights.split) == (experiment.search.metric or "accuracy", "validation")
        evaluation = read_json(evaluate(experiment)[0])
        measured[experiment.target] = set(evaluation["rows"][-1]["metrics"])
        assert evaluation["target"] == experiment.target
        if experiment.ordinal:
            run = ExperimentRun(experiment)
            truth = run.truth("test")
            called = run.members["one"].predictions("test").values.argmax(axis=1)
            error = np.abs(called - truth.values).mean()  # each sample is a unit of its own here
            assert evaluation["rows"][0]["metrics"]["mean_absolute_error"]["value"] == pytest.approx(error)
    assert measured["grade"] - measured["degeneration"] == {"quadratic_kappa", "mean_absolute_error", "concordance"}


def test_a_head_learns_nothing_from_samples_without_a_value_of_it(experiments):
    manifest = Manifest.read(experiments[0].data)
    fitting = ClassifierFitting.of(experiments[0], "one", manifest, 1)
    network = fitting.build(pretrained=True)
    network.compile(optimizer="sgd", **fitting.objective())
    data = Data.of(experiments[0], manifest, experiments[0].members["one"], 1)
    lacking = np.flatnonzero(data.train.values[:, 1] < 0)
    assert len(lacking)
    pictures = np.random.default_rng(0).random((len(lacking), 16, 16, 1), np.float32)
    with tf.GradientTape() as tape:
        targets = tuple(tf.split(data.train.one_hot[lacking], [2, 3], axis=1))
        loss = network.compute_loss(y=targets, y_pred=network(pictures, training=True))
    gradients = tape.gradient(loss, network.trainable_variables)
    of_head = {
        target: max(
            float(np.abs(gradient).max())
            for variable, gradient in zip(network.trainable_variables, gradients, strict=True)
            if variable.path.startswith(target)
        )
        for target in ("degeneration", "grade")
    }
    assert of_head["grade"] == 0 < of_head["degeneration"]


def test_a_run_that_is_killed_while_it_publishes_goes_on_from_its_checkpoints(
    experiments, directories, tmp_path, monkeypatch
):
    first, second = (one.model_copy(update={"runs": tmp_path}) for one in experiments)
    publish = trainer._publish

    def fail_at_the_last(fitting, history, outcome, *rest):
        if outcome.experiment.target == "degeneration":
            raise KeyboardInterrupt
        return publish(fitting, history, outcome, *rest)

    monkeypatch.setattr(trainer, "_publish", fail_at_the_last)
    with pytest.raises(KeyboardInterrupt):
        train(second, "one")
    assert Member.open_if_whole(second.member_directory("one"))
    assert not Member.open_if_whole(first.member_directory("one"))
    before = (first.member_directory("one") / "history.csv").read_text()
    monkeypatch.setattr(trainer, "_publish", publish)
    train(first, "one")
    told = [History.read(one.member_directory("one") / "history.csv").rows for one in (first, second)]
    assert [row["seconds"] for row in told[0]] == [row["seconds"] for row in told[1]]
    assert all(f"{row['seconds']}" in before for row in told[0])  # no epoch was run again
    assert not (first.member_directory("one") / "checkpoints").exists()


def test_one_that_is_lost_is_made_again_with_all_the_others(experiments, directories, tmp_path):
    copied = [one.model_copy(update={"runs": tmp_path / "runs"}) for one in experiments]
    shutil.copytree(experiments[0].runs, tmp_path / "runs")
    shutil.rmtree(copied[1].member_directory("one"))
    left = Member.open(copied[0].member_directory("one")).card
    assert train(copied[1], "one") == copied[1].member_directory("one")
    assert Member.open(copied[1].member_directory("one")).card.labels == copied[1].labels
    again = Member.open(copied[0].member_directory("one")).card
    assert again.details["val_loss"] == pytest.approx(left.details["val_loss"], rel=1e-4)


def test_a_label_that_no_training_sample_has_is_told_of_its_target_before_the_first_training(experiments):
    heads = [head.model_copy(update={"labels": (*head.labels, "4")}) for head in experiments[1].heads[1:]]
    wrong = experiments[0].model_copy(update={"heads": (experiments[0].heads[0], *heads), "runs": Path("nowhere")})
    with pytest.raises(SpineError, match=r"members\.one of grade: the training rows hold no '4'"):
        training.train_members(wrong, lambda line: None)
