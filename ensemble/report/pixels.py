"""Pictures in the page: grey images, classes laid over them, disagreement as heat; RGB uint8, inlined as data URLs."""

from __future__ import annotations

import base64
from pathlib import Path

import cv2
import numpy as np

from spine.core.problems import SpineError
from spine.images.pictures import read_picture
from spine.images.tint import display_image, outline, resized, tinted

__all__ = ["data_url", "grey_picture", "heat", "outlined", "overlay"]

FILL = 0.32  # how opaque a class lies over the anatomy
HEAT = np.array([(255, 90, 40)])


def grey_picture(path: Path, longest: int) -> np.ndarray | None:
    """The picture (H, W) uint8 with its longer side of `longest` pixels, percentiles stretched; None if unreadable."""
    try:
        pixels = read_picture(path, path.name).pixels
    except (SpineError, OSError):
        return None
    return display_image(pixels, longest / max(pixels.shape))


def overlay(grey: np.ndarray, mask: np.ndarray, classes: int) -> np.ndarray:
    """RGB (H, W, 3) of a grey picture under translucent classes with their outlines; the mask may have another size."""
    return tinted(grey, mask, classes, FILL)


def outlined(image: np.ndarray, mask: np.ndarray, classes: int) -> np.ndarray:
    """The RGB image with the classes' outlines in white, as of a truth under a prediction."""
    image = image.copy()
    for label in range(1, classes):
        outline(image, resized(mask == label, image.shape[:2]), np.array([255, 255, 255]))
    return image


def heat(grey: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """RGB of a darkened grey picture on which shares (H, W) in [0, 1] glow; a half is the brightest."""
    glow = cv2.resize(shares.astype(np.float32), grey.shape[::-1], interpolation=cv2.INTER_LINEAR)[..., None]
    glow = np.sqrt(np.clip(2 * glow, 0, 1))
    return np.rint(0.75 * (1 - glow) * grey[..., None] + glow * HEAT).astype(np.uint8)


def data_url(image: np.ndarray) -> str:
    """A grey picture as PNG, an RGB one as JPEG of full colour resolution, inlined."""
    if image.ndim == 2:
        kind, encoded = "png", cv2.imencode(".png", image)[1]
    else:
        how = [cv2.IMWRITE_JPEG_QUALITY, 88, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
        kind, encoded = "jpeg", cv2.imencode(".jpg", image[..., ::-1], how)[1]
    return f"data:image/{kind};base64,{base64.b64encode(encoded.tobytes()).decode()}"
