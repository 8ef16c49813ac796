"""Models without a training, as members on disk, and a server of them in a thread."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import lru_cache
from pathlib import Path

import numpy as np
import tensorflow as tf

from pipeline.server import Source
from spine.images.pictures import encode_png
from spine.member.member import Card, Member
from spine.member.serving import next_version
from spine.training.preprocess import decode, decode_alike, to_grey

SIGNATURES = ("serving_default", "image")
FILES = tf.TensorSpec([None], tf.string, name="image_bytes")
IMAGES = tf.TensorSpec([None, None, None, None], tf.float32, name="image")


class Mean(tf.Module):
    """A classifier: the mean grey of a picture, times a factor, and what is left of 1."""

    def __init__(self, factor=1.0):
        super().__init__()
        self.factor = tf.Variable(factor)

    @tf.function(input_signature=[FILES])
    def serving_default(self, image_bytes):
        means = tf.map_fn(lambda one: tf.reduce_mean(decode(one)), image_bytes, fn_output_signature=tf.float32)
        return self._answer(means)

    @tf.function(input_signature=[IMAGES])
    def image(self, image):
        return self._answer(tf.reduce_mean(to_grey(image), axis=(1, 2, 3)))

    def _answer(self, means):
        share = means * self.factor
        return {"probabilities": tf.stack([share, 1 - share], axis=-1)}


class Halves(tf.Module):
    """A segmentation: grey above a half."""

    @tf.function(input_signature=[FILES])
    def serving_default(self, image_bytes):
        return self._answer(decode_alike(image_bytes))

    @tf.function(input_signature=[IMAGES])
    def image(self, image):
        return self._answer(to_grey(image))

    def _answer(self, grey):
        return {
            "probabilities": tf.concat([1 - grey, grey], axis=-1),
            "mask": tf.cast(grey[..., 0] > 0.5, tf.int32),
        }


class Echo(tf.Module):
    """What it is given, in several types; and `whole`, which gives one number for all."""

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, name="text"),
            tf.TensorSpec([None, 2], tf.float32, name="real"),
            tf.TensorSpec([None], tf.int32, name="count"),
            tf.TensorSpec([None], tf.bool, name="flag"),
        ]
    )
    def serving_default(self, text, real, count, flag):
        return {"text": text, "raw_bytes": text, "real": real, "count": count, "flag": flag}

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.float32, name="image")])
    def image(self, image):
        return {"sum": tf.reduce_sum(image)}


@lru_cache
def _saved(kind: type[tf.Module], factor: float) -> Path:
    """A SavedModel, written once: that takes longer than most tests."""
    module = kind(factor) if factor else kind()
    path = Path(tempfile.mkdtemp(prefix="spine-server-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    tf.saved_model.save(module, str(path), signatures={name: getattr(module, name) for name in SIGNATURES})
    return path


def write_version(directory: Path, module: tf.Module, task: str = "classification") -> Path:
    """Publish a member's next version, sealed."""
    version = next_version(directory)
    shutil.copytree(_saved(type(module), float(getattr(module, "factor", 0))), version)
    labels = ("dark", "bright")
    model_hash = Member.hash_model(version)
    Member.publish(directory, Card(name=directory.name, task=task, labels=labels, model_hash=model_hash))
    return version


def source(directory: Path) -> Source:
    return Source(directory.name, directory)


def picture(grey: int = 128, height: int = 8, width: int = 8) -> bytes:
    """A PNG of one grey level of 255."""
    return encode_png(np.full((height, width), grey, np.uint8))
