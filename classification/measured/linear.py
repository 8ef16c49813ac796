"""Logistic regression of scikit-learn on standardised features as arrays, and in a graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import tensorflow as tf

__all__ = ["Linear"]

Tensor = Any


@dataclass(frozen=True)
class Linear:
    """Scores are (rows - mean) / scale times `weight`, and `start`; what lies beyond `low` and `high` counts as those.

    They are the extremes of the rows that it was fitted on: a line says nothing of what is far from them, and a mask
    that is no spine measures anything.
    """

    low: np.ndarray  # (F,) float32
    high: np.ndarray
    mean: np.ndarray  # (F,) float64
    scale: np.ndarray
    weight: np.ndarray  # (F, S) float64
    start: np.ndarray  # (S,) float64

    @classmethod
    def of(cls, scaler: Any, model: Any, rows: np.ndarray) -> Self:
        """Of a StandardScaler and LogisticRegression that were fitted on rows (N, F) float32."""
        extremes = rows.min(axis=0), rows.max(axis=0)
        return cls(*extremes, scaler.mean_, scaler.scale_, model.coef_.T.copy(), model.intercept_)

    def scores(self, rows: Tensor) -> Tensor:
        """Scores (N, S) float64 of rows (N, F) float32 without NaN."""
        standard = (tf.cast(tf.clip_by_value(rows, self.low, self.high), tf.float64) - self.mean) / self.scale
        return tf.matmul(standard, tf.constant(self.weight)) + self.start
