"""A SavedModel that this project did not make runs only where somebody said so, once."""

import shutil

import pytest
from typer.testing import CliRunner

from ensemble import evaluate, export, predict
from pipeline.cli import app, main
from pipeline.experiments import validate_experiment
from spine.core.files import read_json
from spine.core.problems import SpineError
from spine.experiment.trust import trust, trust_members
from spine.member.member import Card, Member
from spine.member.run_model import load_model
from spine.member.seals import SEALS
from spine.member.serving import drop_unnamed_versions
from tests.experiment_on_disk import write_experiment, write_model

runner = CliRunner()


def from_elsewhere(directory):
    """A member's directory as it comes from another project: whole, with the seals of that project."""
    model_hash = write_model(directory, "graph")
    Member.publish(directory, Card(name="m", task="classification", labels=("a", "b"), model_hash=model_hash))
    return directory


@pytest.fixture
def theirs(tmp_path, monkeypatch):
    monkeypatch.setenv("SPINE_SALT", "another project's")
    directory = from_elsewhere(tmp_path / "theirs")
    monkeypatch.setenv("SPINE_SALT", "salt of the tests")
    return directory


def test_what_was_published_here_runs(tmp_path):
    member = Member.open(from_elsewhere(tmp_path))
    assert member.trusted_model == tmp_path / "model" / "1"


def test_what_comes_from_elsewhere_says_so_and_what_to_do(theirs):
    with pytest.raises(SpineError, match=r"was not made in this project.*spine predict EXPERIMENT --trust"):
        _ = Member.open(theirs).trusted_model


def test_a_segmenter_that_a_member_measures_by_is_trusted_with_it(theirs, tmp_path):
    shutil.copytree(theirs, theirs / "fold-0")
    own = {"network": "measurements", "segmenter": str(theirs)}
    raw = {"name": "e", "task": "classification", "data": "d", "labels": ["a", "b"], "runs": str(tmp_path / "runs")}
    told = []
    trust_members(validate_experiment({**raw, "members": {"measured": own}}, "e"), told.append)
    assert len(told) == 2
    assert Member.open(theirs).may_run
    assert Member.open(theirs / "fold-0").may_run


def test_a_forged_card_does_not_help(theirs):
    card = Member.open(theirs).card
    (theirs / SEALS).write_text(f"{card.model_hash}\n{'0' * 64}\n")
    assert not Member.open(theirs).may_run


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe\x00", b"\n\n"])
def test_damaged_seals_are_none(theirs, damage):
    (theirs / SEALS).write_bytes(damage)
    assert not Member.open(theirs).may_run


def test_trust_is_remembered_until_the_model_changes(theirs):
    told = []
    trust([theirs], told.append)
    assert len(told) == 1
    assert Member.open(theirs).trusted_model == theirs / "model" / "1"
    trust([theirs], told.append)
    assert len(told) == 1  # once
    (theirs / "model" / "1" / "saved_model.pb").write_text("another graph")
    with pytest.raises(SpineError, match="or has changed since"):
        _ = Member.open(theirs).trusted_model
    (theirs / "model" / "1" / "saved_model.pb").write_text("graph")
    assert Member.open(theirs).may_run


def test_a_file_more_in_a_model_is_another_model(tmp_path):
    member = Member.open(from_elsewhere(tmp_path))
    (tmp_path / "model" / "1" / "assets.extra").write_text("x")
    assert not member.may_run


def test_a_newer_version_that_nobody_published_does_not_run(tmp_path):
    member = Member.open(from_elsewhere(tmp_path))
    (tmp_path / "model" / "2").mkdir()
    (tmp_path / "model" / "2" / "saved_model.pb").write_text("slipped in")
    assert not member.may_run


def test_a_member_of_before_is_trusted_by_the_command(tmp_path, monkeypatch, capsys):
    experiment = write_experiment(tmp_path, members=("vgg",))
    monkeypatch.chdir(tmp_path)
    file = experiment.write(tmp_path / "experiment.yaml")
    (experiment.member_directory("vgg") / SEALS).unlink()
    monkeypatch.setattr("sys.argv", ["spine", "predict", str(file), "--trust"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert "trusted from now on" in capsys.readouterr().err
    assert Member.open(experiment.member_directory("vgg")).may_run


def test_members_of_folds_are_trusted_too(tmp_path):
    experiment = write_experiment(tmp_path, members=("vgg",)).model_copy(update={"folds": 2})
    fold = from_elsewhere(experiment.member_directory("vgg") / "fold-1")
    (fold / SEALS).unlink()
    trust_members(experiment, lambda line: None)
    assert Member.open(fold).may_run


def test_what_a_killed_export_left_is_removed_and_nothing_else(tmp_path):
    member = Member.open(from_elsewhere(tmp_path))
    for version in ("2", "3"):
        (tmp_path / "model" / version).mkdir()
        (tmp_path / "model" / version / "saved_model.pb").write_text(f"half {version}")
    drop_unnamed_versions(tmp_path)
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["1"]
    assert member.may_run

    (tmp_path / "model" / "1" / "saved_model.pb").write_text("damaged")
    drop_unnamed_versions(tmp_path)  # member.json names it: it is not a leftover
    assert (tmp_path / "model" / "1").exists()

    (tmp_path / "member.json").unlink()
    drop_unnamed_versions(tmp_path)  # of a first export that was killed
    assert not (tmp_path / "model" / "1").exists()


def test_no_stage_runs_what_is_not_trusted(tmp_path):
    experiment = write_experiment(tmp_path, members=("vgg",))
    member = Member.open(experiment.member_directory("vgg"))
    (member.path / SEALS).unlink()
    for split in ("validation", "test"):
        shutil.rmtree(member.path / "predictions" / split)
    with pytest.raises(SpineError, match="was not made in this project"):
        predict.run(experiment)
    with pytest.raises(SpineError, match="was not made in this project"):
        load_model(member)  # crops by a detector, and two stages, load it the same way


def test_an_export_does_not_launder_a_member(tmp_path):
    experiment = write_experiment(tmp_path, members=("vgg",))
    (experiment.member_directory("vgg") / SEALS).unlink()
    with pytest.raises(SpineError, match="was not made in this project"):
        export.run(experiment)
    assert not (experiment.ensemble_directory / "model").exists()


def test_an_evaluation_runs_nothing_and_says_so(tmp_path):
    experiment = write_experiment(tmp_path, members=("vgg", "b"), evaluate={"resamples": 100})
    (experiment.member_directory("vgg") / SEALS).unlink()
    found = read_json(evaluate.run(experiment)[0])
    assert any(note.startswith("Not timed: vgg, whose SavedModel was not made") for note in found["notes"])
    assert found["costs"]["vgg"]["seconds"] is None


@pytest.mark.parametrize("command", [["data", "crop"], ["data", "build"], ["two-stage"], ["predict"], ["run"]])
def test_every_command_that_runs_a_model_knows_trust(command):
    found = runner.invoke(app, [*command, "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert found.exit_code == 0
    assert "--trust" in found.output
