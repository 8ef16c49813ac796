"""The scale of the pixels that weights were trained on, by name; cheap to import.

Wherever weights come from, the network must read what they learned from. A published network has a scale of its own;
a file of another origin may have another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from spine.training.pretrained.base_weights import scale_and_offset
from spine.training.pretrained.state_dict.files import SUFFIXES
from spine.training.pretrained.state_dict.layouts import LAYOUTS

__all__ = ["PixelScale", "require_scale", "scale_of", "with_scale_of_file"]

PixelScale = Literal["own", "caffe", "tf", "torch", "radimagenet"]

_MEAN, _DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])  # of ImageNet
_MEAN_BGR = np.array([103.939, 116.779, 123.68])


def _caffe(pixels: Any) -> Any:
    return pixels[..., ::-1] - _MEAN_BGR


# RGB (..., 3) in [0, 255] -> what a network reads. The first three are the modes of keras.applications'
# preprocess_input. RadImageNet's own scripts for its Keras files take that of Caffe and divide it by 255
# (github.com/BMEII-AI/RadImageNet, acl/acl_train.py: preprocess_input, then rescale=1/255).
_SCALES: Mapping[str, Callable[[Any], Any]] = {
    "caffe": _caffe,
    "tf": lambda pixels: pixels / 127.5 - 1,
    "torch": lambda pixels: (pixels / 255 - _MEAN) / _DEVIATION,
    "radimagenet": lambda pixels: _caffe(pixels) / 255,
}


def scale_of(chosen: str, own: Callable[[Any], Any]) -> tuple[np.ndarray, np.ndarray]:
    """Scale and offset (3,) from grey in [0, 1] to the chosen scale; `own` is the network's published preprocessing."""
    return scale_and_offset(own if chosen == "own" else _SCALES[chosen])


def require_scale(chosen: str, network: str, scales_inside: bool, weights: str, setting: str = "weights") -> None:
    """ValueError for another scale than the own of a network whose graph scales by itself, from `weights`."""
    if scales_inside and chosen != "own":
        of_file = "" if weights in ("imagenet", "none") else f", and give {setting} that were trained so"
        raise ValueError(
            f"pixel_scale is {chosen}, but {network} scales pixels inside; leave pixel_scale at own{of_file}"
        )


def with_scale_of_file(given: Any, part: str, setting: str, table: Mapping[str, Any]) -> Any:
    """A member's settings, with `pixel_scale` by the origin of its weights' file where they do not say it.

    That of a PyTorch file is its layout's; that of any other is the network's own. `given[part]` names the network in
    the table, `given[setting]` the file.
    """
    if not isinstance(given, Mapping) or "pixel_scale" in given:
        return given
    layout = getattr(table.get(str(given.get(part, ""))), "layout", "")
    if layout not in LAYOUTS or Path(str(given.get(setting, ""))).suffix not in SUFFIXES:
        return given
    return {**given, "pixel_scale": LAYOUTS[layout].scale}
