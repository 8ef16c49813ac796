"""One training gives a member a snapshot, resumes as a whole, and is run once."""

import numpy as np
import pytest
import tensorflow as tf

from classification.train import train
from pipeline import training
from pipeline.experiments import validate_experiment
from spine.member.member import Member
from spine.training import trainer
from spine.training.history import History
from tests.experiment_on_disk import write_dataset

LABELS = ("healthy", "degenerated")
SMALL = {"network": "plain_cnn", "weights": "none", "height": 16, "width": 16, "filters": [4], "batch": 8}


def test_one_training_publishes_a_member_a_snapshot(tmp_path, monkeypatch):
    write_dataset(tmp_path / "data", LABELS, 1, {"train": 4, "validation": 3, "test": 1})
    raw = {"name": "e", "task": "classification", "data": tmp_path / "data", "runs": tmp_path / "runs"}
    own = {**SMALL, "epochs": 4, "schedule": "cosine", "snapshots": 2, "learning_rate": 0.01}
    raw |= {"target": "degeneration", "labels": LABELS, "members": {"plain": own}}
    experiment = validate_experiment(raw, "snapshots")
    publish, published = Member.publish, []

    def killed(directory, card):
        published.append(card.name)
        if len(published) == 2:
            raise KeyboardInterrupt
        return publish(directory, card)

    with monkeypatch.context() as patch:
        patch.setattr(Member, "publish", killed)
        with pytest.raises(KeyboardInterrupt):
            train(experiment, "plain-2")
    assert published == ["plain-2", "plain-1"]  # the one that the training lies in is the last
    train(experiment, "plain-1")
    directories = [experiment.member_directory(name) for name in experiment.members]
    members = [Member.open(directory) for directory in directories]
    history = History.read(directories[1] / "history.csv")
    losses = [row["val_loss"] for row in history.rows]
    for member, cycle in zip(members, (losses[:2], losses[2:]), strict=True):
        best = losses.index(min(cycle)) + 1
        assert member.card.details["best_epoch"] == best
        assert member.card.details["val_loss"] == min(cycle)
    models = [tf.saved_model.load(str(member.model)) for member in members]
    one, other = (model.signatures["serving_default"].variables for model in models)
    assert any(np.any(value != changed) for value, changed in zip(one, other, strict=True))
    monkeypatch.setattr(trainer, "silence_tensorflow", lambda: pytest.fail("it was trained again"))
    shown = []
    assert training.train_members(experiment, shown.append) == directories
    assert shown == ["train plain-1: up to date", "train plain-2: up to date"]


def test_a_process_is_started_once_for_all_snapshots(tmp_path, monkeypatch):
    write_dataset(tmp_path / "data", LABELS, 1, {"train": 4, "validation": 3, "test": 1})
    raw = {"name": "e", "task": "classification", "data": tmp_path / "data", "runs": tmp_path / "runs"}
    own = {**SMALL, "epochs": 4, "schedule": "cosine", "snapshots": 3}
    raw |= {"target": "degeneration", "labels": LABELS, "members": {"plain": own, "other": {**own, "snapshots": 1}}}
    started = []
    monkeypatch.setattr(training, "_train_in_own_process", lambda *of: started.append(of[2]) or 0)
    training.train_members(validate_experiment(raw, "snapshots"), lambda line: None)
    assert started == ["plain-1", "other"]
