"""A member with snapshots stands for a member a snapshot, all of one training."""

from pathlib import Path

import pytest
import yaml

from pipeline.experiments import load_experiment, validate_experiment
from spine.core.problems import SpineError
from spine.experiment.outcomes import outcomes

PLAIN = {"network": "plain_cnn", "weights": "none", "schedule": "cosine", "snapshots": 2}


def experiment(members=None, **settings):
    raw = {"name": "e", "task": "classification", "data": "d", "target": "t", "labels": ["a", "b"]}
    return validate_experiment({**raw, "members": members or {"plain": PLAIN}, **settings}, "e")


def test_members_of_a_training_know_each_other():
    one = experiment({"other": {**PLAIN, "snapshots": 1}, "plain": PLAIN})
    assert list(one.members) == ["other", "plain-1", "plain-2"]
    assert [settings.snapshot for settings in one.members.values()] == [None, 1, 2]
    for member, together in (
        ("other", ["other"]),
        ("plain-1", ["plain-1", "plain-2"]),
        ("plain-2", ["plain-1", "plain-2"]),
    ):
        assert [outcome.member for outcome in outcomes(one, member)] == together
    assert one.member_hash("plain-1", "", "") != one.member_hash("plain-2", "", "")


def test_what_is_written_comes_back_and_a_snapshot_that_was_changed_is_of_another_training(tmp_path: Path):
    whole = experiment()
    file = whole.write(tmp_path / "experiment.yaml")
    assert load_experiment(file) == whole
    assert list(yaml.safe_load(file.read_text())["members"]) == ["plain-1", "plain-2"]
    changed = load_experiment(file, ["members.plain-2.epochs=7"])
    assert [outcome.member for outcome in outcomes(changed, "plain-1")] == ["plain-1"]
    assert [outcome.member for outcome in outcomes(changed, "plain-2")] == ["plain-2"]


@pytest.mark.parametrize(
    ("members", "settings", "complaint"),
    [
        (
            {"plain": PLAIN, "plain-2": {**PLAIN, "snapshots": 1}},
            {},
            "members.plain has a snapshot 'plain-2', as another",
        ),
        (
            {"plain-1": {**PLAIN, "snapshots": 1}, "plain": PLAIN},
            {},
            "members.plain has a snapshot 'plain-1', as another",
        ),
        ({"plain": PLAIN, "PLAIN-1": {**PLAIN, "snapshots": 1}}, {}, "'plain-1' and 'PLAIN-1' differ only in case"),
        ({"plain": {**PLAIN, "schedule": "constant"}}, {}, "set schedule to it, not to constant"),
        ({"plain": {**PLAIN, "epochs": 1}}, {}, "snapshots is 2, and the last phase has 1 epochs"),
        ({"plain": {**PLAIN, "snapshot": 3}}, {}, "snapshot is 3 of 2; leave it out"),
        ({"plain": {**PLAIN, "snapshots": 1, "snapshot": 1}}, {}, "snapshot is 1 of 1; leave it out"),
        (None, {"folds": 3, "served": "refit"}, "refit, which .* takes no snapshots; use mean"),
    ],
)
def test_what_does_not_hold_is_told(members, settings, complaint):
    with pytest.raises(SpineError, match=complaint):
        experiment(members, **settings)
