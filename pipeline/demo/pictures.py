"""Maps over a picture as RGB arrays, enlarged as the overlay is: disagreement of members, and explanations."""

from __future__ import annotations

import cv2
import numpy as np

from spine.answers.overlay import enlargement
from spine.images.tint import display_image

__all__ = ["COLOURS", "heat_over"]

COLOURS = "inferno"  # of Matplotlib: even steps, dark to bright also in grey and for the colour-blind
_STRONGEST = 0.65  # how opaque the top of the scale is


def heat_over(pixels: np.ndarray, values: np.ndarray, top: float) -> np.ndarray:
    """RGB (k H, k W, 3) uint8 of a picture (H, W) under a map (H, W) from 0, which is clear, to `top`."""
    from matplotlib import colormaps

    grey = display_image(pixels, enlargement(pixels.shape))
    height, width = grey.shape
    share = cv2.resize(np.clip(values / top, 0, 1).astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    colour = colormaps[COLOURS](0.25 + 0.75 * share)[..., :3] * 255  # from a visible colour on
    opacity = _STRONGEST * np.sqrt(share)[..., np.newaxis]
    return np.rint((1 - opacity) * grey[..., np.newaxis] + opacity * colour).astype(np.uint8)
