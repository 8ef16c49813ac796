"""What a network of any task trains and stops on, dealt out in batches that devices can share."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

from spine.dataset.manifest import Manifest
from spine.dataset.truth import AnyTruth
from spine.experiment.config import Experiment
from spine.experiment.truth import read_truths

__all__ = ["FitData"]


@dataclass(frozen=True)
class FitData:
    """The truths of the training rows and of the validation split, both of one kind, and how they are read.

    `validation` is None where nothing is to stop the training, as of a refit.
    """

    train: Any
    validation: Any
    settings: Any
    seed: int
    replicas: int = 1

    def batches(self, truth: Any, *, training: bool, first_epoch: int = 0, batch: int) -> Any:
        """Batches of pictures and one-hot targets: for training endless and augmented, else once, as they are."""
        return self.reader(
            truth,
            height=self.settings.height,
            width=self.settings.width,
            normalisation=self.settings.normalisation,
            batch=batch,
            augmentation=self.settings.augmentation if training else None,
            seed=self.seed,
            training=training,
            first_epoch=first_epoch,
        )

    @classmethod
    def of(cls, experiment: Experiment, manifest: Manifest, settings: Any, seed: int) -> Self:
        """Read the splits of a dataset; SpineError where one is empty, or its truth does not fit the experiment."""
        train, validation = read_truths(experiment, manifest)
        return cls(train, validation, settings, seed)

    @property
    def reader(self) -> Callable[..., Any]:
        """What reads a truth in batches: `classification_data` or `segmentation_data` of `spine.training.inputs`."""
        raise NotImplementedError(f"{type(self).__name__} of a task says how its truth is read")

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes, in order."""
        return self.train.labels

    def shared_by(self, replicas: int) -> Self:
        """The same data for that many devices, each taking its part of every batch.

        The last `rows % replicas` rows of either are left out, since kernels fail where a device's part is empty.
        """
        train, validation = (_in_shares(truth, replicas) for truth in (self.train, self.validation))
        return replace(self, replicas=replicas, train=train, validation=validation)

    @property
    def steps(self) -> int:
        """Batches in a training epoch."""
        from spine.training.inputs import steps_per_epoch

        return steps_per_epoch(len(self.train.samples), self._batch(self.train))

    @property
    def fewest(self) -> int:
        """The pictures that each device gets in the smallest step of training, an epoch's last."""
        rows, batch = len(self.train.samples), self._batch(self.train)
        return (rows % batch or batch) // self.replicas

    def training(self, first_epoch: int) -> Any:
        """Endless augmented batches from the epoch `first_epoch` (0-based) on, their truth smoothed where asked."""
        from spine.training.regularisation.label_smoothing import smoothed

        batches = self.batches(self.train, training=True, first_epoch=first_epoch, batch=self._batch(self.train))
        return smoothed(batches, self.settings.label_smoothing) if self.settings.label_smoothing else batches

    def validation_batches(self) -> Any:
        """The validation data once, in order, as it is; None where there is none."""
        if self.validation is None:
            return None
        return self.batches(self.validation, training=False, batch=self._batch(self.validation))

    def _batch(self, truth: AnyTruth) -> int:
        # Keras takes the devices' parts of the first batch to be of one size, so it is a multiple of the devices.
        wanted = math.ceil(self.settings.batch / self.replicas)
        there = len(truth.samples) // self.replicas
        return self.replicas * max(1, min(wanted, there))


def _in_shares(truth: Any, replicas: int) -> Any:
    from spine.training.inputs import subset

    if truth is None:
        return None
    return subset(truth, range(len(truth.samples) // replicas * replicas))
