"""What a segmentation network trains and stops on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

from segmentation.config import Settings
from spine.dataset.manifest import Manifest
from spine.dataset.truth import MaskTruth
from spine.experiment.config import Experiment
from spine.training.data import FitData

__all__ = ["Data"]


class Data(FitData):
    """The training rows and the validation split of a segmentation network: slices or crops, as the dataset is.

    With patches a picture is as many rows as patches of it are drawn in an epoch.
    """

    train: MaskTruth
    validation: MaskTruth
    settings: Settings

    @classmethod
    def of(cls, experiment: Experiment, manifest: Manifest, settings: Settings, seed: int) -> Self:
        """As `FitData.of` reads them."""
        data = super().of(experiment, manifest, settings, seed)
        if settings.repeats == 1:
            return data
        from spine.training.inputs import subset

        rows = [row for row in range(len(data.train)) for _ in range(settings.repeats)]
        return replace(data, train=subset(data.train, rows))

    @property
    def reader(self) -> Callable[..., Any]:
        """Pictures and one-hot masks (N, H, W, C); a pixel without truth, as of the padding, is 0 in every class."""
        from spine.training.inputs import segmentation_data

        return segmentation_data

    def batches(self, truth: MaskTruth, *, training: bool, first_epoch: int = 0, batch: int) -> Any:
        """As `FitData.batches`; with patches those for training, and whole pictures else, one a device at a time."""
        settings = self.settings
        if not settings.patches:
            return super().batches(truth, training=training, first_epoch=first_epoch, batch=batch)
        from spine.training.own_size import patch_data, whole_data

        if not training:
            return whole_data(
                truth,
                multiple=settings.multiple,
                least=settings.least_size,
                normalisation=settings.normalisation,
                batch=self.replicas,
            )
        return patch_data(
            truth,
            height=settings.height,
            width=settings.width,
            normalisation=settings.normalisation,
            batch=batch,
            foreground=settings.patches.foreground,
            augmentation=settings.augmentation,
            seed=self.seed,
            first_epoch=first_epoch,
        )
