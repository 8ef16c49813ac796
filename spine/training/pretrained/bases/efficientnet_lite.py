"""EfficientNet-Lite0: EfficientNet-B0 without squeeze-and-excitation, with ReLU6 (github.com/tensorflow/tpu, lite).

Its published weights pad as TensorFlow does, so they give the same numbers here.
"""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["efficientnet_lite0", "preprocess_input"]

_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, of RGB in [0, 1]


def efficientnet_lite0(keras: Any, input_shape: tuple[int | None, int | None, int]) -> Any:
    """The network without its top, 3,413,031 parameters, of `keras` or `tf_keras`; (H, W, 3) in `preprocess_input`."""
    efficientnet = sys.modules[keras.applications.EfficientNetB0.__module__]  # its builder is not public
    blocks = [{**block, "se_ratio": 0} for block in efficientnet.DEFAULT_BLOCKS_ARGS]
    return efficientnet.EfficientNet(
        *(1.0, 1.0, 224),
        activation="relu6",
        blocks_args=blocks,
        include_top=False,
        weights=None,
        input_shape=input_shape,
    )


def preprocess_input(pixels: Any) -> Any:
    """RGB (..., 3) in [0, 255] to what the network reads: its graph begins with a division by 255."""
    return 255 * (pixels / 255 - _MEAN) / _DEVIATION
