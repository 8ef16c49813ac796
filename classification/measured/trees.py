"""Gradient boosted trees of scikit-learn as arrays, and as gathers in a graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import tensorflow as tf

__all__ = ["Trees"]

Tensor = Any


@dataclass(frozen=True)
class Trees:
    """T trees of N nodes each, the smaller ones padded; node 0 is the root, and a leaf is its own left and right.

    A row goes left where its feature, float32, is at most the threshold, float64, as scikit-learn compares them.
    """

    feature: np.ndarray  # (T, N) int32
    threshold: np.ndarray  # (T, N) float64
    left: np.ndarray  # (T, N) int32
    right: np.ndarray
    value: np.ndarray  # (T, N) float64: the learning rate times what a leaf adds to a score
    score: np.ndarray  # the score that each tree adds to, (T,) int32
    start: np.ndarray  # the scores of no trees, (S,) float64
    depth: np.ndarray  # steps from a root to the deepest leaf, () int32

    @classmethod
    def of(cls, model: Any, rounds: int, row: np.ndarray) -> Self:
        """The first `rounds` of a fitted GradientBoostingClassifier; `row` (1, F) is one that it answers."""
        trees = [tree.tree_ for tree in model.estimators_.ravel()]
        scores = model.estimators_.shape[1]
        # What the scores are before any tree is private to the model: a decision less what its trees add to it.
        added = [model.learning_rate * tree.value[tree.apply(row.astype(np.float32))[0], 0, 0] for tree in trees]
        start = np.ravel(model.decision_function(row)) - np.reshape(added, (-1, scores)).sum(axis=0)
        kept = trees[: rounds * scores]
        shape = len(kept), max(tree.node_count for tree in kept)
        feature, left, right = (np.zeros(shape, np.int32) for _ in range(3))
        threshold, value = np.zeros(shape), np.zeros(shape)
        for number, tree in enumerate(kept):
            own = np.arange(tree.node_count)
            is_leaf = tree.children_left < 0
            feature[number, own] = np.where(is_leaf, 0, tree.feature)
            threshold[number, own] = np.where(is_leaf, 0.0, tree.threshold)
            left[number, own] = np.where(is_leaf, own, tree.children_left)
            right[number, own] = np.where(is_leaf, own, tree.children_right)
            value[number, own] = model.learning_rate * tree.value[:, 0, 0]
        score = np.tile(np.arange(scores, dtype=np.int32), rounds)
        depth = np.array(max(tree.max_depth for tree in kept), np.int32)
        return cls(feature, threshold, left, right, value, score, start, depth)

    def scores(self, rows: Tensor) -> Tensor:
        """Scores (N, S) float64 of rows (N, F) float32 without NaN."""
        trees, nodes = self.feature.shape
        roots = tf.constant(nodes * np.arange(trees, dtype=np.int32))
        feature, threshold, left, right, value = (
            tf.constant(array.ravel()) for array in (self.feature, self.threshold, self.left, self.right, self.value)
        )
        places = tf.zeros([tf.shape(rows)[0], 1], tf.int32) + roots
        for _ in range(int(self.depth)):
            found = tf.cast(tf.gather(rows, tf.gather(feature, places), batch_dims=1), tf.float64)
            goes_left = found <= tf.gather(threshold, places)
            places = roots + tf.where(goes_left, tf.gather(left, places), tf.gather(right, places))
        adds_to = tf.one_hot(self.score, len(self.start), dtype=tf.float64)
        return tf.constant(self.start) + tf.matmul(tf.gather(value, places), adds_to)
