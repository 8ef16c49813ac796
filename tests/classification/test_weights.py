"""Weights that cannot be had end in one error that says what to do; nothing outside this machine is asked."""

import hashlib

import keras
import pytest

from classification import squeezenet
from classification.config import Settings
from classification.model import base_of, build
from spine.core.problems import SpineError
from spine.training.pretrained import base_weights
from tests.loopback import HangsUp, NotThere, SaysSomethingElse, serving


def small(network: str, source: str, **changes) -> Settings:
    return Settings(network=network, weights=source, height=32, width=32, **changes)


@pytest.mark.parametrize("handler", [NotThere, HangsUp, SaysSomethingElse])
def test_a_download_that_fails_says_how_to_give_a_file(handler, serve, monkeypatch, tmp_path):
    monkeypatch.setattr(squeezenet, "WEIGHTS_URL", serve(handler))
    with pytest.raises(SpineError, match="squeezenet cannot be downloaded") as raised:
        build(small("squeezenet", "imagenet"), 2)
    assert "set `weights` to its path" in str(raised.value)
    assert raised.value.__cause__ is None


def test_keras_own_downloads_fail_alike(serve, monkeypatch):
    monkeypatch.setattr(keras.src.applications.vgg16, "WEIGHTS_PATH_NO_TOP", serve(NotThere))
    with pytest.raises(SpineError, match=r"vgg16 cannot be downloaded.*404"):
        build(small("vgg16", "imagenet"), 2)


def test_a_host_that_cannot_be_reached_fails_alike(serve, monkeypatch):
    url = serve(NotThere)
    monkeypatch.setattr(squeezenet, "WEIGHTS_URL", url.replace("http://127.0.0.1", "http://host.invalid"))
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: (_ for _ in ()).throw(OSError("no such host")))
    with pytest.raises(SpineError, match="no such host"):
        build(small("squeezenet", "imagenet"), 2)


def test_a_defect_in_building_is_not_taken_for_a_failed_download():
    with pytest.raises(ZeroDivisionError), base_weights.download("vgg16"):
        raise ZeroDivisionError


def test_a_served_file_with_the_right_hash_is_loaded(serve, monkeypatch, tmp_path):
    model = squeezenet.SqueezeNet(input_shape=(32, 32, 3))
    model.save_weights(tmp_path / "own.weights.h5")
    content = (tmp_path / "own.weights.h5").read_bytes()
    monkeypatch.setattr(squeezenet, "WEIGHTS_URL", serve(serving(content)).replace("weights.h5", "own.weights.h5"))
    monkeypatch.setattr(squeezenet, "WEIGHTS_SHA256", hashlib.sha256(content).hexdigest())
    loaded = base_of(build(small("squeezenet", "imagenet"), 2))
    assert (loaded.get_layer("conv1").get_weights()[0] == model.get_layer("conv1").get_weights()[0]).all()


@pytest.mark.parametrize("name", ["base.weights.h5", "base.keras"])
def test_weights_come_from_a_file(tmp_path, name):
    base = keras.applications.MobileNet(include_top=False, weights=None, alpha=0.25, input_shape=(32, 32, 3))
    file = tmp_path / name
    base.save(file) if name.endswith(".keras") else base.save_weights(file)
    loaded = base_of(build(small("mobilenet", str(file), alpha=0.25), 2))
    for own, given in zip(loaded.get_weights(), base.get_weights(), strict=True):
        assert (own == given).all()


def test_a_file_of_another_network_is_refused_with_both_sides_named(tmp_path):
    base = keras.applications.MobileNet(include_top=False, weights=None, alpha=0.25, input_shape=(32, 32, 3))
    base.save_weights(tmp_path / "mobile.weights.h5")
    with pytest.raises(SpineError, match=r"mobile.weights.h5' do not fit squeezenet .*722,496 parameters"):
        build(small("squeezenet", str(tmp_path / "mobile.weights.h5")), 2)


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("missing.h5", None, "is not a file"),
        ("weights.txt", b"text", "ends in '.txt'"),
        ("zero.h5", b"", "zero.h5' cannot be read: it is empty. Fetch it again"),
        ("broken.keras", b"not a zip", "it is not a zip archive, as .keras says. Fetch it again"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path, name, content, complaint):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SpineError, match=complaint):
        build(small("squeezenet", str(tmp_path / name)), 2)
