"""Detectors that need no training: SavedModels that find what is bright, as members on disk."""

import tensorflow as tf

from spine.dataset.detections import OUTPUTS
from spine.member.member import Card, Member, Patients
from spine.member.serving import package_versions, publish_model
from spine.training.preprocess import decode, to_grey


class Bright(tf.Module):
    """For each (low, high, score, class): the box around all pixels with a grey in [low, high), where there is one."""

    def __init__(self, *things):
        super().__init__()
        self.things = things

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    def serving_default(self, image_bytes):
        types = dict(zip(OUTPUTS, [tf.float32] * 4, strict=True))
        return tf.map_fn(lambda one: self._of_one(decode(one)), image_bytes, fn_output_signature=types)

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, None], tf.float32, name="image")])
    def image(self, image):
        types = dict(zip(OUTPUTS, [tf.float32] * 4, strict=True))
        return tf.map_fn(lambda one: self._of_one(to_grey(one)), image, fn_output_signature=types)

    def _of_one(self, image):
        found = [self._box(image[..., 0], low, high) for low, high, _, _ in self.things]
        boxes = tf.stack([box for box, _ in found])
        there = tf.stack([is_there for _, is_there in found])
        scores = tf.constant([thing[2] for thing in self.things], tf.float32)
        classes = tf.constant([thing[3] for thing in self.things], tf.float32)
        first = tf.argsort(tf.cast(there, tf.int32), direction="DESCENDING", stable=True)
        zeroed = [tf.gather(tf.where(there, x, 0), first) for x in (scores, classes)]
        boxes = tf.gather(tf.where(there[:, None], boxes, 0), first)
        return dict(zip(OUTPUTS, (boxes, *zeroed, tf.reduce_sum(tf.cast(there, tf.float32))), strict=True))

    def _box(self, grey, low, high):
        inside = (grey >= low) & (grey < high)
        sides = []
        for axis in (1, 0):
            places = tf.cast(tf.where(tf.reduce_any(inside, axis=axis))[:, 0], tf.int32)
            # Of no place the minimum is huge and the maximum is not: a box turned inside out, zeroed above.
            ends = tf.stack([tf.reduce_min(places), tf.reduce_max(places) + 1])
            sides.append(tf.cast(ends, tf.float32) / tf.cast(tf.shape(grey)[1 - axis], tf.float32))
        (y0, y1), (x0, x1) = tf.unstack(sides[0]), tf.unstack(sides[1])
        return tf.stack([y0, x0, y1, x1]), tf.reduce_any(inside)


def write_detector(path, labels, *things, name="detector", patients=None, **card):
    """A detection member in `path`; `things` as of `Bright`, best first, `card` what else its card says."""
    version = publish_model(Bright(*things), path)
    card = Card(
        name=name,
        task="detection",
        labels=tuple(labels),
        outputs={name: {"dtype": "float32"} for name in OUTPUTS},
        versions=package_versions(),
        config_hash="artificial",
        model_hash=Member.hash_model(version),
        patients=patients or Patients(salt="s"),
        **card,
    )
    return Member.publish(path, card)
