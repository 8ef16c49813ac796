"""Weights are fetched, or read, for all members before the first training; nothing outside this machine is asked."""

import hashlib
import json
from subprocess import CompletedProcess

import keras
import pytest

from classification import squeezenet
from classification.config import Settings
from pipeline import registry, training
from pipeline.experiments import load_experiment
from pipeline.fetch import fetch
from spine.core.problems import SpineError
from spine.experiment.config import Foreign
from tests.experiment_on_disk import write_experiment
from tests.jobs_here import train_here, train_nothing
from tests.loopback import NotThere, serving

pytestmark = pytest.mark.slow


def experiment_of(tmp_path, **members):
    """An experiment whose members still have to be trained, each of 32 x 32 pixels."""
    experiment = write_experiment(tmp_path, members=tuple(members))
    for name in members:
        (experiment.member_directory(name) / "member.json").unlink()
    settings = {name: Settings(**{"height": 32, "width": 32, **own}) for name, own in members.items()}
    return experiment.model_copy(update={"members": settings})


@pytest.fixture
def no_training(monkeypatch):
    train_nothing(monkeypatch)


def test_all_that_cannot_be_had_is_told_at_once(tmp_path, serve, monkeypatch):
    monkeypatch.setattr(squeezenet, "WEIGHTS_URL", serve(NotThere))
    monkeypatch.setattr(keras.src.applications.vgg16, "WEIGHTS_PATH_NO_TOP", serve(NotThere))
    members = {"one": {"network": "squeezenet"}, "vgg": {"network": "vgg16"}}
    experiment = experiment_of(tmp_path, **members, other={"network": "squeezenet", "epochs": 3})
    failures = fetch(experiment, ("one", "vgg", "other"))
    assert list(failures) == ["one", "vgg", "other"]
    assert failures["one"].startswith("the ImageNet weights of squeezenet cannot be downloaded")
    assert failures["other"] == failures["one"]
    assert failures["vgg"].startswith("the ImageNet weights of vgg16 cannot be downloaded")
    assert "set `weights` to its path" in failures["vgg"]


def test_a_file_is_fetched_once_and_found_by_the_training(tmp_path, serve, monkeypatch):
    squeezenet.SqueezeNet(input_shape=(32, 32, 3)).save_weights(tmp_path / "own.weights.h5")
    content = (tmp_path / "own.weights.h5").read_bytes()
    handler = serving(content)
    monkeypatch.setattr(squeezenet, "WEIGHTS_URL", serve(handler).replace("weights.h5", "own.weights.h5"))
    monkeypatch.setattr(squeezenet, "WEIGHTS_SHA256", hashlib.sha256(content).hexdigest())
    experiment = experiment_of(tmp_path, one={"network": "squeezenet"}, two={"network": "squeezenet", "epochs": 3})
    assert fetch(experiment, ("one", "two")) == {}
    squeezenet.SqueezeNet(weights="imagenet", input_shape=(64, 64, 3))
    assert handler.asked == ["/own.weights.h5"]


def test_a_download_that_fails_starts_no_training(tmp_path, serve, monkeypatch, no_training):
    proxy = serve(NotThere).removesuffix("/weights.h5")
    for name in ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, proxy)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    experiment = experiment_of(
        tmp_path,
        own={"network": "plain_cnn", "weights": "none"},
        vgg={"network": "vgg16"},
        squeeze={"network": "squeezenet"},
    )
    shown = []
    with pytest.raises(SpineError) as error:
        training.train_members(experiment, shown.append)
    assert shown == ["fetch weights"]
    headline, *lines = str(error.value).splitlines()
    assert headline.startswith("no training was started")
    assert [line.partition(":")[0] for line in lines] == ["members.vgg", "members.squeeze"]
    assert all("cannot be downloaded" in line for line in lines)


def test_only_members_that_will_train_and_start_from_weights_are_asked_for(tmp_path, monkeypatch):
    members = {"own": {"network": "plain_cnn", "weights": "none"}, "vgg": {"network": "vgg16"}}
    experiment = experiment_of(tmp_path, **members, squeeze={"network": "squeezenet"})
    asked = []
    monkeypatch.setattr("pipeline.fetch.fetch_in_own_process", lambda file, names: asked.append(names) or {})
    train_here(monkeypatch, lambda *given: 0)
    training.train_members(experiment, lambda line: None, ["own", "squeeze"])
    assert asked == [["squeeze"]]
    assert Foreign(foreign=True).initial_weights == ()


@pytest.mark.parametrize(
    ("task", "settings", "place"),
    [
        ("detection", {"backbone": "mobilenet"}, "tf_keras.src.utils.data_utils.get_file"),
        ("segmentation", {"encoder": "vgg16", "height": 32, "width": 32}, "keras.src.utils.file_utils.get_file"),
    ],
)
def test_the_other_tasks_fetch_alike(task, settings, place, monkeypatch):
    def offline(*_, **__):
        raise Exception("URL fetch failure on https://somewhere: None -- no route")

    monkeypatch.setattr(place, offline)
    member = registry.task_settings(task)(**settings)
    assert member.initial_weights[0] == next(iter(settings.values()))
    with pytest.raises(SpineError, match=r"cannot be downloaded: URL fetch failure .* no route"):
        registry.fetch_weights(task, member)


def run_here(command, **_):
    """What `pipeline.fetch` does in a process of its own, where TensorFlow is imported already."""
    file, *members = command[command.index("pipeline.fetch") + 1 :]
    return CompletedProcess(command, 0, json.dumps(fetch(load_experiment(file), members)))


def test_a_file_that_cannot_be_read_or_does_not_fit_starts_no_training(tmp_path, monkeypatch, no_training):
    monkeypatch.setattr("pipeline.fetch.subprocess.run", run_here)
    (tmp_path / "garbage.h5").write_bytes(b"no weights at all" * 100)
    squeezenet.SqueezeNet(input_shape=(32, 32, 3)).save_weights(tmp_path / "good.weights.h5")
    garbage, good = str(tmp_path / "garbage.h5"), str(tmp_path / "good.weights.h5")
    members = {
        "own": {"network": "squeezenet", "weights": good},
        "broken": {"network": "squeezenet", "weights": garbage},
        "again": {"network": "squeezenet", "weights": garbage, "epochs": 3},
        "other": {"network": "mobilenet", "weights": good},
    }
    shown = []
    with pytest.raises(SpineError, match="no training was started") as error:
        training.train_members(experiment_of(tmp_path, **members), shown.append)
    assert shown == ["read weights"]  # all are files
    _, first, second = str(error.value).splitlines()
    assert first.startswith(
        f"members.broken, members.again: weights {garbage!r} cannot be read: it is not HDF5, as .h5 says. Fetch"
    )
    assert second.startswith(f"members.other: weights {good!r} do not fit mobilenet")


def test_all_members_without_a_file_are_named_at_once(tmp_path, monkeypatch, no_training):
    monkeypatch.setattr("pipeline.fetch.subprocess.run", run_here)
    (tmp_path / "notes.txt").write_text("no weights")
    (tmp_path / "good.h5").write_bytes(b"no weights at all")
    weights = {"gone": "gone.h5", "lost": "lost.h5", "suffix": tmp_path / "notes.txt", "folder": tmp_path}
    told = {
        "gone": "weights 'gone.h5' is not a file; give imagenet, none, or the path",
        "lost": "weights 'lost.h5' is not a file; give imagenet, none, or the path",
        "suffix": f"weights {str(tmp_path / 'notes.txt')!r} ends in '.txt'",
        "folder": f"{tmp_path} is not a member (no member.json)",
        "damaged": f"weights {str(tmp_path / 'good.h5')!r}",
    }
    members = {name: {"network": "plain_cnn", "weights": str(path)} for name, path in weights.items()}
    members["damaged"] = {"network": "squeezenet", "weights": str(tmp_path / "good.h5")}
    with pytest.raises(SpineError) as error:
        training.train_members(experiment_of(tmp_path, **members), lambda line: None)
    _, *lines = str(error.value).splitlines()
    for line, (name, reason) in zip(lines, told.items(), strict=True):
        assert line.startswith(f"members.{name}: {reason}")


@pytest.mark.parametrize(
    ("task", "settings", "place"),
    [
        ("detection", {"backbone": "mobilenet"}, "backbone_weights"),
        ("detection", {"backbone": "resnet50"}, "backbone_weights"),
        ("segmentation", {"encoder": "vgg16", "height": 32, "width": 32}, "encoder_weights"),
    ],
)
def test_the_other_tasks_read_alike(tmp_path, task, settings, place):
    file = tmp_path / "garbage.h5"
    file.write_bytes(b"no weights at all" * 100)
    member = registry.task_settings(task)(**settings, **{place: str(file)})
    assert str(file) in member.initial_weights
    with pytest.raises(SpineError, match=rf"{place} .*garbage.h5' cannot be read: it is not HDF5"):
        registry.fetch_weights(task, member)
