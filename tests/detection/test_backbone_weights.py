"""Weights that a backbone starts from: a file's, an archive's, ImageNet's; and what is said where there are none."""

import tarfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from detection.backbones.table import BACKBONES
from detection.backbones.weights import build_base, load_checkpoint
from spine.core.problems import SpineError
from tests.published_weights import published

pytestmark = pytest.mark.slow


def test_a_file_of_keras_own_is_read_whole():
    file = str(published("mobilenet_2_5_224_tf_no_top.h5"))
    base = build_base("mobilenet0.25", BACKBONES["mobilenet0.25"], file)
    expected = tf_keras.applications.MobileNet(alpha=0.25, include_top=False, weights=file, input_shape=(224, 224, 3))
    for ours, theirs in zip(base.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_saved_file_comes_back(tmp_path):
    backbone = BACKBONES["resnet18"]
    saved = backbone.build(weights=None)
    saved.save_weights(tmp_path / "own.weights.h5")
    for before, after in zip(
        saved.get_weights(),
        build_base("resnet18", backbone, str(tmp_path / "own.weights.h5")).get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(before, after)


def test_a_file_of_another_network_is_refused(tmp_path):
    BACKBONES["mobilenet"].build(weights=None).save_weights(tmp_path / "wide.h5")
    with pytest.raises(SpineError, match=r"do not fit mobilenet0\.25 without its top"):
        build_base("mobilenet0.25", BACKBONES["mobilenet0.25"], str(tmp_path / "wide.h5"))


def test_a_missing_file_is_told():
    with pytest.raises(SpineError, match=r"backbone_weights 'nowhere\.h5' is not a file"):
        build_base("vgg16", BACKBONES["vgg16"], "nowhere.h5")


def archive_of(network: tf_keras.Model, directory: Path) -> Path:
    """A checkpoint as Model Garden packs those of its classifiers: the backbone under that name, and more."""
    checkpoint = tf.train.Checkpoint(backbone=network, step=tf.Variable(7))
    prefix = Path(checkpoint.write(str(directory / "ckpt-7")))
    archive = directory / "published.tar.gz"
    with tarfile.open(archive, "w:gz") as files:
        for file in directory.glob(f"{prefix.name}.*"):
            files.add(file, f"published/{file.name}")
    return archive


def test_an_archive_of_model_gardens_gives_the_backbone(tmp_path):
    backbone = BACKBONES["resnet18"]
    saved = backbone.build(weights=None)
    loaded = load_checkpoint(backbone.build(weights=None), str(archive_of(saved, tmp_path)), "resnet18")
    for before, after in zip(saved.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_an_archive_of_another_network_is_refused(tmp_path):
    archive = archive_of(BACKBONES["mobilenet0.25"].build(weights=None), tmp_path)
    with pytest.raises(SpineError, match="does not hold resnet18's backbone"):
        load_checkpoint(BACKBONES["resnet18"].build(weights=None), str(archive), "resnet18")


def test_an_archive_without_a_checkpoint_is_refused(tmp_path):
    with tarfile.open(tmp_path / "empty.tar.gz", "w:gz"):
        pass
    with pytest.raises(SpineError, match="there is no checkpoint in it"):
        load_checkpoint(BACKBONES["resnet18"].build(weights=None), str(tmp_path / "empty.tar.gz"), "resnet18")


def test_an_archive_that_is_cut_off_is_to_be_fetched_again(tmp_path):
    archive = archive_of(BACKBONES["resnet18"].build(weights=None), tmp_path)
    archive.write_bytes(archive.read_bytes()[:100_000])
    with pytest.raises(SpineError, match=r"backbone_weights .*published\.tar\.gz' cannot be read: .*\. Fetch it again"):
        build_base("resnet18", BACKBONES["resnet18"], str(archive))


def test_imagenet_of_model_gardens_own_is_downloaded_as_its_archive(tmp_path, monkeypatch):
    saved = BACKBONES["resnet50"].build(weights=None)
    archive, asked = archive_of(saved, tmp_path), []
    monkeypatch.setattr(tf_keras.utils, "get_file", lambda origin: asked.append(origin) or str(archive))
    loaded = build_base("resnet50", BACKBONES["resnet50"], "imagenet")
    assert asked == [BACKBONES["resnet50"].checkpoint]
    np.testing.assert_array_equal(loaded.get_weights()[0], saved.get_weights()[0])


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (
            "resnet50",
            "Model Garden's archive of it, .tar.gz, from https://storage.googleapis.com/tf_model_garden/vision/resnet/"
            "resnet-50-i224.tar.gz",
        ),
        ("mobilenet", "the base without its top, .h5"),
    ],
)
def test_without_a_network_it_says_how_to_give_a_file(name, kind, monkeypatch):
    def offline(*_, **__):
        raise Exception("URL fetch failure on https://somewhere: None -- no route")

    monkeypatch.setattr(tf_keras.utils, "get_file", offline)
    monkeypatch.setattr("tf_keras.src.utils.data_utils.get_file", offline)
    with pytest.raises(SpineError, match=f"ImageNet weights of {name} cannot be downloaded") as error:
        build_base(name, BACKBONES[name], "imagenet")
    assert f"set `backbone_weights` to its path ({kind}), or to none" in str(error.value)


def test_a_wrong_ending_names_all_that_a_backbone_takes(tmp_path):
    (tmp_path / "weights.txt").write_text("none")
    with pytest.raises(SpineError, match=r"ends in '\.txt'; .* of PyTorch in .*, of Model Garden in \.tar\.gz"):
        build_base("vgg16", BACKBONES["vgg16"], str(tmp_path / "weights.txt"))
