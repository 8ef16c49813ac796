"""Training one member: killed and resumed, skipped when complete, afresh when changed; and the member it leaves."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np
import pytest
import yaml

from classification.config import Settings
from classification.model import base_of, build
from classification.train import fitting_of, train
from ensemble.predict import run as predict
from pipeline.experiments import load_experiment
from spine.core.files import hash_directory
from spine.core.privacy import patient_hash
from spine.core.problems import SpineError
from spine.dataset.manifest import Manifest
from spine.experiment.config import Experiment
from spine.member.member import Member
from spine.training.history import History
from spine.training.rehearsal import FORWARD, Rehearsal, rehearse_member
from spine.training.trainer import seed_of
from tests.experiment_on_disk import write_dataset
from tests.killed_training import kill_after_epoch
from tests.member_contract import MemberContract

ROOT = Path(__file__).resolve().parents[2]
LABELS = ("healthy", "degenerated")
FROZEN, TUNING = 2, 10  # epochs
SALT = "salt of the tests"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A dataset, weights for a base, and an experiment file of one small member of two phases."""
    folder = tmp_path_factory.mktemp("training")
    write_dataset(folder / "data", LABELS, 2, {"train": 5, "validation": 3, "test": 2})
    member = {"network": "plain_cnn", "weights": "none", "height": 24, "width": 32, "filters": [4, 8], "batch": 8}
    base_of(build(Settings(**member), 2)).save_weights(folder / "base.weights.h5")
    member |= {
        "weights": str(folder / "base.weights.h5"),
        "epochs": FROZEN,
        "fine_tuning": {"epochs": TUNING, "unfreeze": 1},
        "patience": 20,
        "reduce_on_plateau": {"patience": 2},
        "augmentation": "sayed2025",
        "class_weights": "balanced",
    }
    content = {
        "name": "whole",
        "task": "classification",
        "data": str(folder / "data"),
        "target": "degeneration",
        "labels": list(LABELS),
        "runs": str(folder / "runs"),
        "members": {"plain": member},
    }
    (folder / "experiment.yaml").write_text(yaml.safe_dump(content))
    return folder


@pytest.fixture(scope="module")
def experiment(folder) -> Experiment:
    return load_experiment(folder / "experiment.yaml")


@pytest.fixture(scope="module")
def trained(experiment) -> Path:
    """The member of a run that nothing interrupted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPINE_SALT", SALT)
        directory = train(experiment, "plain")
        predict(experiment)
    return directory


def kill_in_epoch(folder: Path, name: str, epoch: int) -> Path:
    """Train by the command line and kill the process as soon as `epoch` is safe; the member's directory."""
    command = [sys.executable, "-m", "classification.train", str(folder / "experiment.yaml"), "--member", "plain"]
    process = subprocess.Popen(
        [*command, f"name={name}"],
        cwd=ROOT,
        env={**os.environ, "SPINE_SALT": SALT},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    directory = folder / "runs" / name / "members" / "plain"
    kill_after_epoch(epoch, process, directory)
    return directory


def values(history: History, column: str) -> list:
    return [row[column] for row in history.rows]


@pytest.mark.slow
def test_a_killed_run_resumes_and_ends_as_one_that_was_not(folder, experiment, trained):
    killed = kill_in_epoch(folder, "killed", FROZEN + 2)
    assert not (killed / "member.json").exists()
    before = History.read(killed / "history.csv")
    resumed = train(experiment.model_copy(update={"name": "killed"}), "plain")
    whole, other = History.read(trained / "history.csv"), History.read(resumed / "history.csv")
    assert FROZEN < len(before) < FROZEN + TUNING
    assert other.rows[: len(before)] == before.rows
    assert values(other, "epoch") == values(whole, "epoch") == list(range(1, FROZEN + TUNING + 1))
    assert values(other, "phase") == values(whole, "phase") == ["frozen"] * FROZEN + ["fine_tuning"] * TUNING
    for column in ("loss", "val_loss", "accuracy", "val_accuracy", "learning_rate"):
        np.testing.assert_allclose(values(other, column), values(whole, column), rtol=1e-3, err_msg=column)
    assert Member.open(resumed).card.details["epochs"] == FROZEN + TUNING


def quick(folder: Path, runs: Path, *overrides: str) -> Experiment:
    """The same experiment of one frozen epoch, elsewhere."""
    changes = ("members.plain.fine_tuning=null", "members.plain.epochs=1", *overrides)
    return load_experiment(folder / "experiment.yaml", [f"runs={runs}", *changes])


@pytest.fixture(scope="module")
def quick_runs(folder, tmp_path_factory) -> Path:
    """The runs of `quick` as its training leaves them."""
    runs = tmp_path_factory.mktemp("quick")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPINE_SALT", SALT)
        train(quick(folder, runs), "plain")
    return runs


@pytest.fixture
def trained_quickly(folder, quick_runs, tmp_path) -> Path:
    """The directory of a member of one epoch, whose `runs` are `tmp_path`."""
    shutil.copytree(quick_runs, tmp_path, dirs_exist_ok=True)
    return quick(folder, tmp_path).member_directory("plain")


def test_a_run_killed_between_its_export_and_its_card_has_one_model_in_the_end(folder, tmp_path, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    experiment = quick(folder, tmp_path)
    directory = experiment.member_directory("plain")
    with monkeypatch.context() as patch:
        patch.setattr(Member, "publish", killed)
        with pytest.raises(KeyboardInterrupt):
            train(experiment, "plain")
    history = (directory / "history.csv").read_text()
    (directory / "model" / "1" / "leftover").touch()
    train(experiment, "plain")
    assert (directory / "history.csv").read_text() == history  # no epoch was run twice
    assert [entry.name for entry in (directory / "model").iterdir()] == ["1"]
    assert not (directory / "model" / "1" / "leftover").exists()


def test_the_steps_of_a_phase_are_traced_once(folder, tmp_path, monkeypatch):
    traced = []
    for name in ("train_step", "test_step"):
        step = getattr(keras.Model, name)
        monkeypatch.setattr(keras.Model, name, lambda *args, step=step, name=name: traced.append(name) or step(*args))
    train(quick(folder, tmp_path), "plain")
    assert sorted(traced) == ["test_step", "train_step"]


def test_a_smaller_batch_makes_the_member_of_the_settings_and_is_told_by_its_card(folder, tmp_path, trained_quickly):
    own = quick(folder, tmp_path, "name=short")
    directory = train(own, "plain", batch=5)
    card, usual = Member.open(directory).card, Member.open(trained_quickly).card
    assert card.config_hash == usual.config_hash
    assert card.details["batch"] == 5
    assert "batch" not in usual.details
    before = card.model_hash
    assert Member.open(train(own, "plain")).card.model_hash == before  # up to date


def test_a_rehearsal_tells_what_a_few_batches_take_and_keeps_nothing(folder, tmp_path):
    told = rehearse_member(fitting_of, load_experiment(folder / "experiment.yaml", [f"runs={tmp_path}"]), "plain")
    assert told.lengths == {"frozen": 2, "fine_tuning": 2}
    assert told.epoch_seconds.keys() == told.lengths.keys()
    assert min(told.epoch_seconds.values()) > 0
    assert told.pictures == 20 + 12 * FORWARD  # all that there are: fewer than three batches of 8
    assert told.memory > 10**8
    assert min(told.kept, told.passing) > 10**5  # a SavedModel, and checkpoints
    assert list(tmp_path.iterdir()) == []
    assert Rehearsal(**json.loads(json.dumps(asdict(told)))) == told  # as its process writes it


def test_a_phase_that_stops_early_says_so(folder, tmp_path, capfd):
    # A rate of next to nothing: the first epoch stays the best, and patience runs out after the third of nine.
    still = ("members.plain.epochs=9", "members.plain.patience=2", "members.plain.learning_rate=1.0e-30")
    directory = train(quick(folder, tmp_path, *still), "plain")
    assert len(History.read(directory / "history.csv")) == 3
    told = capfd.readouterr().err.splitlines()
    assert told[-1] == "plain frozen stopped: no lower val_loss for 2 epochs; epoch 1 is kept"


def test_a_changed_setting_trains_afresh(folder, tmp_path, trained_quickly):
    first = Member.open(trained_quickly)
    second = Member.open(train(quick(folder, tmp_path, "members.plain.batch=16"), "plain"))
    assert len(History.read(second.path / "history.csv")) == 1
    assert first.path == second.path
    assert first.card.config_hash != second.card.config_hash
    assert first.card.model_hash != second.card.model_hash


@pytest.mark.parametrize(
    "mistake", ["target=typo", "members.plain.class_weights={healthy: 1}", "members.plain.weights=typo.h5"]
)
def test_settings_that_cannot_be_trained_cost_no_earlier_member(folder, tmp_path, trained_quickly, mistake):
    before = hash_directory(trained_quickly)
    with pytest.raises(SpineError):
        train(quick(folder, tmp_path, mistake), "plain")
    assert hash_directory(trained_quickly) == before


def test_a_member_that_lost_its_model_is_trained_again(folder, tmp_path, trained_quickly):
    shutil.rmtree(trained_quickly / "model")
    train(quick(folder, tmp_path), "plain")
    assert Member.is_complete(trained_quickly, Member.open(trained_quickly).card.config_hash)
    assert len(History.read(trained_quickly / "history.csv")) == 1


def test_a_complete_member_is_left_as_it_is(experiment, trained):
    stamp = (trained / "member.json").stat().st_mtime_ns
    assert train(experiment, "plain") == trained
    assert (trained / "member.json").stat().st_mtime_ns == stamp


def test_the_directory_tells_what_was_done(experiment, trained):
    assert {entry.name for entry in trained.iterdir()} == {
        *(".trusted", "config.yaml", "history.csv", "logs", "member.json", "model", "predictions", "training.json"),
    }
    assert list((trained / "logs" / "validation").glob("events.*"))
    written = load_experiment(trained / "config.yaml")
    assert written.members == experiment.members
    card, history = Member.open(trained).card, History.read(trained / "history.csv")
    assert card.details["best_epoch"] == history.best["epoch"]
    assert card.details["val_loss"] == history.best["val_loss"]
    manifest = Manifest.read(experiment.data)
    assert card.config_hash == experiment.member_hash("plain", manifest.data_hash, manifest.splits_hash)


def test_the_card_names_the_patients_it_has_seen_by_their_hashes_only(trained):
    patients = Member.open(trained).card.patients
    assert set(patients.trained) == {patient_hash(f"train{number:02d}") for number in range(5)}
    assert set(patients.stopped) == {patient_hash(f"validation{number:02d}") for number in range(3)}
    assert patients.searched == ()
    assert "train00" not in (trained / "member.json").read_text()


def test_the_served_model_is_that_of_the_best_epoch(experiment, trained):
    # Its validation accuracy, from the stored predictions of the SavedModel, is the one that Keras measured then.
    stored = Member.open(trained).predictions("validation")
    labels = Manifest.read(experiment.data).values("degeneration")
    right = [
        LABELS[row.argmax()] == labels[sample]
        for sample, row in zip(stored.index["sample"], stored.values, strict=True)
    ]
    assert np.mean(right) == pytest.approx(Member.open(trained).card.details["val_accuracy"], abs=1e-6)


def test_members_draw_their_own_seeds(experiment):
    assert seed_of(experiment, "a") != seed_of(experiment, "b")
    assert seed_of(experiment, "a") == seed_of(experiment, "a")
    assert seed_of(experiment, "a") != seed_of(experiment.model_copy(update={"seed": 1}), "a")


def test_an_unknown_member_is_refused(experiment):
    with pytest.raises(SpineError, match="'plane' is not in whole; its members: plain"):
        train(experiment, "plane")


def test_the_command_ends_an_error_in_one_message(folder):
    done = subprocess.run(
        [sys.executable, "-m", "classification.train", str(folder / "experiment.yaml"), "--member", "plane"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "error: member 'plane' is not in whole; its members: plain. Did you mean 'plain'?\n"
    assert done.stdout == ""


class TestTrainedMember(MemberContract):
    @pytest.fixture
    def member_directory(self, trained) -> Path:
        return trained
