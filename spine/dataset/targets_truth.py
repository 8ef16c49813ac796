"""The truths of several targets put together, for a network that learns them all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from spine.core.problems import SpineError
from spine.dataset.truth import ClassTruth

__all__ = ["NO_VALUE", "TargetsTruth"]

NO_VALUE = -1


@dataclass(frozen=True)
class TargetsTruth(ClassTruth):
    """Samples of one split with a value of at least one target, each of them once, in the order of the dataset.

    `labels` are those of each target; `values` (N, T) are indices into these, NO_VALUE where a sample has none. Every
    sample is a unit of its own: targets are scored one by one, by their own truths.
    """

    labels: Mapping[str, tuple[str, ...]]  # type: ignore[assignment]

    @classmethod
    def of(cls, truths: Mapping[str, ClassTruth], order: Mapping[str, int]) -> TargetsTruth:
        """Put together truths of one split; `order` numbers the samples of the dataset."""
        rows = {sample: (truth, row) for truth in truths.values() for row, sample in enumerate(truth.samples)}
        samples = tuple(sorted(rows, key=order.__getitem__))
        values = np.full((len(samples), len(truths)), NO_VALUE)
        place = {sample: row for row, sample in enumerate(samples)}
        for column, truth in enumerate(truths.values()):
            values[[place[sample] for sample in truth.samples], column] = truth.values
        own: dict[str, Any] = {
            "labels": {target: truth.labels for target, truth in truths.items()},
            "values": values,
            "units": samples,
        }
        columns: dict[str, Any] = {
            field.name: _column(field.name, rows, samples) for field in fields(cls) if field.name not in own
        }
        return cls(**own, **columns)

    @property
    def one_hot(self) -> np.ndarray:
        """What a network learns: the classes of all targets side by side, (N, sum of C) float32.

        Of a target a row is one-hot times N / N with a value of it, or zeros without one: a mean over all N samples is
        then the mean over those with a value.
        """
        targets = enumerate(self.labels.values())
        return np.concatenate([_one_hot(self.values[:, column], len(labels)) for column, labels in targets], axis=1)


def _column(name: str, rows: Mapping[str, tuple[ClassTruth, int]], samples: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(getattr(truth, name)[row] for truth, row in map(rows.__getitem__, samples))


def _one_hot(values: np.ndarray, classes: int) -> np.ndarray:
    has_value = values != NO_VALUE
    if not has_value.any():
        raise SpineError("no sample has a value of one of the targets, so nothing of it can be learned")
    scale = len(values) / has_value.sum()
    return np.where(has_value[:, None], np.eye(classes, dtype=np.float32)[values] * np.float32(scale), np.float32(0))
