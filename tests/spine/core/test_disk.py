import errno
import os
import shutil
from collections import namedtuple

import keras
import pytest
import tensorflow as tf

from spine.core.disk import at_work, is_of_the_disk, is_short, require_room
from spine.core.problems import SpineError
from spine.member.serving import publish_model
from spine.training.checkpoints import Checkpoints
from spine.training.history import History
from spine.training.kept_model import KeptModel

Usage = namedtuple("Usage", "total used free")


def left(monkeypatch, free: int) -> None:
    """Let every disk have so many bytes free."""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(2**40, 2**40 - free, free))


def test_room_is_asked_for_where_the_path_will_lie(tmp_path, monkeypatch):
    require_room(tmp_path / "not" / "yet" / "there", 1, "it")
    left(monkeypatch, 5 * 2**20)
    require_room(tmp_path, 5 * 2**20, "it")
    with pytest.raises(SpineError, match=r"a model needs about 6 MB in .*there, and its disk has 5 MB free; make room"):
        require_room(tmp_path / "there", 6 * 2**20, "a model")


def test_a_full_disk(tmp_path, monkeypatch):
    assert not is_short(tmp_path)
    left(monkeypatch, 100)
    assert is_short(tmp_path / "not" / "there")


def commit_to_a_full_disk() -> None:
    try:
        raise ValueError("database or disk is full")
    except ValueError as error:
        raise RuntimeError("a commit failed") from error


def test_what_a_library_met_first_is_told():
    told = "search in runs/x stopped at ValueError: database or disk is full; make room"
    with pytest.raises(SpineError, match=told), at_work("search in runs/x"):
        commit_to_a_full_disk()


@pytest.mark.parametrize(
    "error", [SpineError("x"), BrokenPipeError(), ValueError("x"), KeyboardInterrupt(), OSError("x")]
)
def test_what_is_not_of_the_disk_passes(error):
    with pytest.raises(type(error)) as raised, at_work("work"):
        raise error
    assert raised.value is error


def test_errors_of_tensorflow_are_known_by_their_words(tmp_path):
    assert is_of_the_disk(tf.errors.ResourceExhaustedError(None, None, "x/saved_model.pb; No space left on device"))
    assert not is_of_the_disk(tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor"))
    assert is_of_the_disk(OSError(errno.EACCES, os.strerror(errno.EACCES)))


def test_a_checkpoint_is_not_begun_without_room(tmp_path, monkeypatch):
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    model.compile("adam", "mse")
    history = History().with_epoch("scratch", {"loss": 1.0}, 0.1)
    left(monkeypatch, 2**20)
    with pytest.raises(SpineError, match=r"a checkpoint needs about 2 MB in .*checkpoints, and its disk has 1 MB free"):
        Checkpoints(tmp_path / "checkpoints").save(KeptModel(model), history)
    assert not (tmp_path / "checkpoints").exists()
    left(monkeypatch, 2**24)
    Checkpoints(tmp_path / "checkpoints").save(KeptModel(model), history)
    large = keras.Model(inputs, keras.layers.Dense(10**6)(inputs))  # 5 million numbers of 4 bytes
    with pytest.raises(SpineError, match="a checkpoint needs about 26 MB"):
        Checkpoints(tmp_path / "checkpoints").save(KeptModel(large), history)


class Doubling(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def image(self, image):
        return {"double": 2 * image}

    serving_default = image


def test_a_saved_model_is_not_begun_without_room(tmp_path, monkeypatch):
    left(monkeypatch, 2**20)
    with pytest.raises(SpineError, match="a SavedModel needs about 8 MB"):
        publish_model(Doubling(), tmp_path / "member")
    assert list(tmp_path.iterdir()) == []
