"""What members were trained with is told where the experiment says something else by now."""

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.training import train_members
from spine.core.privacy import salt_id
from spine.core.problems import SpineError
from spine.experiment.trained import as_trained, trained_otherwise, under_another_salt, warn_if_settings_changed
from spine.member.member import Patients
from tests.experiment_on_disk import write_experiment

HOW = "was trained with epochs 8 (the experiment says 45)"
LINE = f"member vgg {HOW}"
ADVICE = "train it as the experiment says with `spine train EXPERIMENT`, or leave the change out"


def with_epochs(experiment, epochs):
    settings = experiment.members["vgg"].model_copy(update={"epochs": epochs})
    return experiment.model_copy(update={"members": {**experiment.members, "vgg": settings}})


@pytest.fixture
def experiment(tmp_path):
    """An experiment that says 45 epochs, of whose members vgg was trained for 8, and squeeze left no record."""
    now = with_epochs(write_experiment(tmp_path, evaluate={"resamples": 100}), 45)
    for name, then in (("vgg", with_epochs(now, 8)), ("dense", now)):
        then.write(now.member_directory(name) / "config.yaml")
    return now


def test_a_member_of_other_settings_is_told(experiment):
    assert trained_otherwise(experiment) == {"vgg": HOW}
    assert trained_otherwise(with_epochs(experiment, 8)) == {}


def test_what_is_not_the_members_own_and_what_lies_deeper_is_told_too(experiment):
    told = trained_otherwise(experiment.model_copy(update={"seed": 3}))
    assert told == {
        "vgg": "was trained with seed 0 (the experiment says 3), epochs 8 (the experiment says 45)",
        "dense": "was trained with seed 0 (the experiment says 3)",
    }
    head = experiment.members["dense"].head.model_copy(update={"dropout": 0.125})
    dense = experiment.members["dense"].model_copy(update={"head": head})
    other = experiment.model_copy(update={"members": {**experiment.members, "dense": dense}})
    before = experiment.members["dense"].head.dropout
    told = f"was trained with head.dropout {before} (the experiment says 0.125)"
    assert trained_otherwise(other) == {"vgg": HOW, "dense": told}


def test_a_fold_s_record_is_the_members(experiment):
    place = experiment.member_directory("vgg")
    (place / "fold-0").mkdir()
    (place / "config.yaml").rename(place / "fold-0" / "config.yaml")
    assert trained_otherwise(experiment) == {"vgg": HOW}


def test_resolved_settings_are_those_of_the_training(experiment):
    members = as_trained(experiment)["members"]
    assert members["vgg"]["epochs"] == 8
    assert members["dense"] == experiment.members["dense"].model_dump(mode="json")
    assert members["squeeze"] == experiment.members["squeeze"].model_dump(mode="json")


@pytest.mark.parametrize("stage", ["predict", "search", "export", "evaluate", "report"])
def test_every_stage_warns_in_a_line(experiment, tmp_path, monkeypatch, stage):
    monkeypatch.setattr("pipeline.registry.stage", lambda name: lambda experiment, **chosen: [])
    for name in ("evaluate", "report"):
        monkeypatch.setattr(f"pipeline.registry.{name}", lambda experiment, dataset: [])
    monkeypatch.setattr("pipeline.registry.search_summary", lambda experiment: "told")
    monkeypatch.setattr("pipeline.cli.experiments.show_leaderboard", lambda *_: None)
    done = CliRunner().invoke(app, [stage, str(experiment.write(tmp_path / "x.yaml"))])
    assert done.exit_code == 0, done.output
    assert done.stderr.splitlines().count(f"== warning: {LINE}; {ADVICE}") == 1


@pytest.mark.parametrize("record", ["members: {}", "members: {dense: {epochs: 1}}", "name: small", "members: [vgg]"])
def test_a_record_of_another_member_is_refused_by_its_path(experiment, record):
    (experiment.member_directory("vgg") / "config.yaml").write_text(record)
    with pytest.raises(SpineError, match=r"vgg.config\.yaml has no settings of member vgg\. It is the rec"):
        trained_otherwise(experiment)


def test_members_of_another_salt_are_told_by_every_command(experiment, monkeypatch):
    assert under_another_salt(experiment) == []
    before = salt_id()
    monkeypatch.setenv("SPINE_SALT", "the project was copied without its own")
    (line,) = under_another_salt(experiment)
    assert line.startswith(f"vgg, dense, squeeze: trained under another salt ({before}, now {salt_id()})")
    assert "put that .spine-salt back" in line
    told = []
    warn_if_settings_changed(experiment, told.append)
    assert f"warning: {line}" in told


def test_a_training_warns_before_it_trains_again(experiment, monkeypatch):
    monkeypatch.setenv("SPINE_SALT", "the project was copied without its own")
    monkeypatch.setattr("pipeline.training._train", lambda *arguments: None)
    told = []
    train_members(experiment, told.append)
    assert told[0] == f"warning: {under_another_salt(experiment)[0]}"


def test_hashes_of_two_salts_name_the_way_back(monkeypatch):
    here = salt_id()
    with pytest.raises(SpineError, match=rf"different salts \(11111111, 22222222; here it is {here}\)") as told:
        Patients.union([Patients(salt="11111111", trained=("x",)), Patients(salt="22222222", searched=("y",))])
    assert "Put the .spine-salt that they were trained with back" in str(told.value)


@pytest.mark.parametrize("content", [b"[]", b"a: [", b"\xff\xfe\x00", b"members: 3"])
def test_a_damaged_record_says_that_it_may_be_removed(experiment, content):
    record = experiment.member_directory("vgg") / "config.yaml"
    record.write_bytes(content)
    with pytest.raises(SpineError, match=r"vgg.config\.yaml .*remove it, and the member is taken as the experiment"):
        trained_otherwise(experiment)
    record.unlink()
    assert trained_otherwise(experiment) == {}
