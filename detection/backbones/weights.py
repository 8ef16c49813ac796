"""Weights that a backbone starts from: ImageNet's, downloaded, or a file's."""

from __future__ import annotations

import tarfile
import tempfile
import zlib
from pathlib import Path

import tensorflow as tf
import tf_keras

from detection.backbones.table import Backbone
from detection.config import WEIGHTS
from spine.core.problems import SpineError
from spine.training.pretrained.base_weights import checked_file, download, load_file

__all__ = ["SETTING", "build_base", "load_checkpoint"]

SETTING = "backbone_weights"


def build_base(name: str, backbone: Backbone, weights: str) -> tf_keras.Model:
    """The backbone's network with its weights: "imagenet", "none" or a file's.

    The file of a network of Model Garden's own may also be the archive of a checkpoint (.tar.gz).
    SpineError where they cannot be downloaded, read, or do not fit.
    """
    if weights == "imagenet" and backbone.checkpoint:
        with download(name, SETTING, f"Model Garden's archive of it, .tar.gz, from {backbone.checkpoint}"):
            archive = tf_keras.utils.get_file(origin=backbone.checkpoint)
        return load_checkpoint(backbone.build(weights=None), archive, name)
    if weights in ("imagenet", "none"):
        with download(name, SETTING):
            return backbone.build(weights="imagenet" if weights == "imagenet" else None)
    base = backbone.build(weights=None)
    path = checked_file(weights, name, SETTING, WEIGHTS)
    if path.suffix == ".gz":
        return load_checkpoint(base, weights, name)
    load_file(base, weights, name, backbone.layout, SETTING)
    return base


def load_checkpoint(base: tf_keras.Model, archive: str, name: str) -> tf_keras.Model:
    """The network with the weights that Model Garden keeps as `backbone` in a .tar.gz of a TensorFlow checkpoint."""
    try:
        with tempfile.TemporaryDirectory() as directory, tarfile.open(archive) as files:
            files.extractall(directory, filter="data")  # refuses what would land outside the directory
            index = next(Path(directory).rglob("*.index"))
            status = tf.train.Checkpoint(backbone=base).read(str(index.with_suffix("")))
            status.expect_partial().assert_existing_objects_matched()
    except (OSError, tarfile.TarError, EOFError, zlib.error, tf.errors.DataLossError) as error:
        raise SpineError(
            f"{SETTING} {archive!r} cannot be read: {_first_line(error)}. Fetch it again, and compare its size with "
            "the published one's"
        ) from None
    except (StopIteration, AssertionError, ValueError, tf.errors.OpError) as error:
        reason = _first_line(error) or "there is no checkpoint in it"
        raise SpineError(
            f"{SETTING} {archive!r} does not hold {name}'s backbone: {reason}. Give Model Garden's archive of {name}, "
            "or none to train from scratch"
        ) from None
    return base


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), "").rstrip(".")
