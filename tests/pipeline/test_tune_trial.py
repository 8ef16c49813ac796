"""One trial with a small script in place of the training: watched, cut short, judged, killed, gone on with."""

import json
import sys

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ensemble.validation_score import score_on_validation
from pipeline.tuning import trial
from pipeline.tuning.trial import Ended, run_trial, watched_value
from spine.core.problems import SpineError
from spine.dataset.manifest import Manifest
from spine.dataset.truth import ClassTruth
from spine.training.history import History
from tests.experiment_on_disk import write_experiment

TRAINING = """
import csv, os, sys, time
from pathlib import Path
directory, last, ending = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
directory.mkdir(parents=True, exist_ok=True)
(directory / "member.json").write_text("{}")
print("an epoch's line")
rows = [f"scratch,{epoch},{1 / epoch}" for epoch in range(1, last + 1)]
(directory / "history.tmp").write_text("\\n".join(["phase,epoch,val_loss", *rows]) + "\\n")
(directory / "history.tmp").rename(directory / "history.csv")
if ending == "wait":
    time.sleep(60)
if ending == "fail":
    sys.exit("error: the training diverged")
if ending == "kill":
    os.kill(os.getpid(), 9)
"""


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    return write_experiment(tmp_path_factory.mktemp("trial"), slices=1, search={"metric": "roc_auc"})


@pytest.fixture
def train(experiment, tmp_path, monkeypatch):
    """Run a trial whose training ends after so many epochs, in some way; the watch cuts it short after `cut`."""
    monkeypatch.setattr(trial, "judge_in_own_process", lambda *_: 0.75)
    monkeypatch.setattr(trial, "LOOK_EVERY", 0.01)

    def train(epochs, ending="", cut=None):
        directory = tmp_path / "0000" / "small" / "members" / "vgg"
        command = [sys.executable, "-S", "-c", TRAINING, str(directory), str(epochs), ending]
        monkeypatch.setattr(trial, "command_of", lambda *_: command)
        (tmp_path / "0000").mkdir(exist_ok=True)
        return run_trial(experiment, "vgg", tmp_path / "0000", lambda row: row["epoch"] == cut)

    return train


def test_a_training_that_ends_is_judged_and_its_record_kept(train, tmp_path):
    assert train(3) == Ended("complete", 0.75)
    assert len(History.read(tmp_path / "0000" / "history.csv")) == 3
    assert (tmp_path / "0000" / "log.txt").read_text() == "an epoch's line\n"
    assert sorted(path.name for path in (tmp_path / "0000").iterdir()) == [
        *("experiment.yaml", "history.csv", "log.txt", "result.json")
    ]


def test_a_hopeless_training_is_ended_and_keeps_the_epochs_that_were_looked_at(train, tmp_path):
    assert train(5, "wait", cut=2) == Ended("pruned", note="after epoch 2")
    assert len(History.read(tmp_path / "0000" / "history.csv")) == 2


def test_a_training_that_ended_before_anybody_looked_is_cut_short_all_the_same(train):
    assert train(5, cut=2) == Ended("pruned", note="after epoch 2")


def test_a_training_that_fails_leaves_its_last_word(train):
    assert train(1, "fail") == Ended("failed", note="the training diverged")


def test_a_training_that_the_system_killed_may_go_on(train, tmp_path):
    with pytest.raises(SpineError, match=r"killed by signal 9; perhaps out of memory. Run the same command again"):
        train(1, "kill")
    assert (tmp_path / "0000" / "small").exists()  # its checkpoints are not lost
    assert train(2) == Ended("complete", 0.75)


def test_a_trial_that_was_judged_is_not_trained_again(train, tmp_path):
    train(1)
    file = tmp_path / "0000" / "result.json"
    kept = json.loads(file.read_text())
    file.write_text(json.dumps({**kept, "score": 0.5}))
    assert train(1, "fail") == Ended("complete", 0.5)
    file.write_text(json.dumps({**kept, "tried": "other settings"}))
    assert train(1, "fail") == Ended("failed", note="the training diverged")


def test_a_score_that_is_no_number_is_no_score(train, monkeypatch):
    monkeypatch.setattr(trial, "judge_in_own_process", lambda *_: float("nan"))
    assert train(1) == Ended("failed", note="the metric has no value")


def test_the_watched_value_is_of_validation():
    row = {"epoch": 1, "loss": 3.0, "val_loss": 2.0, "val_dice_foreground": 0.5}
    assert watched_value(row, "") == ("val_dice_foreground", 0.5)
    assert watched_value(row, "val_loss") == ("val_loss", 2.0)
    assert watched_value({"epoch": 1, "loss": 3.0}, "val_loss") is None  # a phase that is not validated
    with pytest.raises(
        SpineError, match=r"tune\.watch is 'val_auc'; the epochs of this member have val_loss, val_dice_"
    ):
        watched_value(row, "val_auc")


def test_the_score_is_that_of_validation_and_reads_no_test(experiment):
    manifest = Manifest.read(experiment.data)
    truth = ClassTruth.of_classification(manifest, "validation", experiment.target, experiment.labels)
    directory = experiment.member_directory("vgg")
    (directory / "predictions" / "test").rename(directory / "gone")
    probabilities = np.load(directory / "predictions" / "validation" / "probabilities.npy")
    assert score_on_validation(experiment, "vgg") == pytest.approx(roc_auc_score(truth.values, probabilities[:, 1]))
    assert not (directory / "predictions" / "test").exists()
