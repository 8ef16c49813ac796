"""The weights of all parts of a suite are fetched, or read, before the first part trains."""

import json
from subprocess import CompletedProcess

import pytest
from typer.testing import CliRunner

from classification import squeezenet
from classification.config import Settings
from pipeline import training
from pipeline.cli import app
from pipeline.experiments import load_experiment
from pipeline.fetch import fetch
from pipeline.fetch_ahead import fetch_ahead
from spine.core.problems import SpineError
from tests.experiment_on_disk import write_experiment, write_member
from tests.jobs_here import train_here, train_nothing

pytestmark = pytest.mark.slow


@pytest.fixture
def started(monkeypatch):
    """The members of each fetching process; what such a process does is done here."""
    asked = []

    def run_here(command, **_):
        file, *members = command[command.index("pipeline.fetch") + 1 :]
        asked.append(members)
        return CompletedProcess(command, 0, json.dumps(fetch(load_experiment(file), members)))

    monkeypatch.setattr("pipeline.fetch.subprocess.run", run_here)
    return asked


@pytest.fixture
def shown():
    return []


def part(tmp_path, name, **members):
    """An experiment of a suite, each member of 32 x 32 pixels."""
    experiment = write_experiment(tmp_path / name, members=tuple(members)).model_copy(update={"name": name})
    settings = {own: Settings(**{"height": 32, "width": 32, **given}) for own, given in members.items()}
    return experiment.model_copy(update={"members": settings})


@pytest.fixture
def good(tmp_path):
    """A file that fits SqueezeNet."""
    squeezenet.SqueezeNet(input_shape=(32, 32, 3)).save_weights(tmp_path / "good.weights.h5")
    return {"network": "squeezenet", "weights": str(tmp_path / "good.weights.h5")}


GONE = {"network": "vgg16", "weights": "gone.h5"}


def test_all_that_parts_lack_is_named_with_the_part(tmp_path, good, started, shown):
    parts = [
        part(tmp_path, "first", one=good, own={"network": "plain_cnn", "weights": "none"}),
        part(tmp_path, "second", lost=GONE, well=good),
        part(tmp_path, "third", other={**good, "network": "vgg16"}, again=GONE),
    ]
    with pytest.raises(SpineError) as error:
        fetch_ahead(parts, (), shown.append)
    headline, lost, other = str(error.value).splitlines()
    assert headline == "no training was started: these weights are not available:"
    assert lost.startswith("second, members.lost, third, members.again: weights 'gone.h5' is not a file")
    assert other.startswith("third, members.other: weights ")
    assert started == [["one"], ["lost"], ["other"]]  # each weights once
    assert shown == [f"read weights of {name}" for name in ("first", "second", "third")]


def test_what_was_fetched_ahead_is_not_fetched_again(tmp_path, good, started, shown, monkeypatch):
    first, second = part(tmp_path, "first", one=good), part(tmp_path, "second", two=good, three={**good, "epochs": 3})
    fetched = fetch_ahead([first, second], (), shown.append)
    assert started == [["one"]]
    train_here(monkeypatch, lambda *given: 0)
    training.train_members(second, shown.append, fetched=fetched)
    assert started == [["one"]]
    training.train_members(second, shown.append)  # alone
    assert started == [["one"], ["two", "three"]]


def test_a_member_of_an_earlier_part_is_left_to_its_turn(tmp_path, good, started, shown):
    first = part(tmp_path, "first", one={"network": "squeezenet", "weights": "none"})
    base = {"network": "squeezenet", "weights": str(first.member_directory("one"))}
    assert fetch_ahead([first, part(tmp_path, "second", two=base)], (), shown.append) == frozenset()
    with pytest.raises(SpineError, match=r"second, members.two: weights .*members/one' is not a file"):
        fetch_ahead([part(tmp_path, "second", two=base), first], (), shown.append)  # trained too late


def test_members_that_are_up_to_date_are_not_asked_for(tmp_path, good, started, shown):
    first = part(tmp_path, "first", done=GONE, one={**good, "epochs": 3})
    write_member(first, "done", noise=1.0)
    assert fetch_ahead([first, part(tmp_path, "second", two=good)], (), shown.append)
    assert started == [["one"]]


def test_of_a_dataset_that_waits_all_members_are_asked_for(tmp_path, good, started, shown):
    first = part(tmp_path, "first", one={"network": "plain_cnn", "weights": "none"})
    waits = part(tmp_path, "second", two=good).model_copy(update={"build": "crops.yaml", "data": tmp_path / "nowhere"})
    fetch_ahead([first, waits], (), shown.append)
    assert started == [["two"]]


def test_a_single_experiment_is_left_to_its_turn(tmp_path, started, shown):
    assert fetch_ahead([part(tmp_path, "only", one=GONE)], (), shown.append) == frozenset()
    assert (started, shown) == ([], [])


def test_a_suite_that_lacks_weights_trains_nothing(tmp_path, good, started, monkeypatch):
    files = []
    for name, members in (("first", {"one": good}), ("second", {"lost": GONE})):
        experiment = part(tmp_path, name, **members)
        files.append(str(experiment.write(tmp_path / f"{name}.yaml")))
    (tmp_path / "suite.yaml").write_text(json.dumps({"experiments": files}))
    train_nothing(monkeypatch)
    with pytest.raises(SpineError, match=r"no training was started.*\nsecond, members.lost: weights 'gone.h5'"):
        CliRunner().invoke(app, ["run", str(tmp_path / "suite.yaml")], catch_exceptions=False)
