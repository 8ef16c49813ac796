"""Training one detection member: what it learns, killed and resumed, and the member it leaves."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from detection.train import fitting_of, train
from ensemble.predict import run as predict
from spine.core.privacy import patient_hash
from spine.core.problems import SpineError
from spine.experiment.config import Experiment
from spine.member.member import Member
from spine.training.history import History
from spine.training.rehearsal import rehearse_member
from tests.detection_on_disk import experiment_of, write_boxes
from tests.killed_training import kill_after_epoch
from tests.member_contract import MemberContract

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
SALT = "salt of the tests"
EPOCHS = 24
LOSSES = ("rcnn_box", "rcnn_cls", "rpn_box", "rpn_cls")
MEMBER = {
    "backbone": "mobilenet0.25",
    "backbone_weights": "none",
    "height": 64,
    "width": 64,
    "min_level": 3,
    "max_level": 4,
    "decoder": {"type": "fpn", "fpn": {"num_filters": 16}},
    "anchor": {"anchor_size": 2.0, "aspect_ratios": [1.0, 2.0]},
    "rpn_head": {"num_filters": 16},
    "detection_head": {"num_fcs": 1, "fc_dims": 64},
    "roi_generator": {"num_proposals": 32, "test_num_proposals": 32},
    "roi_sampler": {"num_sampled_rois": 16},
    "parser": {"rpn_batch_size_per_im": 32, "max_num_instances": 5},
    "detection_generator": {"max_num_detections": 10},
    "batch": 4,
    "epochs": EPOCHS,
    "optimizer": "adam",
    "learning_rate": 3e-3,
    "augmentation": {"horizontal_flip": 0.5},
}
PATIENTS = {"train": 16, "validation": 4, "test": 4}


@pytest.fixture(scope="module")
def experiment(tmp_path_factory) -> Experiment:
    folder = tmp_path_factory.mktemp("training")
    write_boxes(folder / "data", PATIENTS)
    wild = {**MEMBER, "learning_rate": 1e30, "global_clipnorm": None, "optimizer": "sgd", "warmup": 0}
    return experiment_of(folder, {"tiny": MEMBER, "wild": wild})


@pytest.fixture(scope="module")
def trained(experiment) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPINE_SALT", SALT)
        directory = train(experiment, "tiny")
        predict(experiment.model_copy(update={"members": {"tiny": experiment.members["tiny"]}}))
    return directory


def values(history: History, column: str) -> np.ndarray:
    return np.array([float(row[column]) for row in history.rows])


def test_it_learns_and_tells_so_in_its_history(trained):
    history = History.read(trained / "history.csv")
    assert list(history.rows[0]) == [
        *("phase", "epoch", "loss", *LOSSES, "val_map50", "val_map50_95", "seconds", "learning_rate"),
    ]
    assert len(history) == EPOCHS
    assert values(history, "loss")[-1] < values(history, "loss")[0] / 2
    assert values(history, "val_map50").max() > 0.3
    assert list((trained / "logs" / "validation").glob("events.*"))
    assert Member.open(trained).card.details["val_map50"] == values(history, "val_map50").max()


def test_a_rehearsal_tells_what_a_few_batches_take_and_keeps_nothing(experiment, tmp_path):
    told = rehearse_member(fitting_of, experiment.model_copy(update={"runs": tmp_path}), "tiny")
    assert set(told.lengths.values()) == {2}
    assert min(told.epoch_seconds.values()) > 0
    assert list(tmp_path.iterdir()) == []


def test_the_card_names_its_patients_by_hash(trained):
    patients = Member.open(trained).card.patients
    assert set(patients.trained) == {patient_hash(f"train{number:02d}") for number in range(16)}
    assert set(patients.stopped) == {patient_hash(f"validation{number:02d}") for number in range(4)}


def start(file: Path, member: str, **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "detection.train", str(file), "--member", member],
        cwd=ROOT,
        env={**os.environ, "SPINE_SALT": SALT, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_divergence_is_told_and_leaves_no_member(experiment):
    with pytest.raises(SpineError, match="'wild' diverged in epoch 1"):
        train(experiment, "wild")
    assert not (experiment.member_directory("wild") / "member.json").exists()


class TestTrainedMember(MemberContract):
    @pytest.fixture
    def member_directory(self, trained) -> Path:
        return trained


def test_a_killed_run_ends_as_one_that_was_not_with_its_averages(tmp_path, monkeypatch):
    monkeypatch.setenv("SPINE_SALT", SALT)
    write_boxes(tmp_path / "data", {"train": 4, "validation": 2, "test": 2})
    whole = experiment_of(tmp_path, {"tiny": {**MEMBER, "epochs": 8, "ema": 0.5}})
    expected = train(whole, "tiny")
    killed = whole.model_copy(update={"name": "killed"})
    directory = killed.member_directory("tiny")
    kill_after_epoch(2, start(killed.write(killed.directory / "experiment.yaml"), "tiny"), directory)
    assert not (directory / "member.json").exists()
    before = History.read(directory / "history.csv")
    histories = [History.read(one / "history.csv") for one in (expected, train(killed, "tiny"))]
    assert 1 <= len(before) < 8  # history.csv follows the checkpoint
    assert histories[1].rows[: len(before)] == before.rows
    for column in ("epoch", "loss", "val_map50", "learning_rate"):
        np.testing.assert_allclose(*(values(history, column) for history in histories), rtol=1e-3, atol=1e-6)
    models = [tf.saved_model.load(str(one / "model" / "1")) for one in (expected, directory)]
    one, other = (model.signatures["serving_default"].variables for model in models)
    assert len(one) > 20
    for value, same in zip(one, other, strict=True):
        np.testing.assert_allclose(value, same, rtol=1e-3, atol=1e-4)
