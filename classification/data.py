"""What a classifier trains and stops on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from classification.config import Settings
from spine.config import Experiment
from spine.manifest import Manifest
from spine.problems import SpineError
from spine.truth import Truth

__all__ = ["Data", "class_weights"]


@dataclass(frozen=True)
class Data:
    """The truths of the training rows (bootstrapped where asked) and of the validation split, and how they are read."""

    train: Truth
    validation: Truth
    settings: Settings
    seed: int
    replicas: int = 1

    @classmethod
    def of(cls, experiment: Experiment, manifest: Manifest, settings: Settings, seed: int) -> Data:
        """Read the splits of a dataset; SpineError where one is empty or the target is not there."""
        from spine.inputs import bootstrap

        train, validation = (
            Truth.of_classification(manifest, split, experiment.target, experiment.labels)
            for split in ("train", "validation")
        )
        if settings.bootstrap != "none":
            train = bootstrap(train, seed, settings.bootstrap)
        return cls(train, validation, settings, seed)

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes, in order."""
        return self.train.labels

    def shared_by(self, replicas: int) -> Data:
        """The same data for that many devices, each taking its part of every batch.

        The last `rows % replicas` rows of either are left out, since kernels fail where a device's part is empty.
        """
        train, validation = (_in_shares(truth, replicas) for truth in (self.train, self.validation))
        return replace(self, replicas=replicas, train=train, validation=validation)

    @property
    def steps(self) -> int:
        """Batches in a training epoch."""
        from spine.inputs import steps_per_epoch

        return steps_per_epoch(len(self.train.samples), self._batch(self.train))

    @property
    def class_weights(self) -> dict[int, float] | None:
        """What each class weighs in the loss."""
        return class_weights(self.settings.class_weights, self.train.values, self.labels)

    def training(self, first_epoch: int) -> Any:
        """Endless augmented batches of pictures and one-hot labels, from the epoch `first_epoch` (0-based) on."""
        return self._batches(
            self.train, training=True, augmentation=self.settings.augmentation, first_epoch=first_epoch
        )

    def stopping(self) -> Any:
        """The validation pictures and one-hot labels once, in order, as they are."""
        return self._batches(self.validation, training=False)

    def _batches(self, truth: Truth, **how: Any) -> Any:
        from spine.inputs import classification_data

        settings = self.settings
        how |= {"height": settings.height, "width": settings.width, "normalisation": settings.normalisation}
        return classification_data(truth, batch=self._batch(truth), seed=self.seed, **how)

    def _batch(self, truth: Truth) -> int:
        # Keras takes the devices' parts of the first batch to be of one size, so it is a multiple of the devices.
        wanted = math.ceil(self.settings.batch / self.replicas)
        there = len(truth.samples) // self.replicas
        return self.replicas * max(1, min(wanted, there))


def _in_shares(truth: Truth, replicas: int) -> Truth:
    rows = len(truth.samples) // replicas * replicas
    columns = ("samples", "patients", "units", "values", "paths", "sizes")
    return replace(truth, **{name: getattr(truth, name)[:rows] for name in columns})


def class_weights(
    setting: str | Mapping[str, float], values: np.ndarray, labels: Sequence[str]
) -> dict[int, float] | None:
    """Class index -> weight in the loss, or None for "none".

    "balanced" is rows / (classes * rows of the class), so that classes count alike. SpineError where a label has no
    row in `values` (N,), or a mapping does not name every label.
    """
    counts = np.bincount(values, minlength=len(labels))
    absent = [label for label, count in zip(labels, counts, strict=True) if not count]
    if absent:
        raise SpineError(
            f"the training rows hold no {', '.join(map(repr, absent))}; a network cannot learn a class it never sees. "
            "Check the splits (`spine data check`), or leave the label out"
        )
    if setting == "none":
        return None
    if isinstance(setting, str):
        return {index: len(values) / (len(labels) * count) for index, count in enumerate(counts.tolist())}
    if set(setting) != set(labels):
        raise SpineError(
            f"class_weights names {sorted(setting)}; the labels are {list(labels)}, give each one a weight"
        )
    return {index: float(setting[label]) for index, label in enumerate(labels)}
