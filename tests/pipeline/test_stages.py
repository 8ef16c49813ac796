import os
import shutil
import socket
import threading
from pathlib import Path

import pytest
import yaml

from pipeline import registry, stages, training
from pipeline.data import build_ahead, build_data, warn_if_config_changed
from pipeline.jobs.job import Record
from spine.core.problems import SpineError
from spine.core.processes import exclusive_lock
from spine.core.writers import writer
from spine.dataset.manifest import Manifest
from spine.intake import load_data_config
from spine.member.member import Card, Member
from tests.experiment_on_disk import write_experiment
from tests.jobs_here import train_here, train_nothing
from tests.spine.dataset_on_disk import smooth_noise, write_dataset


@pytest.fixture
def shown():
    return []


def test_members_that_are_up_to_date_are_not_trained_again(tmp_path, monkeypatch, shown):
    experiment = write_experiment(tmp_path)
    train_nothing(monkeypatch)
    paths = training.train_members(experiment, shown.append)
    assert paths == [experiment.member_directory(name) for name in experiment.members]
    assert all("up to date" in line for line in shown)


def test_a_crash_costs_one_member(tmp_path, monkeypatch, shown):
    experiment = write_experiment(tmp_path, members=("first", "second"))
    for name in experiment.members:
        (experiment.member_directory(name) / "member.json").unlink()
    started = []

    def crash_first(name, file):
        started.append(name)
        return 1 if name == "first" else 0

    train_here(monkeypatch, crash_first)
    with pytest.raises(SpineError, match="failed for first"):
        training.train_members(experiment, shown.append)
    assert started == ["first", "second"]


def test_a_member_that_another_command_trains_is_not_called_failed(tmp_path, monkeypatch, shown):
    experiment = write_experiment(tmp_path, members=("first", "second"))
    cards = {}
    for name in experiment.members:
        cards[name] = experiment.member_directory(name) / "member.json"
        cards[name].rename(tmp_path / f"{name}.json")
    Record("train first", "running", host="here", writer=writer()).write(
        experiment.directory / "jobs" / "train-first.json"
    )
    train_here(monkeypatch, lambda name, file: publish(name) or 0)

    def publish(name):
        (tmp_path / f"{name}.json").rename(cards[name])

    with pytest.raises(SpineError) as error:
        training.train_members(experiment, shown.append)
    assert str(error.value) == (
        f"being trained by another command: first by process {os.getpid()} on here. When that has ended, the same "
        "command goes on"
    )
    cards["second"].rename(tmp_path / "second.json")
    train_here(monkeypatch, lambda name, file: publish("first") or publish(name) or 0)  # the other one has ended by now
    training.train_members(experiment, shown.append)
    assert all(card.exists() for card in cards.values())


def test_who_is_a_moment_later_at_a_member_is_told_who_trains_it(tmp_path, monkeypatch, shown):
    """Before the first one's record says that it runs: the directory is held by then."""
    experiment = write_experiment(tmp_path, members=("first", "second"))
    for name in experiment.members:
        (experiment.member_directory(name) / "member.json").unlink()
    train_here(monkeypatch, lambda *_: 1)
    with exclusive_lock(experiment.member_directory("first")), pytest.raises(SpineError) as error:
        training.train_members(experiment, shown.append)
    failed, elsewhere, _ = str(error.value).split(". ")[0], *str(error.value).split(". ")[-2:]
    assert failed == "training failed for second (see above)"
    me = f"process {os.getpid()} on {socket.gethostname()}"
    assert elsewhere == f"being trained by another command: first by {me}"


@pytest.mark.parametrize(
    ("status", "told"),
    [(1, "see above"), (-9, "was killed by signal 9; perhaps out of memory"), (-15, "was killed by signal 15")],
)
def test_how_a_training_ended_is_told(tmp_path, monkeypatch, shown, status, told):
    experiment = write_experiment(tmp_path, members=("first",))
    (experiment.member_directory("first") / "member.json").unlink()
    train_here(monkeypatch, lambda *_: status)
    with pytest.raises(SpineError, match=rf"training failed for first \({told}\)\. Fix"):
        training.train_members(experiment, shown.append)


def test_a_changed_setting_trains_again(tmp_path, monkeypatch, shown):
    experiment = write_experiment(tmp_path)
    directory = experiment.member_directory("vgg")
    Member.publish(directory, Member.open(directory).card.model_copy(update={"config_hash": "another"}))
    started = []
    train_here(monkeypatch, lambda name, file: started.append(name) or 0)
    training.train_members(experiment, shown.append)
    assert started == ["vgg"]


def test_a_member_whose_model_is_lost_or_cut_is_trained_again(tmp_path, monkeypatch, shown):
    experiment = write_experiment(tmp_path)
    shutil.rmtree(experiment.member_directory("vgg") / "model")
    (experiment.member_directory("dense") / "model" / "1" / "saved_model.pb").write_text("cut")
    started = []
    train_here(monkeypatch, lambda name, file: started.append(name) or 0)
    training.train_members(experiment, shown.append)
    assert started == ["vgg", "dense"]


def test_a_foreign_member_is_never_trained_over(tmp_path, monkeypatch, shown):
    experiment = write_experiment(tmp_path)
    directory = experiment.member_directory("vgg")
    kept = {"model_hash": Member.open(directory).card.model_hash}  # its predictions are of that
    card = Card(name="vgg", task="classification", labels=experiment.labels, kind="foreign", **kept)
    Member.publish(directory, card)
    train_nothing(monkeypatch)
    training.train_members(experiment, shown.append)
    assert Member.open(directory).card == card
    assert shown[0] == "train vgg: external, up to date"
    shutil.rmtree(directory / "predictions" / "test")
    with pytest.raises(SpineError, match=r"'vgg' is an external member, .* not of test as the dataset is now"):
        training.train_members(experiment, shown.append)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"labels": ("healthy", "ill")}, r"target 'degeneration' holds \['degenerated'\]"),
        ({"labels": ("healthy", "degenerated", "ill")}, r"members.first: the training rows hold no 'ill'"),
        ({"target": "narrowing"}, "has no target 'narrowing'; its targets: degeneration"),
        ({"data": Path("nowhere")}, f"{Path('nowhere').resolve()} is not a dataset"),
        (
            {"data": Path("nowhere"), "build": Path("d.yaml")},
            r"not a dataset .*; build it with `spine data build d.yaml`",
        ),
        ({"class_weights": {"healthy": 1.0}}, r"members.second: class_weights names \['healthy'\]"),
    ],
)
def test_what_would_end_every_training_is_told_before_the_first(tmp_path, monkeypatch, shown, changes, complaint):
    experiment = write_experiment(tmp_path, members=("first", "second"))
    for name in experiment.members:
        (experiment.member_directory(name) / "member.json").unlink()
    second = {key: changes.pop(key) for key in ("class_weights",) if key in changes}
    members = {**experiment.members, "second": experiment.members["second"].model_copy(update=second)}
    train_nothing(monkeypatch)
    with pytest.raises(SpineError, match=complaint):
        training.train_members(experiment.model_copy(update={**changes, "members": members}), shown.append)
    assert not [line for line in shown if line.startswith("train")]


def test_a_run_without_test_patients_ends_before_it_trains(tmp_path, monkeypatch, shown):
    experiment = write_experiment(tmp_path)
    splits = Manifest.read(experiment.data).splits
    splits[splits["split"] != "test"].to_csv(experiment.data / "splits.csv", index=False)
    train_nothing(monkeypatch)
    with pytest.raises(SpineError, match="has no samples in split 'test'"):
        stages.run_all(experiment, shown.append)


def test_an_unknown_member_names_the_known_ones(tmp_path, shown):
    with pytest.raises(SpineError, match="vgg, dense, squeeze"):
        training.train_members(write_experiment(tmp_path), shown.append, only=["resnet"])


def test_stages_run_in_order(tmp_path, monkeypatch, shown):
    experiment = write_experiment(tmp_path)
    monkeypatch.setattr(registry, "stage", lambda name: lambda experiment: [tmp_path / name])
    paths = stages.run_all(experiment, shown.append)
    assert shown[-5:] == ["predict", "search", "export", "evaluate", "report"]
    assert paths == [tmp_path / name for name in ("export", "evaluate", "report")]  # those that a person opens


def test_a_data_config_that_builds_something_else_is_refused(tmp_path, shown):
    data = tmp_path / "data.yaml"
    data.write_text(f"name: other\noutput: {tmp_path}/other\nsources:\n  - {{name: a, images: {tmp_path}}}\n")
    experiment = write_experiment(tmp_path, build=data)
    with pytest.raises(SpineError, match="make them the same"):
        build_data(experiment, shown.append)


@pytest.fixture
def built(monkeypatch):
    """The names of the data configs that are built, in order; nothing is."""
    names = []
    monkeypatch.setattr("pipeline.data.build_dataset", lambda config, show: names.append(config.name))
    return names


def write_config(folder, name, content):
    file = folder / f"{name}.yaml"
    file.write_text(f"{{name: {name}, output: {folder / name}, {content}}}")
    return file


def test_all_data_are_built_before_the_first_part_trains_but_those_of_detectors(tmp_path, monkeypatch, shown, built):
    monkeypatch.setattr("pipeline.data._require_truth", lambda experiment: None)
    crop = "crop: {label: disc, detector: runs/first/members/one}"
    sources = "sources: [{name: a, images: pictures}]"
    files = {
        name: write_config(tmp_path, name, content)
        for name, content in {
            "whole": sources,
            "detected": f"dataset: {tmp_path / 'whole'}, {crop}",
            "of_detected": f"dataset: {tmp_path / 'detected'}, crop: {{label: disc}}",
            "masks": sources,
        }.items()
    }
    experiment = write_experiment(tmp_path)
    parts = [
        experiment.model_copy(update={"build": files.get(name), "data": tmp_path / name})
        for name in ("whole", "detected", "of_detected", "whole", "none", "masks")
    ]
    other = write_config(tmp_path, "other", sources)
    found = build_ahead(parts, [other, files["detected"]], shown.append)
    assert built == ["whole", "masks", "other"]  # each once
    assert found == {files["whole"], files["masks"], other}
    with pytest.raises(SpineError, match="make them the same"):
        build_ahead([*parts[:1], parts[0].model_copy(update={"data": tmp_path / "masks"})], [], shown.append)


def test_what_a_later_part_asks_of_its_data_is_looked_up_before_the_first_trains(tmp_path, shown, built):
    experiment = write_experiment(tmp_path)
    file = write_config(experiment.data.parent, experiment.data.name, "sources: [{name: a, images: pictures}]")
    part = experiment.model_copy(update={"build": file})
    build_ahead([part], [], shown.append)
    later = part.model_copy(update={"name": "later", "labels": ("healthy", "broken")})
    with pytest.raises(SpineError, match=r"experiment later: target 'degeneration' holds \['degenerated'\]"):
        build_ahead([part, later], [], shown.append)


def test_what_was_built_ahead_is_not_built_again(tmp_path, monkeypatch, shown):
    experiment = write_experiment(tmp_path, build=tmp_path / "data.yaml")
    monkeypatch.setattr(stages, "build_data", lambda experiment, show: show("built"))
    monkeypatch.setattr(stages, "train_members", lambda *_, **__: [])
    monkeypatch.setattr(registry, "stage", lambda name: lambda experiment: [])
    stages.run_all(experiment, shown.append)
    assert shown.count("built") == 1
    stages.run_all(experiment, shown.append, {tmp_path / "data.yaml"})
    assert shown.count("built") == 1


def test_a_dataset_of_another_config_is_told_where_it_is_not_built_again(tmp_path, shown):
    (tmp_path / "pictures").mkdir()
    sources = f"sources: [{{name: a, images: {tmp_path / 'pictures'}}}]"
    file = write_config(tmp_path, "whole", f"{sources}, splits: {{seed: 2}}")
    experiment = write_experiment(tmp_path).model_copy(update={"build": file, "data": tmp_path / "whole"})
    (tmp_path / "whole").mkdir()
    warn_if_config_changed(experiment, shown.append)
    assert shown == []  # no record of how it was built
    record = tmp_path / "whole.build" / "config.yaml"
    record.parent.mkdir()
    record.write_text(yaml.safe_dump(load_data_config(file).model_dump(mode="json")))
    warn_if_config_changed(experiment, shown.append)
    assert shown == []
    write_config(tmp_path, "whole", f"{sources}, splits: {{seed: 5}}")
    warn_if_config_changed(experiment, shown.append)
    assert len(shown) == 1
    assert "with splits.seed 2 (it says 5 now); build it again with `spine data build" in shown[0]
    file.unlink()
    warn_if_config_changed(experiment, shown.append)
    assert len(shown) == 1  # a dataset that came without its config


def test_the_training_process_fails_loudly(tmp_path, shown):
    experiment = write_experiment(tmp_path, members=("only",))
    (experiment.member_directory("only") / "member.json").unlink()
    broken = experiment.data / "images"
    for picture in broken.iterdir():
        picture.write_bytes(b"")
    with pytest.raises(SpineError, match="failed for only"):
        training.train_members(experiment, shown.append)


def test_members_train_at_the_same_time_where_jobs_allow(tmp_path, monkeypatch, shown):
    experiment = write_experiment(tmp_path, members=("first", "second"), jobs=2)
    for name in experiment.members:
        (experiment.member_directory(name) / "member.json").unlink()
    together = threading.Barrier(2, timeout=20)

    def train(name, file):
        together.wait()  # raises where the other member is not there at the same time
        return 0

    train_here(monkeypatch, train)
    training.train_members(experiment, shown.append)
    assert sorted(shown) == ["train first", "train second"]


def test_another_dataset_is_built_and_judged(tmp_path, monkeypatch):
    boxes = [("a", "0", "disc", 10.0, 10.0, 30.0, 20.0, "1")]
    whole = write_dataset(tmp_path / "whole", {"a": smooth_noise(1)}, boxes=boxes, splits=[("a", "test", "")])
    config = tmp_path / "crops.yaml"
    config.write_text(f"name: crops\noutput: {tmp_path}/crops\ndataset: {whole.root}\ncrop: {{label: disc}}\n")
    judged = []
    for stage in ("evaluate", "report"):
        monkeypatch.setattr(registry, stage, lambda *given, stage=stage: judged.append(given) or [Path(stage)])
    written = (tmp_path / "crops", [Path("evaluate"), Path("report")])
    assert stages.evaluate_other_dataset("experiment", config, lambda line: None) == written
    assert judged == [("experiment", tmp_path / "crops")] * 2
    assert Manifest.read(tmp_path / "crops").samples_in("test") == ["a_disc0"]
