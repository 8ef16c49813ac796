"""A fitted model of measurements: from rows with gaps to probabilities, in a graph, and its file of plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import tensorflow as tf

from classification.measured.linear import Linear
from classification.measured.trees import Trees

__all__ = ["Fitted", "filled"]

Tensor = Any

KINDS: dict[str, type[Trees] | type[Linear]] = {"gradient_boosting": Trees, "logistic_regression": Linear}


@dataclass(frozen=True)
class Fitted:
    """What a model of one of the KINDS has learned; `fill` (F,) float32 takes the place of values that lack."""

    name: str
    fill: np.ndarray
    scorer: Trees | Linear

    def probabilities(self, rows: Tensor) -> Tensor:
        """Probabilities (N, C) float64 of rows (N, F) float32, NaN where a value lacks."""
        missing = tf.math.is_nan(rows)
        complete = tf.concat([tf.where(missing, self.fill, rows), tf.cast(missing, tf.float32)], axis=1)
        scores = self.scorer.scores(complete)
        if len(self.scorer.start) > 1:
            return tf.nn.softmax(scores)
        positive = tf.sigmoid(scores)
        return tf.concat([1 - positive, positive], axis=1)

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """`probabilities` of an array."""
        return self.probabilities(tf.constant(rows, tf.float32)).numpy()

    @property
    def variables(self) -> Sequence[np.ndarray]:
        """All that it has learned."""
        return [self.fill, *asdict(self.scorer).values()]

    def count_params(self) -> int:
        """How many numbers that are."""
        return sum(array.size for array in self.variables)

    def save_weights(self, path: Path) -> None:
        """Write them as plain arrays."""
        with path.open("wb") as stream:
            np.savez(stream, fill=self.fill, **asdict(self.scorer))

    @classmethod
    def read(cls, name: str, path: Path) -> Self:
        """Read them back; nothing is unpickled."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(name, arrays["fill"], KINDS[name](**{key: arrays[key] for key in arrays if key != "fill"}))


def filled(rows: np.ndarray, fill: np.ndarray) -> np.ndarray:
    """What a model is fitted on, (N, 2 F) float32: rows (N, F) without gaps, and where they had some, 0 or 1."""
    missing = np.isnan(rows)
    return np.concatenate([np.where(missing, fill, rows), missing], axis=1).astype(np.float32)
