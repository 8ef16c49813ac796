"""What a segmentation network trains and stops on."""

from __future__ import annotations

from segmentation.config import Settings
from spine.config import Experiment
from spine.manifest import Manifest
from spine.training.data import FitData, read_truths
from spine.truth import MaskTruth

__all__ = ["Data"]


class Data(FitData):
    """The training rows and the validation split of a segmentation network: slices or crops, as the dataset is."""

    train: MaskTruth
    validation: MaskTruth
    settings: Settings

    @classmethod
    def of(cls, experiment: Experiment, manifest: Manifest, settings: Settings, seed: int) -> Data:
        """Read the splits of a dataset; SpineError where one has no mask, or its masks hold other labels."""
        train, validation = read_truths(experiment, manifest)
        return cls(train, validation, settings, seed)
