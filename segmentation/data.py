"""What a segmentation network trains and stops on."""

from __future__ import annotations

from segmentation.config import Settings
from spine.training.data import FitData
from spine.truth import MaskTruth

__all__ = ["Data"]


class Data(FitData):
    """The training rows and the validation split of a segmentation network: slices or crops, as the dataset is."""

    train: MaskTruth
    validation: MaskTruth
    settings: Settings
