"""Augmentation of training data: spatial (image, mask and boxes together) apart from intensity (pixels only).

`settings` needs no TensorFlow; `spatial` and `intensity` are TensorFlow, and are imported by those who need them.
"""

from spine.training.augment.settings import PRESETS, Augmentation

__all__ = ["PRESETS", "Augmentation"]
