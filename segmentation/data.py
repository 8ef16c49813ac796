"""What a segmentation network trains and stops on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from segmentation.config import Settings
from spine.dataset.truth import MaskTruth
from spine.training.data import FitData

__all__ = ["Data"]


class Data(FitData):
    """The training rows and the validation split of a segmentation network: slices or crops, as the dataset is."""

    train: MaskTruth
    validation: MaskTruth
    settings: Settings

    @property
    def reader(self) -> Callable[..., Any]:
        """Pictures and one-hot masks (N, H, W, C); a pixel without truth, as of the padding, is 0 in every class."""
        from spine.training.inputs import segmentation_data

        return segmentation_data
