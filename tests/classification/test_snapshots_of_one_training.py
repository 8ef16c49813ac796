"""One training gives a member a snapshot, resumes as a whole, and is run once."""

import numpy as np
import pytest
import tensorflow as tf

from classification.fit import ClassifierFitting
from classification.train import train
from pipeline import training
from pipeline.experiments import validate_experiment
from spine.dataset.manifest import Manifest
from spine.experiment.outcomes import Outcome
from spine.member.member import Member
from spine.training import callbacks, trainer
from spine.training.history import History
from tests.experiment_on_disk import write_dataset
from tests.jobs_here import train_here

pytestmark = pytest.mark.slow

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


def test_a_training_killed_within_a_cycle_goes_on_as_if_it_had_not_been(tmp_path, monkeypatch):
    write_dataset(tmp_path / "data", LABELS, 1, {"train": 4, "validation": 3, "test": 1})
    raw = {"name": "e", "task": "classification", "data": tmp_path / "data", "target": "degeneration", "labels": LABELS}
    own = {**SMALL, "epochs": 6, "schedule": "cosine", "snapshots": 2, "learning_rate": 0.05, "warmup": 1, "ema": 0.8}
    begin = callbacks.Recorder.on_epoch_begin

    def fitted(runs, kill=None):
        experiment = validate_experiment({**raw, "runs": tmp_path / runs, "members": {"plain": own}}, "snapshots")
        manifest = Manifest.read(experiment.data)
        fitting = ClassifierFitting.of(experiment, "plain-1", manifest, 7)
        if kill is not None:

            def killed(recorder, epoch, logs=None):
                if epoch == kill:
                    raise KeyboardInterrupt
                begin(recorder, epoch, logs)

            with monkeypatch.context() as patch:
                patch.setattr(callbacks.Recorder, "on_epoch_begin", killed)
                with pytest.raises(KeyboardInterrupt):
                    fitting.run()
        history = fitting.run()
        rows = [{name: value for name, value in row.items() if name != "seconds"} for row in history.rows]
        weights = []
        for name in experiment.members:
            one = fitting.outcome(Outcome(experiment, name))
            weights.append((one.best_epoch(), one.best_network().get_weights()))
        return rows, weights

    rows, weights = fitted("whole")
    # Within the first cycle, and within the second, which worse epochs than the best of the first may have begun: the
    # checkpoint of either is still there.
    for kill in (2, 4):
        resumed, others = fitted(f"killed-{kill}", kill)
        assert resumed == rows
        for (epoch, one), (other_epoch, other) in zip(weights, others, strict=True):
            assert epoch == other_epoch
            for value, again in zip(one, other, strict=True):
                np.testing.assert_array_equal(value, again)
    rates = [row["learning_rate"] for row in rows]
    assert rates[:3] == pytest.approx([rates[0], 0.05 * 0.75, 0.05 * 0.25])  # (1 + cos(k pi / 3)) / 2
    assert rates[3:] == pytest.approx([0.05, 0.05 * 0.75, 0.05 * 0.25])


def test_a_process_is_started_once_for_all_snapshots(tmp_path, monkeypatch):
    write_dataset(tmp_path / "data", LABELS, 1, {"train": 4, "validation": 3, "test": 1})
    raw = {"name": "e", "task": "classification", "data": tmp_path / "data", "runs": tmp_path / "runs"}
    own = {**SMALL, "epochs": 4, "schedule": "cosine", "snapshots": 3}
    raw |= {"target": "degeneration", "labels": LABELS, "members": {"plain": own, "other": {**own, "snapshots": 1}}}
    started = []
    train_here(monkeypatch, lambda name, file: started.append(name) or 0)
    training.train_members(validate_experiment(raw, "snapshots"), lambda line: None)
    assert started == ["plain-1", "other"]
