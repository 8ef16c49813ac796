"""Pictures in the page: grey images, classes laid over them, disagreement as heat; RGB uint8, inlined as data URLs."""

from __future__ import annotations

import base64
from pathlib import Path

import cv2
import numpy as np

from spine.core.problems import SpineError
from spine.images.pictures import read_picture

__all__ = ["CLASS_COLOURS", "class_colour", "data_url", "grey_picture", "heat", "outlined", "overlay", "rgb"]

# Bright on grey anatomy, and told apart by the colour-blind: the first foreground class has the first colour.
CLASS_COLOURS = ("#35b6e6", "#f5a524", "#e8639c", "#8ecf4d", "#f4e04d", "#a78bfa", "#ef6f52", "#2fd4b2")
FILL = 0.32  # how opaque a class lies over the anatomy
HEAT = np.array([(255, 90, 40)])


def class_colour(label: int) -> str:
    """The CSS colour of a foreground class, 1 being the first; after the last they repeat."""
    return CLASS_COLOURS[(label - 1) % len(CLASS_COLOURS)]


def grey_picture(path: Path, longest: int) -> np.ndarray | None:
    """The picture (H, W) uint8 with its longer side of `longest` pixels, percentiles stretched; None if unreadable."""
    try:
        pixels = read_picture(path, path.name).pixels.astype(np.float32)
    except (SpineError, OSError):
        return None
    low, high = np.percentile(pixels, [0.5, 99.5])
    grey = np.clip((pixels - low) / max(high - low, 1) * 255, 0, 255).astype(np.uint8)
    scale = longest / max(grey.shape)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(grey, None, fx=scale, fy=scale, interpolation=how)


def overlay(grey: np.ndarray, mask: np.ndarray, classes: int) -> np.ndarray:
    """RGB (H, W, 3) of a grey picture under translucent classes with their outlines; the mask may have another size."""
    canvas = np.repeat(grey[..., None], 3, axis=2)
    for label in range(1, classes):
        inside = _resized(mask == label, grey.shape)
        colour = rgb(class_colour(label))
        canvas[inside] = np.rint((1 - FILL) * canvas[inside] + FILL * colour)
        _outline(canvas, inside, colour)
    return canvas


def outlined(image: np.ndarray, mask: np.ndarray, classes: int) -> np.ndarray:
    """The RGB image with the classes' outlines in white, as of a truth under a prediction."""
    image = image.copy()
    for label in range(1, classes):
        _outline(image, _resized(mask == label, image.shape[:2]), np.array([255, 255, 255]))
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


def _resized(inside: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The region at another size; its edge is where a half lies, so that an outline is smooth and not in steps."""
    height, width = shape
    return cv2.resize(inside.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR) >= 0.5


def _outline(image: np.ndarray, inside: np.ndarray, colour: np.ndarray) -> None:
    edges, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(image, edges, -1, [int(part) for part in colour], 1)


def rgb(colour: str) -> np.ndarray:
    """The parts (3,) in 0 .. 255 of a CSS colour `#rrggbb`."""
    return np.array([int(colour[start : start + 2], 16) for start in (1, 3, 5)])
