"""Which anchors and which regions of interest a training step learns from, drawn by seed.

Model Garden draws them with stateful operations: no checkpoint holds their state, and its sampler of regions wants a
batch size that is known when the graph is made. These draw by the same rule without a state, so that a resumed
training draws as one that was never killed, and the last batch of an epoch may be short.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras
from official.vision.ops.anchor import RpnAnchorLabeler

from detection.config import Parser

__all__ = ["SeededAnchorLabeler", "SeededBoxSampler", "balanced", "seed_roi_samplers"]

Tensor = Any


def balanced(positive: Tensor, negative: Tensor, noise: Tensor, count: int, fraction: float) -> Tensor:
    """Which of the candidates (..., N) are drawn: at most `count`, of them at most that fraction positive, as bool.

    `noise` (..., N) decides: of either kind the candidates of the lowest. Negatives fill up what positives leave.
    """
    chosen_positive = positive & (_rank(positive, noise) < int(count * fraction))
    taken = tf.reduce_sum(tf.cast(chosen_positive, tf.int32), axis=-1, keepdims=True)
    return chosen_positive | (negative & (_rank(negative, noise) < count - taken))


def _rank(candidates: Tensor, noise: Tensor) -> Tensor:
    """The place of each (..., N) when candidates come first, by their noise."""
    order = tf.argsort(tf.where(candidates, noise, noise + 1.0), axis=-1)
    return tf.argsort(order, axis=-1)


class SeededAnchorLabeler(RpnAnchorLabeler):
    """Model Garden's labels of the anchors of one image, the anchors drawn by `seed`, an integer tensor (2,)."""

    def __init__(self, seed: Tensor, parser: Parser) -> None:
        super().__init__(
            parser.rpn_match_threshold,
            parser.rpn_unmatched_threshold,
            parser.rpn_batch_size_per_im,
            parser.rpn_fg_fraction,
        )
        self.seed = seed

    def _get_rpn_samples(self, match_results: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of each anchor (N,): 1 positive, 0 negative, -1 ignored; then the same two as twos and ones, as the base."""
        noise = tf.random.stateless_uniform(tf.shape(match_results), self.seed)
        positive = match_results > -1
        drawn = balanced(
            positive, tf.equal(match_results, -1), noise, self._rpn_batch_size_per_im, self._rpn_fg_fraction
        )
        positives = 2 * tf.cast(drawn & positive, tf.int32)
        negatives = tf.cast(drawn & ~positive, tf.int32)
        return positives + negatives - 1, positives, negatives


class SeededBoxSampler(tf_keras.layers.Layer):
    """Draws the regions of interest of a step: stands in for Model Garden's `BoxSampler`.

    Each step and each replica of it draws differently: `step` is the variable that counts them.
    """

    def __init__(self, num_samples: int, foreground_fraction: float, seed: int, step: tf.Variable) -> None:
        super().__init__()
        self.num_samples, self.foreground_fraction, self.seed = num_samples, foreground_fraction, seed
        self.step = lambda: step  # not a weight of the network

    def call(self, positive_matches: Tensor, negative_matches: Tensor, ignored_matches: Tensor) -> Tensor:
        """Numbers (B, K) of the drawn of the candidates (B, N); where fewer are there, others fill up."""
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        seed = tf.stack([tf.cast(self.seed, tf.int64), tf.cast(self.step(), tf.int64)])
        noise = tf.random.stateless_uniform(tf.shape(positive_matches), tf.random.fold_in(seed, replica))
        negative_matches &= ~ignored_matches
        drawn = balanced(positive_matches, negative_matches, noise, self.num_samples, self.foreground_fraction)
        return tf.nn.top_k(tf.cast(drawn, tf.int32), k=self.num_samples).indices


def seed_roi_samplers(network: tf_keras.Model, seed: int, step: tf.Variable) -> None:
    """Let a Faster R-CNN draw its regions by seed and the count of its steps."""
    for number, sampler in enumerate(network.roi_sampler):
        config = sampler.get_config()
        sampler._sampler = SeededBoxSampler(
            config["num_sampled_rois"], config["foreground_fraction"], seed + number, step
        )
